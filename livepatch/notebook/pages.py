"""The magics of what a webui answers: ``%routes`` and ``%events``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.engine.errors import LivepatchError
from livepatch.reports import Answer
from livepatch.webui.events import events
from livepatch.webui.routes import routes

from .timing import OFF_HELP, TIME_HELP, TimeOption
from .words import named, options_of, own_functions, unquoted, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.measure import Timing
    from livepatch.reports import Report
    from livepatch.web.gradio.events import LiveEvent
    from livepatch.web.routes.route import LiveRoute

    from .completion import Completers

# How many names each action takes; add and replace take a function as the last one.
ROUTE_ACTIONS = {"add": 2, "replace": 2, "remove": 1, "move": 1}
EVENT_ACTIONS = {"replace": 2, "mute": 1, "unmute": 1}
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "WS", "MOUNT"})


def complete_routes(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the paths of the routes; then the notebook's functions.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    return _complete(shell, event, ROUTE_ACTIONS, lambda: [route.path for route in routes()])


def complete_events(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the names of the events; then the notebook's functions.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """

    def names() -> list[str]:
        return [one.api_name or str(one.index) for one in events()]

    return _complete(shell, event, EVENT_ACTIONS, names)


def _complete(shell: InteractiveShell, event: Any, actions: dict[str, int], look: Any) -> list[str]:
    words = event.line.split()
    before = words[:-1] if event.symbol else words
    if event.symbol.startswith("-"):
        options = ["--time", "--off"]
        options += ["--before", "--index"] if before[1:2] in (["add"], ["move"]) else []
        return [option for option in options if option.startswith(event.symbol)]
    names = [word for word in before[1:] if word not in METHODS]
    if len(names) == 2 and actions.get(names[0]) == 2:
        return own_functions(shell)
    try:
        offered: list[str] = list(dict.fromkeys(look()))
    except LivepatchError:  # no app or page yet: there is nothing to offer from it
        offered = []
    return offered if names else [*actions, *offered]


def _with_methods(words: Sequence[str]) -> list[str]:
    """``GET /path`` is one name, quoted or not."""
    joined: list[str] = []
    for word in words:
        method = joined[-1] if joined else ""
        if word.startswith("/") and method and set(method.split(",")) <= METHODS:
            joined[-1] = f"{method} {word}"
        else:
            joined.append(word)
    return joined


@magics_class
class LivepatchPagesMagics(Magics):
    """See and change what the running webui answers: its routes and its Gradio events."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {"routes": complete_routes, "events": complete_events}

    def __init__(self, shell: InteractiveShell | None = None, **options: Any) -> None:
        super().__init__(shell, **options)
        self.times = TimeOption()

    @magic_arguments()
    @argument("action", nargs="?", help="a part of a path, or one of " + ", ".join(ROUTE_ACTIONS))
    @argument("names", nargs="*", help="add PATH F [OPTION=VALUE …], replace ROUTE F, remove ROUTE")
    @argument("--app", help="a Python expression for the app; default: the webui's own")
    @argument("--before", help="of add and move: the route to be matched before")
    @argument("--index", type=int, help="of add and move: the place in the order, 0 the first")
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
        args = parse_argstring(self.routes, line)
        app = value_of(self.shell, "routes", args.app) if args.app else None
        if args.time or args.off:
            return self._time("routes", args, app)
        table, python = routes(app), f"lp.routes({args.app or ''})"
        place = {
            name: getattr(args, name)
            for name in ("before", "index")
            if getattr(args, name) is not None
        }
        if "before" in place:
            place["before"] = unquoted(place["before"])
        if place and args.action not in ("add", "move"):
            raise UsageError("%routes: --before and --index go with add and move")
        names = _with_methods([unquoted(word) for word in args.names])
        if args.action not in ROUTE_ACTIONS:
            pattern = " ".join(filter(None, [args.action, *names]))
            print(f"= {python}" + (f".report({pattern!r})" if pattern else ""))
            return table.report(pattern)
        count = ROUTE_ACTIONS[args.action]
        if len(names) < count or (len(names) > count and count == 1):
            wanted = {1: "a route", 2: "a path and a function"}[count]
            raise UsageError(f"%routes {args.action} takes {wanted}")
        more = options_of(self.shell, "routes", names[count:])
        said = [f"{name}={value!r}" for name, value in {**place, **more}.items()]
        given: list[Any] = [names[0]]
        if count == 2:
            given.append(named(self.shell, f"routes {args.action}", names[1]))
            said.insert(0, names[1])
            place["options"] = more
        done = getattr(table, args.action)(*given, **place)
        call = ", ".join([repr(names[0]), *said])
        return Answer(str(done), f"{python}.{args.action}({call})")

    @magic_arguments()
    @argument("action", nargs="?", help="a part of a name, or one of " + ", ".join(EVENT_ACTIONS))
    @argument("names", nargs="*", help="replace EVENT F, mute EVENT, unmute EVENT")
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
        args = parse_argstring(self.events, line)
        args.app = args.page
        page = value_of(self.shell, "events", args.page) if args.page else None
        if args.time or args.off:
            return self._time("events", args, page)
        table, python = events(page), f"lp.events({args.page or ''})"
        names = [unquoted(word) for word in args.names]
        if args.action not in EVENT_ACTIONS:
            pattern = " ".join(filter(None, [args.action, *names]))
            print(f"= {python}" + (f".report({pattern!r})" if pattern else ""))
            return table.report(pattern)
        count = EVENT_ACTIONS[args.action]
        if len(names) != count:
            wanted = {1: "an event", 2: "an event and a function"}[count]
            raise UsageError(f"%events {args.action} takes {wanted}")
        event: Any = int(names[0]) if names[0].isdigit() else names[0]
        said, given = [repr(event), *names[1:]], [event]
        if count == 2:
            given.append(named(self.shell, "events replace", names[1]))
        done = getattr(table, args.action)(*given)
        return Answer(str(done), f"{python}.{args.action}({', '.join(said)})")

    def _time(self, magic: str, args: Any, app: Any) -> Timing:
        if args.action is not None:
            raise UsageError(f"%{magic}: --time and --off stand alone")
        return self.times.answer(magic, [magic], off=args.off, app=app, shown_app=args.app or "")
