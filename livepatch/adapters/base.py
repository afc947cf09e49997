"""What the adapter of a webui flavor answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from livepatch.errors import HostUnsupported
from livepatch.web.kinds import find_app, kind_of_app
from livepatch.web.routes.kinds import router_of
from livepatch.web.servers import RunningServer, address_of_gunicorn, describe_loop, servers

from .layout import Layout
from .runtime import WebuiRuntime
from .sequence_hooks import stores_of_lists
from .torch_hooks import stores_of_modules, torch_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from livepatch.engine.changing.change import Change
    from livepatch.registries import Extension, Store

    from .checkout import Checkout
    from .loader import Loader

EVERYWHERE = frozenset(
    {
        *("replace", "wrap", "before", "after", "filter_args", "filter_result", "restore"),
        *("patches", "foreign", "adopt", "transaction", "undo", "redo", "journal", "webui"),
        *("where", "trace", "diff", "watch", "export", "lint"),
    }
)
"""The verbs that need nothing of the webui but its functions."""
TIMED = frozenset({"middleware", "routes", "events", "callbacks", "hooks"})
WEBUI = 100
"""The specificity of an adapter for one particular webui."""


class Host:
    """The webui we live in. One subclass for each flavor.

    An adapter looks at what the process has already loaded (``sys.modules``, the servers that
    run) and imports nothing of the webui; every answer may be None while the webui starts.
    An adapter of your own is a subclass, named by an entry point of the group
    ``livepatch.hosts``; docs/hosts.md has a complete one.
    """

    flavor: ClassVar[str] = "plain"
    """The name of the kind of webui."""

    specificity: ClassVar[int] = 0
    """Of several adapters that recognise the process the one with the highest is taken: 0 any
    Python process, 10 a server, 20 a UI framework, 100 one particular webui."""

    module: ClassVar[str] = ""
    """A module that every process of this flavor has loaded: while it is not in ``sys.modules``,
    a change does not ask :meth:`is_detected`. Empty: it always asks."""

    names: ClassVar[tuple[str, ...]] = ()
    """What the dotted names begin with by which :meth:`modules` knows modules."""

    checkout: ClassVar[Checkout | None] = None
    """Its folder on disk, for ``livepatch install``; None: it has none of a kind."""

    runtime: ClassVar[WebuiRuntime] = WebuiRuntime()
    """What an extension needs of the webui that has loaded it: an export carries its class."""

    layout: ClassVar[Layout] = Layout()
    """How an extension is laid out on disk, for exports."""

    @classmethod
    def is_detected(cls) -> bool:
        """Whether this process is a webui of this flavor; looks only at what is loaded."""
        return True

    @property
    def version(self) -> str | None:
        """The version of what the flavor names; None when it does not say."""
        return self.runtime.version()

    @property
    def address(self) -> str | None:
        """The URL the webui answers at; None while no server listens."""
        server = self.server()
        return server.address if server is not None else address_of_gunicorn()

    @property
    def loop(self) -> str:
        """Where the event loop of the webui's server runs, in a few words."""
        server = self.server()
        return server.description if server is not None else describe_loop(None, None)

    @property
    def supports(self) -> frozenset[str]:
        """The verbs that have something to work on in this webui, at this moment.

        What depends on the webui is told by what the adapter answers.
        """
        app = self.app() or find_app()
        has_app = router_of(app) is not None or kind_of_app(app) is not None
        has = {
            "middleware": has_app,
            "routes": has_app,
            "events": self.blocks() is not None,
            "callbacks": _are_there(self.callback_stores),
            "hooks": _are_there(self.hook_stores),
            "extensions": self.has_extensions,
            "interrupt": type(self).interrupt is not Host.interrupt,
        }
        found = {verb for verb, is_there in has.items() if is_there}
        timed = {"timing"} if found & TIMED else set()
        return EVERYWHERE | found | timed

    @property
    def has_extensions(self) -> bool:
        """Whether webuis of this flavor have extensions, be there any or not."""
        return self.loader() is not None or type(self).extensions is not Host.extensions

    def is_idle(self) -> bool | None:
        """Whether no generation runs or waits, by the webui's own lock or queue.

        Changes with ``when="idle"`` wait for it. None where the webui has no such word.
        """
        return None

    @property
    def extension_folder(self) -> Path | None:
        """Where extensions of this webui lie; None when the flavor has no such folder."""
        return None

    def export_folder(self, *, single_file: bool) -> Path | None:  # noqa: ARG002
        """Where an export belongs; None when the flavor has no such folder.

        Args:
            single_file: whether the export is one file.
        """
        return self.extension_folder

    def server(self) -> RunningServer | None:
        """The server that serves the webui; None when none runs."""
        return next(iter(servers()), None)

    def app(self) -> Any:
        """The app of the webui (Starlette or aiohttp); None when it is not found."""
        server = self.server()
        return server.app if server is not None else None

    def blocks(self) -> Any:
        """The page, a ``gradio.Blocks``; None where there is none."""
        return None

    def built(self) -> object:
        """What the webui makes anew, and last, each time when it builds its page or its app.

        By that livepatch knows that a reload has ended. None: it has not yet, or livepatch knows no
        such thing of this flavor.
        """
        return None

    def callback_stores(self) -> Sequence[Store]:
        """Where the webui keeps its callbacks: one store for each event."""
        return ()

    def hook_stores(self) -> Sequence[Store]:
        """Where it keeps the hooks of a generation, in the order of a run.

        Here: the forward hooks of the models that are loaded, and the lists of logits processors
        and stopping criteria that they and the main program have.
        """
        models = self.models()
        main = {"main": sys.modules.get("__main__")}
        return [*stores_of_modules(models), *stores_of_lists({**models, **main})]

    def models(self) -> Mapping[str, Any]:
        """The loaded models, by a name for people: what has torch's forward hooks."""
        return torch_modules(names_of_main_by_name())

    def extensions(self) -> Sequence[Extension]:
        """The extensions that the webui knows, in its own order."""
        return ()

    def loader(self) -> Loader | None:
        """What loads extensions while this webui runs; None where there is no such thing."""
        return None

    def start_times(self) -> Mapping[str, float]:
        """How long extensions took when the webui started, in ms, by their names."""
        return {}

    def switched_off(self) -> Mapping[str, str]:
        """The extensions that shall not work now, by name, each with what tells so.

        What they do all the same is flagged when it is timed.
        """
        off = "off in the webui"
        return {extension.name: off for extension in self.extensions() if not extension.enabled}

    def modules(self) -> Mapping[str, ModuleType]:
        """The loaded modules that no dotted name in ``sys.modules`` leads to, by such a name."""
        return self.runtime.named_modules(None)

    def path_elsewhere(self, path: str) -> str:
        """What other processes of this flavor call what has a dotted name here.

        The same, unless the name depends on how the module was loaded.
        """
        return path

    def after_commit(self, changes: Sequence[Change]) -> None:
        """What changes need to become true here: caches to be emptied. Reverts are told as well."""

    def remarks(self, changes: Sequence[Change]) -> Sequence[str]:  # noqa: ARG002
        """What is to be said of changes that have become true, for the answer line."""
        return ()

    def notices(self) -> Sequence[str]:
        """What the webui does by itself, now, that someone who changes it should know."""
        return ()

    def running(self) -> str | None:
        """What the webui works on, in a few words; empty when nothing, None when it does not say.

        For example ``txt2img, step 3 of 20``.
        """
        return None

    def waiting(self) -> int | None:
        """How many generations wait for their turn; None when the webui does not say."""
        return None

    def interrupt(self) -> str:
        """Stop the generation that runs, by the webui's own means.

        Returns:
            What was done, for people.

        Raises:
            HostUnsupported: this flavor has no such means.
        """
        raise HostUnsupported(
            "interrupt the generation",
            f"livepatch does not know how a webui of the flavor {self.flavor} stops a generation",
            "call the webui's own function for that",
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.flavor} {self.version} at {self.address}>"


def _are_there(stores: Callable[[], Sequence[Store]]) -> bool:
    """Whether there are any; none where the webui's data have an unknown shape."""
    try:
        return bool(stores())
    except HostUnsupported:
        return False


def names_of_main() -> list[Any]:
    """What the top level of the program that was started names, at this moment."""
    return list(names_of_main_by_name().values())


def names_of_main_by_name() -> dict[str, Any]:
    """What the top level of the program names, by its names."""
    main = sys.modules.get("__main__")
    return dict(vars(main)) if main is not None else {}
