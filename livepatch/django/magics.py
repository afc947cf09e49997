"""The magic of Django's apps: ``%django_app``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.errors import HostUnsupported
from livepatch.notebook.calls import tell
from livepatch.notebook.verbs import Verb, VerbTable
from livepatch.reports import Answer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.notebook.completion import Completers
    from livepatch.reports import Report

    from .report import AppRow

DJANGO_APP = VerbTable(
    "django_app",
    {
        "load": Verb(("an app",), ("url_prefix", "database")),
        **dict.fromkeys(("reload", "disable", "enable", "unload"), Verb(("an app",))),
    },
)
WANTED = {"load": "unloaded", "enable": "disabled"}
"""The state of the apps that a verb is for; of the others: any."""


def complete_django_app(shell: InteractiveShell, event: Any) -> list[str]:
    """What to do; then the labels of the apps.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """

    def labels(verb: str) -> list[str]:
        if not verb or "django.apps" not in sys.modules:
            return []
        from livepatch.django import apps

        return [row.label for row in apps() if row.state == WANTED.get(verb, row.state)]

    return DJANGO_APP.complete(shell, event, labels)


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
    @argument("action", nargs="?", choices=DJANGO_APP.verbs, help="without one: list the apps")
    @argument("names", nargs="*", help="the app's label or dotted name")
    @argument("--url-prefix", help="of load: the prefix of its URLs (default: its label)")
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
        if args.action is None:
            from livepatch.django import apps  # Django is imported for it, which is an extra

            shown = apps()
            tell("lp.django.apps()")
            return shown
        options = DJANGO_APP.place_of(args)
        (name,) = DJANGO_APP.names_of(args)
        workers = _workers(f"%django_app {line}".strip())
        command = workers.Command(args.action, name, tuple(options.items()))
        return Answer(workers.everywhere(command), str(command))
