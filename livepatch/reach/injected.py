"""The webui's side of ``livepatch attach PID``: its text runs there, before livepatch is there.

So it needs the standard library only. One line was injected into the webui's main thread; it
started a thread, and everything else happens in that one: it tells the process that asked what this
one is, and does what the answer says. It tells nothing and obeys nobody before the asker has proved
who it is, and when the asker ends, it ends, and leaves nothing behind.

The text of ``handshake`` has run there before it; ``start`` is given what it needs of that.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
import threading
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .handshake import Channel

THREAD = "livepatch-attach"


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


def start(order: dict[str, Any], call: Callable[..., Channel]) -> None:
    """Begin, in a thread of its own.

    Args:
        order: where the asker is, and what it wants to know.
        call: ``handshake.call``.
    """
    threading.Thread(target=answer, args=(order, call), name=THREAD, daemon=True).start()


def answer(order: dict[str, Any], call: Callable[..., Channel]) -> None:
    """Tell what this process is, attach when told to, and tell how that went."""
    try:
        if order["script"] is not None:
            with contextlib.suppress(FileNotFoundError):  # the asker removes it as well
                os.unlink(order["script"])
        with call(order["where"], bytes.fromhex(order["key"]), order["asker"]) as channel:
            try:
                found = facts(order["distributions"])
            except Exception as error:  # a package of the webui's whose facts cannot be read
                found = {"failed": _three_lines(error)}
            channel.say(found)
            told = channel.hear()
            if "versions_of" in told:
                channel.say(versions(told["versions_of"]))
                told = channel.hear()
            attach(told, channel)
    except OSError:
        # Who asked has given up or ended: there is nobody to tell, and nothing to do.
        return


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
        "attachment": running_attachment(),
        "notebook": is_a_notebooks_kernel(),
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


def running_attachment() -> dict[str, str] | None:
    """Our kernel that runs in this process already: its name and where it can be found."""
    reach = sys.modules.get("livepatch.reach.attach")
    attachment = reach.current() if reach is not None else None
    if attachment is None:
        return None
    return {"name": attachment.name, "folder": str(attachment.connection_file.parent)}


def is_a_notebooks_kernel() -> bool:
    """Whether Jupyter's own kernel runs in this process."""
    application = sys.modules.get("ipykernel.kernelapp")
    return application is not None and bool(application.IPKernelApp.initialized())


def attach(told: dict[str, Any], channel: Channel) -> None:
    """Start the kernel, which stays if the asker is there to say so.

    What goes wrong is told, and leaves nothing behind.
    """
    give_back = _lend(told["places"], told["homes"])
    try:
        # In full: this text belongs to no package where it runs.
        from livepatch.reach.attach import attach_as_told, withdraw

        attachment, is_new = attach_as_told(
            told["name"], told["folder"], told["transport"], replace=told["replace"]
        )
    except BaseException as error:
        # This thread has no other way to tell; the webui's own threads are not touched by it.
        give_back()
        channel.say({"failed": _three_lines(error)})
        return
    if not is_new:
        give_back()
        channel.say({"attached": attachment.name})
        return
    attachment.at_end.append(give_back)
    try:
        channel.say({"attached": attachment.name})
        channel.hear()
    except OSError:
        withdraw(attachment)


def _lend(places: Mapping[str, str], homes: Mapping[str, str]) -> Callable[[], None]:
    """Make the packages importable that the asker lends; answers what takes them away again."""
    finder = Borrowed(places, homes)
    if places:
        sys.meta_path.append(finder)

    def give_back() -> None:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)

    return give_back


def _three_lines(error: BaseException) -> list[str]:
    if hasattr(error, "advice"):  # LivepatchError, which may not be importable here
        return [str(getattr(error, part)) for part in ("asked", "found", "advice")]
    return [
        f"attach a kernel to pid {os.getpid()}",
        f"{type(error).__name__}: {' '.join(str(error).split())}",
        "fix that, then try again",
    ]
