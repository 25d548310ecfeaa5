"""Search of design spaces: one description of a space, many methods, any evaluator, a store that outlives the process.

`space` says what may vary; `problem` what is asked; `methods` how to look; `store` what is known; `backends` where the
work is done; `run` ties them; `compare` judges methods at equal budgets.
"""
