"""Cycles of spatial arrays against those of a cycle-accurate simulator."""
