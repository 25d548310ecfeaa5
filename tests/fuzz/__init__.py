"""Inputs spoilt at random, laws over random questions, kills of every writer: `python -m tests.fuzz`."""
