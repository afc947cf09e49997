"""The webui's side of ``livepatch attach PID``: its text runs there, before livepatch is there.

So it needs the standard library only. One line was injected into the webui's main thread; it
started a thread, and everything else happens in that one: it tells the process that asked what this
one is, and does what the answer says.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import socket
import sys
import threading
from importlib.machinery import ModuleSpec, PathFinder
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable, Mapping, Sequence

PATIENCE = 20.0  # seconds that the process that asked may take to answer


class Borrowed:
    """Finds livepatch and what it needs where the process that asked has them, nothing else.

    It stands behind the webui's own finders. Were all of that environment's packages to be found,
    imports that the webui tries and expects to fail would suddenly succeed.
    """

    def __init__(self, places: Mapping[str, str], homes: Mapping[str, str]) -> None:
        self.places, self.homes = dict(places), dict(homes)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module's spec, for a top-level module that is ours to find."""
        place = self.places.get(name)
        if place is None or path is not None:
            return None
        return PathFinder.find_spec(name, [place], target)

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context
    ) -> Iterable[importlib.metadata.Distribution]:
        """The facts of a package that is ours to find and is asked for by name; some ask at import.

        A search through all packages finds none of ours: no plugin of ours is the webui's.
        """
        home = self.homes.get(re.sub(r"[-_.]+", "-", context.name or "").lower())
        if home is None:
            return []
        narrowed = type(context)(name=context.name, path=[home])
        return importlib.metadata.MetadataPathFinder.find_distributions(narrowed)


def start(order: dict[str, Any]) -> None:
    """Begin, in a thread of its own."""
    threading.Thread(target=answer, args=(order,), name="livepatch-attach", daemon=True).start()


def answer(order: dict[str, Any]) -> None:
    """Tell what this process is, attach when told to, and tell how that went."""
    try:
        with (
            socket.create_connection(("127.0.0.1", order["port"]), PATIENCE) as connection,
            connection.makefile("rw", encoding="utf-8") as stream,
        ):
            _say(stream, {"token": order["token"], **facts(order["distributions"])})
            told = json.loads(stream.readline() or "null")
            if told is not None and "versions_of" in told:
                _say(stream, versions(told["versions_of"]))
                told = json.loads(stream.readline() or "null")
            if told is not None:
                _say(stream, attach(told))
    except OSError:
        # Who asked has given up meanwhile: there is nobody to tell, and nothing to do.
        return


def _say(stream: IO[str], content: dict[str, Any]) -> None:
    stream.write(json.dumps(content) + "\n")
    stream.flush()


def facts(distributions: Sequence[str]) -> dict[str, Any]:
    """What the process that asked has to know.

    Args:
        distributions: those whose version it wants to know.

    Returns:
        The facts.
    """
    return {
        "python": platform.python_version(),
        "abi": abi(),
        "executable": sys.executable,
        "versions": versions(distributions),
        "has_livepatch": importlib.util.find_spec("livepatch") is not None,
        "kernel": running_kernel(),
    }


def versions(distributions: Sequence[str]) -> dict[str, str]:
    """The versions of those of the distributions that are installed here."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def abi() -> list[object]:
    """What has to be the same for extension modules of one environment to run in another."""
    import sysconfig

    return [*sys.version_info[:2], sysconfig.get_config_var("SOABI"), platform.machine()]


def running_kernel() -> str | None:
    """The kernel that runs in this process already, in words."""
    reach = sys.modules.get("livepatch.reach.attach")
    attachment = reach.current() if reach is not None else None
    if attachment is not None:
        return f"livepatch's, under the name {attachment.name!r}"
    application = sys.modules.get("ipykernel.kernelapp")
    if application is not None and application.IPKernelApp.initialized():
        return "Jupyter's own: it is a notebook's"
    return None


def attach(told: dict[str, Any]) -> dict[str, Any]:
    """Start the kernel; what goes wrong is told, and leaves nothing behind."""
    finder = Borrowed(told["places"], told["homes"]) if told["places"] else None
    if finder is not None:
        sys.meta_path.append(finder)
    try:
        from livepatch.reach.attach import attach_as_told

        def give_back() -> None:
            if finder in sys.meta_path:
                sys.meta_path.remove(finder)

        attachment = attach_as_told(
            told["name"], told["folder"], told["transport"], at_end=give_back
        )
    except BaseException as error:
        # This thread has no other way to tell; the webui's own threads are not touched by it.
        if finder is not None:
            sys.meta_path.remove(finder)
        return {"failed": _three_lines(error)}
    return {"attached": attachment.name, "pid": os.getpid()}


def _three_lines(error: BaseException) -> list[str]:
    if hasattr(error, "advice"):  # LivepatchError, which may not be importable here
        return [str(getattr(error, part)) for part in ("asked", "found", "advice")]
    return [
        f"attach a kernel to pid {os.getpid()}",
        f"{type(error).__name__}: {' '.join(str(error).split())}",
        "mend that, then try again",
    ]
