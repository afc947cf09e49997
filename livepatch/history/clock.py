"""Times as people read them: those of the place where they are read, though files have UTC."""

from __future__ import annotations

from datetime import datetime


def clock(time: datetime) -> str:
    """Hours, minutes and seconds in the time of the place; of another day with its date."""
    local, today = time.astimezone(), datetime.now().astimezone()
    return f"{local:%H:%M:%S}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M:%S}"


def clock_of(iso: str) -> str:
    """The same of a time in ISO 8601; what is none stays as it is.

    Example:
        >>> clock_of("unknown")
        'unknown'
    """
    try:
        return clock(datetime.fromisoformat(iso))
    except ValueError:
        return iso
