"""What a test may take that would take minutes, if what it tests had quadratic costs."""

FAR_TOO_LONG = 15
"""Seconds of the processor: a hundred times what such a test takes: a slow machine passes it."""
