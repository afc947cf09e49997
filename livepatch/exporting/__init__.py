"""Writes what is live as an extension that other webuis load."""
