"""The magic of Django's apps: ``%django_app``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.errors import HostUnsupported
from livepatch.notebook.calls import tell
from livepatch.reports import Answer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.notebook.completion import Completers
    from livepatch.reports import Report

    from .report import AppRow

ACTIONS = ("load", "reload", "disable", "enable", "unload")


def complete_django_app(_shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the labels of the apps.

    Args:
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    words = event.line.split()
    if len(words) - bool(event.symbol) <= 1:
        return list(ACTIONS)
    try:
        rows = _workers("").verbs.apps()
    except Exception:  # no Django here, or one that starts: there is nothing to offer
        return []
    wanted = {"load": "unloaded", "enable": "disabled"}.get(words[1])
    return [row.label for row in rows if wanted is None or row.state == wanted]


def _workers(asked: str) -> Any:
    try:
        from . import workers
    except ImportError as error:
        raise HostUnsupported(
            asked,
            f"{error}: there is no Django in this process's environment",
            "pip install 'livepatch[django]'",
        ) from error
    return workers


@magics_class
class LivepatchDjangoMagics(Magics):
    """Load and unload the apps of a running Django server."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {"django_app": complete_django_app}

    @magic_arguments()
    @argument("action", nargs="?", choices=ACTIONS, help="what to do; without one: list the apps")
    @argument("app", nargs="?", help="the app's label or dotted name")
    @argument("--url-prefix", help="of load: where its URLs begin (default: its label)")
    @argument("--database", help="of load: the alias of the database for its tables")
    @line_magic
    def django_app(self, line: str) -> Answer | Report[AppRow]:
        """Show the apps of the running server, or change them while requests run.

        Where several processes of the server share this one's name, it is done in each of them, or
        in none::

            %django_app
            %django_app load shop.notes
            %django_app load shop.notes --url-prefix extra/notes/
            %django_app reload notes
            %django_app disable notes
            %django_app enable notes
            %django_app unload notes
        """
        args = parse_argstring(self.django_app, line)
        workers = _workers(f"%django_app {line}".strip())
        if args.action is None:
            tell("lp.django.apps()")
            shown: Report[AppRow] = workers.verbs.apps()
            return shown
        if args.app is None:
            raise UsageError(f"%django_app {args.action} takes the name of an app")
        options = {"url_prefix": args.url_prefix, "database": args.database}
        given = tuple((name, value) for name, value in options.items() if value is not None)
        if given and args.action != "load":
            raise UsageError("%django_app: --url-prefix and --database go with load")
        command = workers.Command(args.action, args.app, given)
        return Answer(workers.everywhere(command), str(command))
