"""Loads extensions into text-generation-webui while it runs."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.loader import Loader, Loading, execute, lists_of, refuse
from livepatch.adapters.runtime import attribute_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from livepatch.adapters.base import Host
    from livepatch.registries import Extension

EXTENSIONS, SHARED = "modules.extensions", "modules.shared"
DRAWN = ("ui", "custom_css", "custom_js")
CAME_ALONG = "extensions"


def came_along() -> Path:
    """The folder of the extensions that came along; the webui names it relatively."""
    return Path(CAME_ALONG).absolute()


class TextgenLoader(Loader):
    """Executes ``script.py``, calls ``setup()`` and adds it to the extensions that are called."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def find(self, asked: str, path: Path) -> Loading:
        """A folder with ``script.py``."""
        folder = path.parent if path.name == "script.py" else path
        if os.path.isfile(folder / "script.py"):
            return Loading(folder.name, folder)
        raise refuse(asked, f"{path} has no script.py", "give the folder that has script.py")

    def containers(self) -> Mapping[str, Any]:
        """The extensions, their settings, modules and routes."""
        apps = [self.host.app(), attribute_of("modules.api.script", "app")]
        routes = [getattr(getattr(app, "router", None), "routes", None) for app in apps]
        return lists_of(
            extension=attribute_of(EXTENSIONS, "state"),
            _available=attribute_of(EXTENSIONS, "available_extensions"),
            _set_up=attribute_of(EXTENSIONS, "setup_called"),
            _named=attribute_of(SHARED, "args", "extensions"),
            _settings=attribute_of(SHARED, "default_settings"),
            module=sys.modules,
            route=routes[0],
            **({} if routes[1] is routes[0] else {"route of the API": routes[1]}),
        )

    def entries(self, loading: Loading) -> list[Path]:
        """``script.py``."""
        return [loading.path / "script.py"]

    def load(self, loading: Loading) -> None:
        """As the webui itself does, for one extension."""
        extensions = sys.modules[EXTENSIONS]
        module = self._execute(loading)
        extensions.apply_settings(module, loading.name)
        if hasattr(module, "setup"):
            module.setup()
        extensions.setup_called.add(module)
        orders = [known[1] for known in extensions.state.values()]
        is_on, order = True, max(orders, default=-1) + 1
        for old in loading.old_in("extension"):
            is_on, order = old[:2]
        extensions.state[loading.name] = [is_on, order, module]
        if loading.name not in extensions.available_extensions:
            extensions.available_extensions.append(loading.name)
        named = attribute_of(SHARED, "args", "extensions")
        if isinstance(named, list) and loading.name not in named:
            named.append(loading.name)
        drawn = [name for name in DRAWN if hasattr(module, name)]
        if drawn:
            loading.facts.append(f"{', '.join(drawn)}: called when the page is built again")
        self._say_what_a_restart_finds(loading)

    def _execute(self, loading: Loading) -> Any:
        """Execute ``script.py`` under the name that the webui has for it, depending on its folder.

        What came along with the webui is a package of its folder, imported by name; of the user's
        the file is executed.
        """
        file = loading.path / "script.py"
        if loading.path.parent != came_along():
            return execute(f"user_ext_{loading.name}", file, register=True)
        package = f"{CAME_ALONG}.{loading.name}"
        importlib.invalidate_caches()
        parent: Any = importlib.import_module(package)
        module = execute(f"{package}.script", file, register=True)
        parent.script = module
        return module

    def _say_what_a_restart_finds(self, loading: Loading) -> None:
        own, folder = self.host.extension_folder, loading.path.parent
        if folder not in (own, came_along()):
            loading.facts.append(
                f"a restart will not find it: it is neither in {own} nor in {came_along()}"
            )
        elif own is not None and folder != own and (own / loading.name / "script.py").is_file():
            loading.facts.append(f"a restart loads {own / loading.name} in its place")

    def is_named(self, where: str, key: Any, item: Any, loading: Loading) -> bool:  # noqa: ARG002
        """Its name in the list of those that are switched on."""
        return where == "_named" and item == loading.name

    def own_thing(self, item: Any) -> Any:
        """The module in ``[active, order, module]``."""
        return item[2] if isinstance(item, list) and len(item) == 3 else item

    def left(self, extension: Extension) -> list[str]:
        """What it drew on the page."""
        modules = (extension.modules or {}).values()
        drawn = [name for name in DRAWN if any(hasattr(module, name) for module in modules)]
        return [f"{', '.join(drawn)} stay on the page until it is built again"] if drawn else []
