"""The older fork's own package."""
