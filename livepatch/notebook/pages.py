"""The magics of routes and Gradio events: ``%routes``, ``%events``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.magic import line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from .calls import call_text, tell
from .timing import OFF_HELP, TIME_HELP, TimedMagics
from .verbs import Verb, VerbTable
from .words import app_of, unquoted, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.measure import Timing
    from livepatch.reports import Answer, Report
    from livepatch.web.gradio.event import LiveEvent
    from livepatch.web.routes.route import LiveRoute

    from .completion import Completers

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "WS", "MOUNT"})


def _with_methods(words: Sequence[str]) -> list[str]:
    """``GET /path`` is one name, quoted or not."""
    joined: list[str] = []
    for word in map(unquoted, words):
        method = joined[-1] if joined else ""
        if word.startswith("/") and method and set(method.split(",")) <= METHODS:
            joined[-1] = f"{method} {word}"
        else:
            joined.append(word)
    return joined


def _numbers_too(words: Sequence[str]) -> list[Any]:
    """The number of an event is a number."""
    return [int(word) if word.isdigit() else word for word in map(unquoted, words)]


ROUTES = VerbTable(
    "routes",
    {
        "add": Verb(("a path", "a function"), ("before", "index"), keywords=True),
        "replace": Verb(("a route", "a function"), keywords=True),
        "remove": Verb(("a route",)),
        "move": Verb(("a route",), ("before", "index")),
    },
    _with_methods,
)
EVENTS = VerbTable(
    "events",
    {
        "replace": Verb(("an event", "a function")),
        "mute": Verb(("an event",)),
        "unmute": Verb(("an event",)),
    },
    _numbers_too,
)


def complete_routes(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the paths of the routes; then the notebook's functions.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    from livepatch.this_webui.routes import routes

    return ROUTES.complete(shell, event, lambda _: [route.path for route in routes()])


def complete_events(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the names of the events; then the notebook's functions.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    from livepatch.this_webui.events import events

    return EVENTS.complete(
        shell, event, lambda _: [one.api_name or str(one.index) for one in events()]
    )


def _pattern(python: str, args: Any) -> str:
    """What is looked for: the words as they were typed; tells the Python call as well."""
    pattern = " ".join(filter(None, [args.action, *map(unquoted, args.names)]))
    tell(call_text(f"{python}.report", pattern) if pattern else python)
    return pattern


@magics_class
class LivepatchPagesMagics(TimedMagics):
    """See and change what the running webui answers: its routes and its Gradio events."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {"routes": complete_routes, "events": complete_events}

    @magic_arguments()
    @argument("action", nargs="?", help=f"a part of a path, or {', '.join(ROUTES.verbs)}")
    @argument("names", nargs="*", help=ROUTES.help())
    @argument("--app", help="a Python expression for the app; default: the webui's own")
    @argument("--before", help="of add and move: match it before this route")
    @argument(
        "--index", type=int, help="of add and move: its number in the order of matching, from 0"
    )
    @argument("--time", action="store_true", help=TIME_HELP)
    @argument("--off", action="store_true", help=OFF_HELP)
    @no_var_expand
    @line_magic
    def routes(self, line: str) -> Answer | Report[LiveRoute] | Timing:
        """Show the routes of the webui in the order of matching, or change them as requests run.

        A route is named by its path, by ``GET /path``, or by its name; a function by its name in
        the notebook or in a loaded module; the values of options are Python expressions::

            %routes
            %routes /items
            %routes add /hello hello methods=['GET'] --before /items
            %routes replace GET /items my_items
            %routes move /items --index 0
            %routes remove /hello
            %routes --time
        """
        from livepatch.this_webui.middleware import other_apps
        from livepatch.this_webui.routes import routes

        args = parse_argstring(self.routes, line)
        app = app_of(self.shell, "routes", args.app) if args.app else None
        if args.time or args.off:
            return self.timed("routes", args, app, args.app or "")
        table, python = routes(app), f"lp.routes({args.app or ''})"
        if args.action in ROUTES.verbs:
            return ROUTES.run(self.shell, args, table, python)
        ROUTES.place_of(args)
        report = table.report(_pattern(python, args))
        for name, address in other_apps().items() if app is None else ():
            print(f"another app answers at {address or name}: %routes --app {name}")
        return report

    @magic_arguments()
    @argument("action", nargs="?", help=f"a part of a name, or {', '.join(EVENTS.verbs)}")
    @argument("names", nargs="*", help=EVENTS.help())
    @argument("--page", help="a Python expression for the page; default: the webui's own")
    @argument("--time", action="store_true", help=TIME_HELP)
    @argument("--off", action="store_true", help=OFF_HELP)
    @no_var_expand
    @line_magic
    def events(self, line: str) -> Answer | Report[LiveEvent] | Timing:
        """Show the Gradio events of the webui, or change what they run.

        An event is named by its API name, its trigger or its number; a function by its name in the
        notebook or in a loaded module::

            %events
            %events predict
            %events replace /predict my_predict
            %events mute 3
            %events unmute 3
            %events --time
        """
        from livepatch.this_webui.events import events

        args = parse_argstring(self.events, line)
        page = value_of(self.shell, "events", args.page) if args.page else None
        if args.time or args.off:
            return self.timed("events", args, page, args.page or "")
        table, python = events(page), f"lp.events({args.page or ''})"
        if args.action in EVENTS.verbs:
            return EVENTS.run(self.shell, args, table, python)
        return table.report(_pattern(python, args))
