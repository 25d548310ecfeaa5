"""Engines that evaluate chunks; each module has `connect(address, workers)`."""
