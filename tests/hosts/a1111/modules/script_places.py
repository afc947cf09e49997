"""Where the values of a script begin that no page has drawn."""

UNDRAWN = None
