"""Measured end-to-end serving: rows become scenarios, `simulate` answers them, a few constants are fitted."""
