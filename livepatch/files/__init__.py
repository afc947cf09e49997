"""Files: whose we trust, and how ours are made.

livepatch runs code from files and reads orders from them: watched files, journals, records of
running webuis, kernelspecs. ``trusted`` opens such a file, or says whose it is and how to fix it;
``private`` makes ours, the user's alone whatever the umask; ``untrusted`` reads what is only data;
``acting`` is for root in the folder of somebody else.
"""

from __future__ import annotations

from .acting import acting_as_owner_of
from .appended import AppendedFile
from .locks import is_held
from .private import append_private, private_folder, trusted_folder, write_private
from .shown import shown, typed
from .trusted import check_trusted, open_trusted, read_trusted, trusted_uids

__all__ = [
    "AppendedFile",
    "acting_as_owner_of",
    "append_private",
    "check_trusted",
    "is_held",
    "open_trusted",
    "private_folder",
    "read_trusted",
    "shown",
    "trusted_folder",
    "trusted_uids",
    "typed",
    "write_private",
]
