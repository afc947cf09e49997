"""Turns a source text or a callable into a function that fits the place of its target."""
