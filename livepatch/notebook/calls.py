"""Each magic prints the Python call that its line stands for."""

from __future__ import annotations

from livepatch.reports.python import Source, call_text, value_text

__all__ = ["Source", "call_text", "tell", "value_text"]


def tell(call: str) -> None:
    """Print the call, above what the magic shows.

    Args:
        call: its text.
    """
    print(f"= {call}")
