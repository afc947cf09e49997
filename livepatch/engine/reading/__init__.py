"""Reads facts from a running program, without computing, importing or changing anything."""
