"""Every comparison with measurements, made with the functions that users call."""
