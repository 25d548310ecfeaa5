"""Programs for a scheduler's queue, evolved: the event engine judges, the contracts of schedulers guard."""

from planners.policies.evolve import PolicyAnswer, PolicyQuestion, evolve

__all__ = ("PolicyAnswer", "PolicyQuestion", "evolve")
