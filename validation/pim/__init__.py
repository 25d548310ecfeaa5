"""Layers of an NPU with memories that multiply, against runs of a cycle-accurate simulator."""
