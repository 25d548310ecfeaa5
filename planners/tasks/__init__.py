"""Schedules that a user writes: work with amounts, resources and predecessors, run by the task engine."""
