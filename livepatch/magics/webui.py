"""The magic of the webui itself: where the notebook is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import magic_arguments, parse_argstring

from livepatch.hosts.overview import overview

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.reports import Report


@magics_class
class Webui(Magics):
    """Look at the webui from the notebook."""

    shell: InteractiveShell

    @magic_arguments()
    @line_magic
    def webui(self, line: str) -> Report[tuple[str, str]]:
        """Where am I: the webui that this kernel lives in, and what can be done there.

        For example ``%webui``.
        """
        parse_argstring(self.webui, line)
        return overview()
