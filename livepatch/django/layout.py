"""How changes of a Django project are laid out on disk: as an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.adapters.layout import Layout

if TYPE_CHECKING:
    from livepatch.adapters.layout import ExportedCode

CONFIG = '''\
"""{about}"""

from __future__ import annotations

from django.apps import AppConfig

from . import EXTENSION, apply, remove


class ExportedConfig(AppConfig):
    """Makes the changes when Django is set up; in a running server, when it is loaded."""

    name = "{package}"
    verbose_name = "{name}"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        """Make them; of modules that come later, such as views, when they come."""
        apply()

    def unready(self):
        """Take them back: lp.django.unload_app and disable_app call it."""
        if EXTENSION.applied:
            remove()
'''


class DjangoLayout(Layout):
    """A package that is installed, with an app's configuration in it."""

    how_to = (
        '`pip install` this folder, then `INSTALLED_APPS += ["{package}"]`; in a running server '
        "`%django_app load {package}` makes the changes, and `%django_app unload {package}` takes "
        "them back."
    )

    def files(self, code: ExportedCode) -> dict[str, str]:
        """The package with ``apps.py``."""
        names = {"about": code.about, "name": code.name, "package": code.package}
        config = f"{self.folder}{code.package}/apps.py"
        return {**super().files(code), config: CONFIG.format(**names)}
