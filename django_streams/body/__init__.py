"""Request bodies, while they arrive."""
