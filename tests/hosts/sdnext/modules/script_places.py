"""Where the values of a script begin that no page has drawn: SD.Next passes such a script by."""

UNDRAWN = 0
