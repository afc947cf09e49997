"""Finds the thing that the user names, and the place that holds it."""
