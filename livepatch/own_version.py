"""The version of livepatch, told by the code itself: a checkout on the path has no metadata."""

from __future__ import annotations

VERSION = "0.1.0"
