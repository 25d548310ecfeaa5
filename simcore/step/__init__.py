"""What a step takes: the fold of costs into steps, tables of steps, and what servers do to them."""
