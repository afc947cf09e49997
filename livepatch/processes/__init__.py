"""Processes of this machine: whether one still runs, and which it is.

Below everything else of the package but the errors: records of running webuis, the journal and
`attach` all ask it.
"""

from __future__ import annotations

from .identity import ProcessIdentity
from .process import is_alive, start_time

__all__ = ["ProcessIdentity", "is_alive", "start_time"]
