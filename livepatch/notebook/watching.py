"""The magic of watched files: ``%watch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.errors import TargetNotFound
from livepatch.reports import Answer
from livepatch.watching.watches import revive_all, unwatched, watch, watches

from .calls import call_text, tell
from .words import paths_below, unquoted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.watching.watches import Watch

    from .completion import Completers

NOTHING = "nothing is watched · %watch FOLDER runs its files now and on every save"


def complete_watch(shell: InteractiveShell, event: Any) -> list[str]:  # noqa: ARG001 - IPython's
    """Folders and files ``*.py`` below the word under the cursor, and what is watched.

    Args:
        shell: the shell that asks.
        event: IPython's completion event.
    """
    if "--off" in event.line.split():
        return [str(path) for watched in watches() for path in watched.paths]
    return ["--off", *paths_below(event.symbol, ".py")]


@magics_class
class LivepatchWatchingMagics(Magics):
    """Changes that live in files, and follow them."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {"watch": complete_watch}

    @magic_arguments()
    @argument("path", nargs="*", help="a file, or a folder, for the files *.py in it")
    @argument("--off", action="store_true", help="stop watching those paths, or everything")
    @line_magic
    def watch(self, line: str) -> Watch | Answer | None:
        """Run files now and whenever they are saved; without a path, show what is watched.

        The files are Python with ``livepatch.replace(…)`` and the other verbs. What a file no
        longer says is taken back, and a file that is gone takes all of its back. One that does not
        compile, or raises, changes nothing until it is fixed::

            %watch ~/playground
            %watch
            %watch --off
        """
        args = parse_argstring(self.watch, line)
        for said in revive_all():
            print(said)
        paths = [Path(unquoted(text)).expanduser() for text in args.path]
        if args.off:
            return self._off([path.absolute() for path in paths])
        if paths:
            tell(call_text("lp.watch", *map(str, paths)))
            return watch(*paths)
        present = watches()
        for path, why in unwatched.items():
            print(f"{path} is not watched: {why}")
        for one in present[:-1]:
            print(one)
        return present[-1] if present else Answer(NOTHING)

    def _off(self, paths: list[Path]) -> Answer:
        chosen = [w for w in watches() if not paths or set(paths) & set(w.paths)]
        if not chosen and paths:
            watched = ", ".join(str(path) for one in watches() for path in one.paths)
            raise TargetNotFound(
                f"stop watching {', '.join(map(str, paths))}",
                f"watched: {watched or 'nothing'}",
                "name one of those, or no path to stop all",
            )
        lines = [watched.stop() for watched in chosen]
        return Answer("\n".join(lines) or NOTHING, "watch.stop()" if lines else "")
