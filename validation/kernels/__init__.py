"""Calls of single kernels, the host's part inside, against measured ones."""
