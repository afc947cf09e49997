"""The magics of the web stack: ``%middleware``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.magic import line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from .calls import tell
from .timing import OFF_HELP, TIME_HELP, TimedMagics
from .verbs import Verb, VerbTable
from .words import app_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.measure import Timing
    from livepatch.reports import Answer
    from livepatch.web import MiddlewareStack

    from .completion import Completers

PLACE = ("before", "after", "index")
MIDDLEWARE = VerbTable(
    "middleware",
    {
        "add": Verb(("a class",), PLACE, keywords=True),
        "remove": Verb(("a middleware",)),
        "replace": Verb(("a middleware", "a class"), keywords=True),
        "move": Verb(("a middleware",), PLACE),
        "guard": Verb(),
    },
)


def complete_middleware(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the names in the stack, or the notebook's classes.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    from livepatch.this_webui.middleware import middleware

    return MIDDLEWARE.complete(
        shell, event, lambda verb: [layer.name for layer in middleware()] if verb else []
    )


@magics_class
class LivepatchWebMagics(TimedMagics):
    """See and change the live web stack of the running webui."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {"middleware": complete_middleware}

    @magic_arguments()
    @argument(
        "action",
        nargs="?",
        choices=MIDDLEWARE.verbs,
        help="what to do; without it: show the stack",
    )
    @argument("names", nargs="*", help=MIDDLEWARE.help())
    @argument("--app", help="a Python expression for the app; default: the webui's own")
    @argument("--before", help="put it outside this middleware")
    @argument("--after", help="put it inside this middleware")
    @argument("--index", type=int, help="its number in the stack, 0 for the outermost")
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
        from livepatch.this_webui.middleware import middleware, other_apps

        args = parse_argstring(self.middleware, line)
        app = app_of(self.shell, "middleware", args.app) if args.app else None
        if args.time or args.off:
            return self.timed("middleware", args, app, args.app or "")
        stack, python = middleware(app), f"lp.middleware({args.app or ''})"
        if args.action is not None:
            return MIDDLEWARE.run(self.shell, args, stack, python)
        MIDDLEWARE.place_of(args)
        tell(python)
        for name, address in other_apps().items() if app is None else ():
            print(f"another app answers at {address or name}: %middleware --app {name}")
        return stack
