"""``manage.py livepatch load NAME``: apps of the running server, from a shell."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from livepatch.django.serving import name_of_project
from livepatch.django.workers import VERBS, in_server, others_of
from livepatch.django.workers import Command as Order
from livepatch.errors import LivepatchError


class Command(BaseCommand):
    """Loads, reloads, disables, enables and unloads apps in every process of the running server."""

    help = "Apps of the running server: load, reload, disable, enable or unload them."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: Any) -> None:
        """``VERB APP`` and options."""
        parser.add_argument(
            "verb", choices=[*VERBS, "apps"], help="what to do; apps lists the apps"
        )
        parser.add_argument("app", nargs="?", help="its label or dotted name")
        parser.add_argument("--name", help="the server's name (default: the project's)")
        parser.add_argument("--url-prefix", help="of load: the prefix of its URLs")
        parser.add_argument("--database", help="of load: the alias of its database")

    def handle(self, *_: Any, **options: Any) -> None:
        """Talk to the server and print what it answered.

        Raises:
            CommandError: wrong usage, or the server refused.
        """
        name = options["name"] or name_of_project()
        if options["verb"] == "apps":
            self._list(name)
            return
        if options["app"] is None:
            raise CommandError(f"manage.py livepatch {options['verb']} takes the name of an app")
        given = {key: options[key] for key in ("url_prefix", "database") if options[key]}
        if given and options["verb"] != "load":
            raise CommandError("--url-prefix and --database go with load")
        order = Order(options["verb"], options["app"], tuple(given.items()))
        try:
            self.stdout.write(in_server(order, name))
        except LivepatchError as error:
            raise CommandError(str(error)) from error

    def _list(self, name: str) -> None:
        from livepatch.reach.execute import execute

        found = others_of(name)
        if not found:
            raise CommandError(f"no process named {name} has a kernel")
        for webui in found:
            if len(found) > 1:
                self.stdout.write(f"pid {webui.pid}")
            execute(webui, "__import__('livepatch').django.apps()", out=self.stdout)
