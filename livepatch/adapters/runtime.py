"""What is found of a webui in its own process by what it has loaded; exports carry this file.

Nothing of the webui is imported: what it has loaded is looked up in ``sys.modules``.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


def attribute_of(module: str, *names: str) -> Any:
    """An attribute of a module that is already loaded; None when module or attribute lacks.

    Args:
        module: the full name of the module; it is never imported.
        *names: the attribute, then the attribute of that, and so on.

    Example:
        >>> attribute_of("sys", "version_info", "major")
        3
    """
    found: Any = sys.modules.get(module)
    for name in names:
        found = getattr(found, name, None)
    return found


def identifier(text: str) -> str:
    """A name of a folder or file as a part of a dotted name.

    Example:
        >>> identifier("sd-webui-controlnet"), identifier("3d.view")
        ('sd_webui_controlnet', '_3d_view')
    """
    name = re.sub(r"\W", "_", text)
    return f"_{name}" if name[:1].isdigit() else name


@dataclass(frozen=True)
class WebuiRuntime:
    """What an extension needs of the webui that has loaded it, whether livepatch is there or not.

    One that every app will do for, as the app is given. An adapter of a particular webui has a
    subclass, which an export carries: the definitions that it uses are cut out of its file. So
    that file imports, besides the standard library, ``livepatch.adapters`` and, relatively, its
    neighbours; what the class itself uses comes from this file and from ``livepatch.engine``.

    Attributes:
        library: the module whose ``__version__`` is the webui's.
    """

    library: str = ""

    def app(self) -> Any:
        """The app; None while there is none, or where it has to be given."""
        return None

    def version(self) -> str | None:
        """Its version, where it says so."""
        version = attribute_of(self.library, "__version__")
        return version if isinstance(version, str) else None

    def named_modules(self, name: str | None) -> Mapping[str, ModuleType]:  # noqa: ARG002
        """Loaded modules that no dotted name in ``sys.modules`` leads to, by such a name.

        Args:
            name: the one that is looked for; None: all of them.
        """
        return {}

    def callbacks_of(self, event: str) -> list[Any] | None:  # noqa: ARG002
        """The list of what it calls at an event; None where it has no such event."""
        return None

    def forget_order(self, event: str) -> None:
        """Have it forget the order that it had worked out of a list of callbacks."""

    def forget_what_was_computed(self) -> None:
        """Have it forget what it worked out from code that has changed since."""
