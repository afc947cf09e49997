# mypy: disable-error-code="no-untyped-call,unused-ignore"
# IPython is typed in part, and in each version differently.
"""The user's IPython profile where there is one, and no folder of ours where there is none."""

from __future__ import annotations

import fnmatch
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core import interactiveshell
from IPython.core.profiledir import ProfileDir

if TYPE_CHECKING:
    from collections.abc import Iterator


def ipython_folder() -> Path:
    """Where the user's IPython keeps its profiles; it need not be there."""
    return Path(os.environ.get("IPYTHONDIR") or Path.home() / ".ipython")


class UsersProfile(ProfileDir):
    """The user's default profile, as far as it is there: nothing is made in it.

    IPython makes five folders where it is told that a profile is. A webui that ends by SIGTERM
    would leave them, for no exit call is made then.
    """

    def __init__(self) -> None:
        super().__init__(location=str(ipython_folder() / "profile_default"))
        self.startup_dir = str(Path(self.location) / self.startup_dir_name)

    def _location_changed(self, change: Any) -> None:  # type: ignore[override]
        """Make nothing: without the decorator this takes the place of IPython's observer."""

    def check_startup_dir(self, change: Any = None) -> None:
        """Make nothing."""

    @property
    def usable(self) -> bool:
        """Whether something can be kept in it."""
        return os.path.isdir(self.location) and os.access(self.location, os.W_OK)


class MemoryStore(dict[str, Any]):
    """What ``%store`` and bookmarks keep, where there is no profile to keep it in."""

    def keys(self, globpat: str | None = None) -> Any:  # type: ignore[override]
        """The names, those that fit a pattern where one is given."""
        return [name for name in self if globpat is None or fnmatch.fnmatch(name, globpat)]


def open_store(profile: UsersProfile) -> Any:
    """The store of a profile; one in memory where it has none, or its disk is full."""
    if profile.usable:
        with suppress(ImportError, OSError):
            try:
                from IPython.external.pickleshare import PickleShareDB
            except ImportError:  # IPython 8
                from pickleshare import (  # type: ignore[import-not-found,no-redef]
                    PickleShareDB,
                )
            return PickleShareDB(os.path.join(profile.location, "db"))
    return MemoryStore()


@contextmanager
def no_store_yet() -> Iterator[None]:
    """Keep IPython 8 from making the store's folder as it makes a shell; 9 waits until it is used.

    The shell opens its own with :func:`open_store`.
    """
    name = "PickleShareDB"
    theirs = getattr(interactiveshell, name, None)
    if theirs is None:
        yield
        return
    setattr(interactiveshell, name, lambda _path: None)
    try:
        yield
    finally:
        setattr(interactiveshell, name, theirs)
