"""Several models and jobs on one fleet: chips that take turns, weights that are switched in, tokens in the slack."""
