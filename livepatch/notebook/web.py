"""The magics of the web stack: ``%middleware``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.engine.errors import LivepatchError
from livepatch.reports import Answer
from livepatch.webui.middleware import middleware

from .timing import OFF_HELP, TIME_HELP, TimeOption
from .words import named, options_of, unquoted, value_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.measure import Timing
    from livepatch.web import MiddlewareStack

    from .completion import Completers

ACTIONS = ("add", "remove", "replace", "move", "guard")


def complete_middleware(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the names in the stack and the notebook's classes.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    words = event.line.split()
    if len(words) - bool(event.symbol) <= 1:
        return list(ACTIONS)
    classes = [name for name, value in shell.user_ns.items() if isinstance(value, type)]
    try:
        return [*(layer.name for layer in middleware()), *classes]
    except LivepatchError:  # no app yet: there is nothing to offer from it
        return classes


@magics_class
class LivepatchWebMagics(Magics):
    """See and change the live web stack of the running webui."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {"middleware": complete_middleware}

    def __init__(self, shell: InteractiveShell | None = None, **options: Any) -> None:
        super().__init__(shell, **options)
        self.times = TimeOption()

    @magic_arguments()
    @argument("action", nargs="?", choices=ACTIONS, help="what to do; without one: show the stack")
    @argument("names", nargs="*", help="add CLS [OPTION=VALUE …], remove NAME, move NAME, …")
    @argument("--app", help="a Python expression for the app; default: the webui's own")
    @argument("--before", help="the middleware to stand outside of")
    @argument("--after", help="the middleware to stand inside of")
    @argument("--index", type=int, help="the place in the stack, 0 the outermost")
    @argument("--time", action="store_true", help=TIME_HELP)
    @argument("--off", action="store_true", help=OFF_HELP)
    @no_var_expand
    @line_magic
    def middleware(self, line: str) -> Answer | MiddlewareStack | Timing:
        """Show the webui's middleware as requests meet it, or change it while requests run.

        A class is a name of the notebook or a dotted name in a loaded module; the values of its
        options are Python expressions::

            %middleware
            %middleware add starlette.middleware.gzip.GZipMiddleware minimum_size=500
            %middleware move GZipMiddleware --before CORSMiddleware
            %middleware replace GZipMiddleware MyMiddleware
            %middleware remove GZipMiddleware
            %middleware guard
            %middleware --time
            %middleware --time --off
        """
        args = parse_argstring(self.middleware, line)
        given = value_of(self.shell, "middleware", args.app) if args.app else None
        if args.time or args.off:
            return self._time("middleware", args, given)
        stack = middleware(given)
        app = f"lp.middleware({args.app or ''})"
        place = {
            name: getattr(args, name)
            for name in ("before", "after", "index")
            if getattr(args, name) is not None
        }
        if place and args.action not in ("add", "move"):
            raise UsageError("%middleware: --before, --after and --index go with add and move")
        said = [f"{name}={value!r}" for name, value in place.items()]
        names = [unquoted(name) for name in args.names]
        if args.action is None:
            return stack
        if args.action == "guard":
            self._expect(args.action, names, 0)
            return Answer(stack.guard(), f"{app}.guard()")
        if args.action == "remove":
            self._expect(args.action, names, 1)
            return Answer(stack.remove(names[0]), f"{app}.remove({names[0]!r})")
        if args.action == "move":
            self._expect(args.action, names, 1)
            python = f"{app}.move({', '.join([repr(names[0]), *said])})"
            return Answer(str(stack.move(names[0], **place)), python)
        count = 1 if args.action == "add" else 2
        self._expect(args.action, names[:count], count)
        cls = named(self.shell, "middleware", names[count - 1])
        options = options_of(self.shell, "middleware", names[count:])
        call = [names[count - 1], *said, *(f"{k}={v!r}" for k, v in options.items())]
        if args.action == "add":
            layer = stack.add(cls, options=options, **place)
            return Answer(str(layer), f"{app}.add({', '.join(call)})")
        layer = stack.replace(names[0], cls, options=options)
        return Answer(str(layer), f"{app}.replace({', '.join([repr(names[0]), *call])})")

    def _time(self, magic: str, args: Any, app: Any = None) -> Timing:
        if args.action is not None:
            raise UsageError(f"%{magic}: --time and --off stand alone")
        return self.times.answer(magic, [magic], off=args.off, app=app, shown_app=args.app or "")

    @staticmethod
    def _expect(action: str, names: list[str], count: int) -> None:
        if len(names) != count:
            wanted = {0: "no name", 1: "one name", 2: "the old one's name and a class"}[count]
            raise UsageError(f"%middleware {action} takes {wanted}")
