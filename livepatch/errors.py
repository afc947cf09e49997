"""The situations a user of livepatch can meet, all of them :class:`LivepatchError`."""

from __future__ import annotations

from .engine.errors import ForeignChange, LivepatchError, PatchRefused, TargetNotFound


class KernelSilent(LivepatchError):
    """A webui's kernel gives no answer: its process is held up, or the kernel is deaf."""


class NotAttached(LivepatchError):
    """There is no kernel of livepatch in this process."""


class AttachFailed(LivepatchError):
    """The kernel could not be started in this process; the process runs on as before."""


class HostUnsupported(LivepatchError):
    """The webui we live in does not offer what was asked for."""


class ExportRefused(LivepatchError):
    """What is live cannot be written as an extension; no file was written."""


class FileNotTrusted(LivepatchError):
    """A file is somebody else's, or others can write it: it was neither read nor run."""


class WebuiNotFound(LivepatchError):
    """No running webui of that name or pid can be reached."""


class WebuiAmbiguous(LivepatchError):
    """Several running webuis fit; one has to be chosen."""


__all__ = [
    "AttachFailed",
    "ExportRefused",
    "FileNotTrusted",
    "ForeignChange",
    "HostUnsupported",
    "KernelSilent",
    "LivepatchError",
    "NotAttached",
    "PatchRefused",
    "TargetNotFound",
    "WebuiAmbiguous",
    "WebuiNotFound",
]
