"""The magics of callbacks, hooks and extensions: ``%callbacks``, ``%hooks``, ``%extensions``."""

from __future__ import annotations

import os
from glob import glob
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from .calls import tell, value_text
from .timing import OFF_HELP, TIME_HELP, TimedMagics
from .verbs import Verb, VerbTable
from .words import unquoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.measure import Timing
    from livepatch.registries import CallTable, Registration
    from livepatch.reports import Answer, Report
    from livepatch.this_webui.installed import InstalledExtension

    from .completion import Completers

PLACE = ("before", "after", "index")
CHANGES = {
    "mute": Verb(("a name",)),
    "unmute": Verb(("a name",)),
    "remove": Verb(("a name",)),
    "move": Verb(("a name",), PLACE),
    "replace": Verb(("a name", "a function")),
    "add": Verb(("an event", "a function"), (*PLACE, "name", "to")),
}
CALLBACKS, HOOKS = VerbTable("callbacks", CHANGES), VerbTable("hooks", CHANGES)
EXTENSIONS = VerbTable(
    "extensions",
    {
        "load": Verb(("a folder",)),
        "reload": Verb(("a name",)),
        "unload": Verb(("a name",)),
    },
)
OPTIONS = {
    "before": "call it before this one",
    "after": "call it after this one",
    "name": "of add: its name",
    "to": "of add: the script or extension that the hook belongs to",
}


def _arguments(magic: Callable[..., Any]) -> Any:
    """The arguments that ``%callbacks`` and ``%hooks`` share."""
    decorators: list[Any] = [
        magic_arguments(),
        argument("action", nargs="?", help=f"an event, a name, or {', '.join(CHANGES)}"),
        argument("names", nargs="*", help=f"{CALLBACKS.help()}; NAME or EVENT/NAME"),
        *(argument(f"--{name}", help=text) for name, text in OPTIONS.items()),
        argument("--index", type=int, help="its number in the order of calls, from 0"),
        argument("--time", action="store_true", help=TIME_HELP),
        argument("--off", action="store_true", help=OFF_HELP),
        no_var_expand,
        line_magic,
    ]
    for decorate in reversed(decorators):
        magic = decorate(magic)
    return magic


def complete_callbacks(shell: InteractiveShell, event: Any) -> list[str]:
    """Actions and events; then what is registered, and the notebook's functions.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    from livepatch.this_webui.callbacks import callbacks, hooks

    words = event.line.split()
    look, verbs = (hooks, HOOKS) if words[0].endswith("hooks") else (callbacks, CALLBACKS)
    before = words[:-1] if event.symbol else words

    def names(verb: str) -> list[str]:
        table = look()
        if before[-1] == "--to":
            return sorted({name for point in table.points for name in point.store.holders()})
        if verb in ("", "add"):
            return table.events
        alone = [r.name for r in table if "/" not in r.name]
        return [*(f"{r.event}/{r.name}" for r in table), *alone]

    return verbs.complete(shell, event, names)


def complete_extensions(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do and the names of the extensions; of load the folders of the file system.

    Args:
        shell: the shell that asks.
        event: IPython's completion event.
    """

    def names(verb: str) -> list[str]:
        if verb == "load":
            return sorted(f"{path}/" for path in glob(f"{os.path.expanduser(event.symbol)}*/"))
        from livepatch.this_webui.inventory import extensions

        return [extension.name for extension in extensions()]

    return EXTENSIONS.complete(shell, event, names)


@magics_class
class LivepatchRegistriesMagics(TimedMagics):
    """See and change what the running webui calls: callbacks, hooks, extensions."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {
        "callbacks": complete_callbacks,
        "hooks": complete_callbacks,
        "extensions": complete_extensions,
    }

    @_arguments
    def callbacks(self, line: str) -> Answer | Report[Registration] | Timing:
        """Show the callbacks of the webui in the order of their calls, or change them.

        A name stands for one callback; where several have it, EVENT/NAME or EVENT/NUMBER does::

            %callbacks
            %callbacks step
            %callbacks note_step
            %callbacks mute note_step
            %callbacks unmute step/note_step
            %callbacks move step/1 --index 0
            %callbacks add step my_function --before note_step
            %callbacks replace note_step my_function
            %callbacks remove my_function
            %callbacks --time
        """
        from livepatch.this_webui.callbacks import callbacks

        return self._table(CALLBACKS, parse_argstring(self.callbacks, line), callbacks)

    @_arguments
    def hooks(self, line: str) -> Answer | Report[Registration] | Timing:
        """Show the hooks of a generation in the order of a run, or change them.

        Methods of scripts, functions of extensions and nodes, forward hooks of models::

            %hooks
            %hooks process
            %hooks Vignette
            %hooks mute postprocess/Vignette
            %hooks replace process/Vignette my_function
            %hooks add process_step my_function --to Vignette
            %hooks --time
        """
        from livepatch.this_webui.callbacks import hooks

        return self._table(HOOKS, parse_argstring(self.hooks, line), hooks)

    @magic_arguments()
    @argument("action", nargs="?", help=f"an extension, or {', '.join(EXTENSIONS.verbs)}")
    @argument("names", nargs="*", help=EXTENSIONS.help())
    @no_var_expand
    @line_magic
    def extensions(self, line: str) -> Answer | Report[InstalledExtension] | Report[Registration]:
        """Show the extensions of the webui and what each has registered; load and unload them.

        Everything that an extension registers while it loads is taken back when it is unloaded, and
        a reload that fails leaves the old one running::

            %extensions
            %extensions vignette
            %extensions load ~/webui/extensions/mine
            %extensions reload mine
            %extensions unload mine
        """
        from livepatch.this_webui.inventory import extensions

        args = parse_argstring(self.extensions, line)
        if args.action in EXTENSIONS.verbs:
            return EXTENSIONS.run(self.shell, args, extensions(), "lp.extensions()")
        if args.names:
            words = ", ".join(EXTENSIONS.verbs)
            raise UsageError(f"%extensions takes a name, or one of {words} and a name")
        if args.action is None:
            known = extensions().report()
            tell("lp.extensions()")
            return known
        name = unquoted(args.action)
        registered = extensions()[name].report()
        tell(f"lp.extensions()[{value_text(name)}].report()")
        return registered

    def _table(
        self, verbs: VerbTable, args: Any, look: Callable[[], CallTable]
    ) -> Answer | Report[Registration] | Timing:
        if args.time or args.off:
            return self.timed(verbs.magic, args)
        table, python = look(), f"lp.{verbs.magic}()"
        if args.action in verbs.verbs:
            names = [unquoted(word) for word in args.names]
            is_longer = len(names) == len(verbs.verbs[args.action].words) + 1
            if is_longer and names[0] in table.events and args.action != "add":
                args.names = ["/".join(names[:2]), *names[2:]]  # EVENT NAME is one name
            return verbs.run(self.shell, args, table, python)
        verbs.place_of(args)
        words = [unquoted(word) for word in (args.action, *args.names) if word is not None]
        is_of_event = len(words) == 2 and words[0] in table.events
        word = ("/" if is_of_event else " ").join(words) or None
        shown = table.report(word)
        if word is not None:
            one = value_text(word)
            python += f"[{one}]" if word in table.events else f".report({one})"
        tell(python)
        return shown
