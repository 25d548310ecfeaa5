"""Servers whose command lines are read, one module each."""
