"""The autoreloader of ``runserver``, in a process whose modules come and go."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from django.utils import autoreload

if TYPE_CHECKING:
    from .requests import Requests


def make_fit(requests: Requests) -> None:
    """Let it stand that a module goes while it lists them; once, and for good.

    It looks up each name of ``sys.modules`` that it has listed a moment before, and ends the server
    with a ``KeyError`` where one is gone.

    Args:
        requests: what waits for a listing that is under way.
    """
    original = autoreload.iter_all_python_module_files
    if not hasattr(original, "__wrapped__"):
        autoreload.iter_all_python_module_files = _again_if_one_goes(original)
        requests.wait_for_calls(original.__code__)


def _again_if_one_goes(original: Any) -> Any:
    @functools.wraps(original)
    def iter_all_python_module_files() -> Any:
        while True:
            try:
                return original()
            except KeyError as error:
                if error.args[0] in sys.modules:
                    raise

    return iter_all_python_module_files
