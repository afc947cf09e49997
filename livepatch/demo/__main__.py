"""Starts the webui: ``python -m`` and the name of this package."""

from __future__ import annotations

import sys

from .webui import main

if __name__ == "__main__":
    sys.exit(main())
