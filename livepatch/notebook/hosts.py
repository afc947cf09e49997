"""The magics of what the webui calls by itself: ``%callbacks``, ``%hooks``, ``%extensions``."""

from __future__ import annotations

import os
import shlex
from glob import glob
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.engine.errors import LivepatchError, TargetNotFound
from livepatch.engine.naming.lookup import look_up
from livepatch.reports import Answer
from livepatch.webui.callbacks import callbacks, hooks
from livepatch.webui.inventory import extensions

from .timing import OFF_HELP, TIME_HELP, TimeOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.measure import Timing
    from livepatch.registries import CallTable, Registration
    from livepatch.reports import Report
    from livepatch.webui.inventory import InstalledExtension

    from .completion import Completers

# How many names each action takes; replace and add take a function as the last one.
ACTIONS = {"mute": 1, "unmute": 1, "remove": 1, "move": 1, "replace": 2, "add": 2}
LOADING = ("load", "reload", "unload")
OPTIONS = {
    "before": "the one to be called before",
    "after": "the one to be called after",
    "name": "of add: what it is called",
    "to": "of add: the script or extension that gets the hook",
}


def _arguments(magic: Callable[..., Any]) -> Any:
    """The arguments that ``%callbacks`` and ``%hooks`` share."""
    decorators: list[Any] = [
        magic_arguments(),
        argument("action", nargs="?", help=f"an event, or one of {', '.join(ACTIONS)}"),
        argument("names", nargs="*", help="NAME or EVENT/NAME; of add EVENT and a function"),
        *(argument(f"--{name}", help=text) for name, text in OPTIONS.items()),
        argument("--index", type=int, help="the number in the order of calls, from 0"),
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
    words = event.line.split()
    try:
        table = hooks() if words[0].endswith("hooks") else callbacks()
    except LivepatchError:  # a webui without any, or one that starts: there is nothing to offer
        return []
    position = len(words) - bool(event.symbol)
    if position <= 1:
        return [*ACTIONS, *table.events]
    if position == 2 and words[1] == "add":
        return table.events
    if position > 2 and words[1] in ("add", "replace") and not words[position - 1].startswith("-"):
        mine = shell.user_global_ns
        values = shell.user_ns.items()
        return [n for n, v in values if isinstance(v, FunctionType) and v.__globals__ is mine]
    if words[position - 1] == "--to":
        return sorted({name for point in table.points for name in point.store.holders()})
    names = [registration.name for registration in table]
    return list(dict.fromkeys([*(f"{r.event}/{r.name}" for r in table), *filter(_is_word, names)]))


def complete_extensions(_shell: InteractiveShell, event: Any) -> list[str]:
    """What to do and the names of the extensions; of load the folders of the file system."""
    words = event.line.split()
    position = len(words) - bool(event.symbol)
    if position == 2 and words[1] == "load":
        return sorted(f"{path}/" for path in glob(f"{os.path.expanduser(event.symbol)}*/"))
    try:
        names = [extension.name for extension in extensions()]
    except LivepatchError:  # this webui has none
        return []
    return [*LOADING, *names] if position <= 1 else names


def _is_word(name: str) -> bool:
    return "/" not in name


def _unquoted(text: str) -> str:
    return shlex.split(text)[0] if text[:1] in "'\"" else text


@magics_class
class LivepatchHostsMagics(Magics):
    """See and change what the running webui calls: callbacks, hooks, extensions."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {
        "callbacks": complete_callbacks,
        "hooks": complete_callbacks,
        "extensions": complete_extensions,
    }

    def __init__(self, shell: InteractiveShell | None = None, **options: Any) -> None:
        super().__init__(shell, **options)
        self.times = TimeOption()

    @_arguments
    def callbacks(self, line: str) -> Answer | Report[Registration] | Timing:
        """Show the callbacks of the webui in the order of their calls, or change them.

        A name stands for one callback; where several have it, EVENT/NAME or EVENT/NUMBER does::

            %callbacks
            %callbacks step
            %callbacks mute note_step
            %callbacks unmute step/note_step
            %callbacks move step/1 --index 0
            %callbacks add step my_function --before note_step
            %callbacks replace note_step my_function
            %callbacks remove my_function
            %callbacks --time
        """
        return self._table("callbacks", self.callbacks, line, callbacks)

    @_arguments
    def hooks(self, line: str) -> Answer | Report[Registration] | Timing:
        """Show the hooks of a generation in the order of a run, or change them.

        Methods of scripts, functions of extensions and nodes, forward hooks of models::

            %hooks
            %hooks process
            %hooks mute postprocess/Vignette
            %hooks replace process/Vignette my_function
            %hooks add process_step my_function --to Vignette
            %hooks --time
        """
        return self._table("hooks", self.hooks, line, hooks)

    @magic_arguments()
    @argument("action", nargs="?", help=f"an extension to look at, or {', '.join(LOADING)}")
    @argument("name", nargs="?", help="of load the folder, of reload and unload the name")
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
        args = parse_argstring(self.extensions, line)
        if args.action in LOADING:
            if args.name is None:
                wanted = "a folder" if args.action == "load" else "a name"
                raise UsageError(f"%extensions {args.action} takes {wanted}")
            name = _unquoted(args.name)
            done = getattr(extensions(), args.action)(name)
            return Answer(done, f"lp.extensions().{args.action}({name!r})")
        if args.name is not None:
            raise UsageError(f"%extensions takes a name, or one of {', '.join(LOADING)} and a name")
        args.name = args.action
        if args.name is None:
            known = extensions().report()
            print("= lp.extensions()")
            return known
        name = _unquoted(args.name)
        registered = extensions()[name].report()
        print(f"= lp.extensions()[{name!r}].report()")
        return registered

    def _table(
        self, name: str, magic: Any, line: str, look: Callable[[], CallTable]
    ) -> Answer | Report[Registration] | Timing:
        args: Any = parse_argstring(magic, line)
        if args.time or args.off:
            if args.action or args.names:
                raise UsageError(f"%{name} --time takes nothing but --off")
            return self.times.answer(name, [name], off=args.off)
        table, python = look(), f"lp.{name}()"
        place = {
            option: getattr(args, option)
            for option in ("before", "after", "index")
            if getattr(args, option) is not None
        }
        if args.action not in ACTIONS:
            if args.names or place:
                words = ", ".join(ACTIONS)
                raise UsageError(f"%{name} takes an event, or one of {words} and its names")
            shown = table.report(args.action)
            print(f"= {python}" + (f"[{args.action!r}]" if args.action else ""))
            return shown
        if place and args.action not in ("add", "move"):
            raise UsageError(f"%{name}: --before, --after and --index go with add and move")
        if (args.name or args.to) and args.action != "add":
            raise UsageError(f"%{name}: --name and --to go with add")
        names = [_unquoted(word) for word in args.names]
        count = ACTIONS[args.action]
        if len(names) == count + 1 and names[0] in table.events and args.action != "add":
            names[:2] = ["/".join(names[:2])]
        if len(names) != count:
            wanted = {1: "a name", 2: "an event and a function"}[count]
            wanted = "a name and a function" if args.action == "replace" else wanted
            raise UsageError(f"%{name} {args.action} takes {wanted}")
        if args.action == "add":
            place.update({k: getattr(args, k) for k in ("name", "to") if getattr(args, k)})
        said = [f"{option}={value!r}" for option, value in place.items()]
        given: list[Any] = [names[0]]
        if count == 2:
            given.append(self._function(f"%{name} {line.strip()}", names[1]))
            said.insert(0, names[1])
        done = getattr(table, args.action)(*given, **place)
        return Answer(str(done), f"{python}.{args.action}({', '.join([repr(names[0]), *said])})")

    def _function(self, asked: str, name: str) -> Any:
        if name in self.shell.user_ns:
            return self.shell.user_ns[name]
        try:
            return look_up(asked, name).value
        except TargetNotFound as error:
            raise TargetNotFound(
                asked,
                f"neither the notebook nor a loaded module has {name!r}",
                f"define it in a cell first: def {name.rpartition('.')[2]}(…): …",
            ) from error
