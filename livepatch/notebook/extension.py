"""``%load_ext livepatch`` and ``%unload_ext livepatch``.

Unloading restores everything that was done through livepatch in this process: of the well-known
IPython extensions this is the first that leaves a shell as it found it.
"""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING

from livepatch.engine import LivepatchError, restore_all
from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.adopting import heal
from livepatch.history.journal import journal
from livepatch.kernel.context import cell_number
from livepatch.measure import end_every_timing
from livepatch.plugins import MAGICS, complain, plugged_in
from livepatch.reports.news import news
from livepatch.watching.older_scripts import answer_no_more, answer_older_scripts
from livepatch.watching.watches import revive_all, stop_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.magic import Magics

    from .completion import Completer

NOTEBOOK = "notebook"
"""Who wants older scripts to be answered."""

# IPython's %autoreload exchanges the webui's code before a cell; the cell may reload it as well.
KEEPING = ("pre_run_cell", "post_run_cell")


def magics_classes() -> list[type[Magics]]:
    """The classes whose magics are ours: one for each file of this room, and those of plug-ins."""
    from .authoring import LivepatchAuthoringMagics
    from .history import LivepatchHistoryMagics
    from .live_patch import LivePatch
    from .looking import LivepatchLookingMagics
    from .pages import LivepatchPagesMagics
    from .registries import LivepatchRegistriesMagics
    from .watching import LivepatchWatchingMagics
    from .web import LivepatchWebMagics
    from .webui import LivepatchWebuiMagics

    return [
        LivePatch,
        LivepatchLookingMagics,
        LivepatchHistoryMagics,
        LivepatchWebuiMagics,
        LivepatchWebMagics,
        LivepatchPagesMagics,
        LivepatchRegistriesMagics,
        LivepatchAuthoringMagics,
        LivepatchWatchingMagics,
        *filter(_is_magics, plugged_in(MAGICS)),
    ]


def _is_magics(found: object) -> bool:
    if isinstance(getattr(found, "magics", None), dict):
        return True
    complain(MAGICS, f"{found!r} is no class of magics")
    return False


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics and their completion (called by ``%load_ext livepatch``).

    Args:
        shell: the IPython shell that asked.
    """
    # IPython is imported here, so that `import livepatch` in a webui without a kernel stays light.
    classes = magics_classes()
    ours = {name for cls in classes for name in cls.magics["line"]}
    taken = ours & set(shell.magics_manager.magics["line"])
    if taken:
        names = ", ".join(f"%{name}" for name in sorted(taken))
        warnings.warn(f"livepatch replaces the magics {names}", stacklevel=2)
    for event in KEEPING:
        shell.events.register(event, _keep_layers)
    shell.events.register("pre_run_cell", _keep_watching)
    registry.notebook_modules.add(shell.user_module.__name__)
    if journal.cell_now is None:
        journal.cell_now = _Cell(shell)
    shell.register_magics(*classes)
    for mark, name, complete in _completers(classes):
        shell.set_hook("complete_command", complete, str_key=f"{mark}{name}")
    answer_older_scripts(NOTEBOOK)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Restore everything and take the magics away (called by ``%unload_ext livepatch``).

    Args:
        shell: the IPython shell that asked.
    """
    end_every_timing()
    stop_all()
    answer_no_more(NOTEBOOK)
    try:
        print(restore_all())
    except LivepatchError as error:  # the rest is restored; the magics go all the same
        print(error)
    if isinstance(journal.cell_now, _Cell) and journal.cell_now.shell is shell:
        journal.cell_now = None
    for event, call in (*((e, _keep_layers) for e in KEEPING), ("pre_run_cell", _keep_watching)):
        if call in shell.events.callbacks[event]:
            shell.events.unregister(event, call)
    manager = shell.magics_manager
    for cls in magics_classes():
        ours = manager.registry.get(cls.__name__)
        if not isinstance(ours, cls):
            continue  # somebody else's class of that name
        del manager.registry[cls.__name__]
        for kind in ("line", "cell"):
            for name in cls.magics[kind]:
                if getattr(manager.magics[kind].get(name), "__self__", None) is ours:
                    del manager.magics[kind][name]
        if ours in shell.configurables:
            shell.configurables.remove(ours)
    completers = shell.strdispatchers["complete_command"].strs
    for mark, name, _ in _completers(magics_classes()):
        completers.pop(f"{mark}{name}", None)


def _completers(classes: Sequence[type[Magics]]) -> Iterator[tuple[str, str, Completer]]:
    """What completes each magic's line: the mark that is typed, the name, the function."""
    for cls in classes:
        for name, complete in getattr(cls, "completes", {}).items():
            for mark in ("%", "%%") if name in cls.magics["cell"] else ("%",):
                yield mark, name, complete


class _Cell:
    """Says the number of the cell that runs in an ordinary notebook: on its main thread alone."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def __call__(self) -> int | None:
        is_main = threading.current_thread() is threading.main_thread()
        return cell_number(self.shell) if is_main else None


def _keep_watching(*_: object) -> None:
    """Begin again to watch what nobody watches any more, and say so."""
    for line in revive_all():
        print(line)


def _keep_layers(*_: object) -> None:
    """Put layers back that a reload of their module went past, and say so; tell what failed."""
    for line in (*heal(), *news.lines()):
        print(line)
