"""Another module that took references when it was imported, as webuis do."""

from __future__ import annotations

import functools
import weakref

from .functions import plain

registry = [plain]
table = {"plain": plain}
bound = functools.partial(plain, 1)
weak = weakref.ref(plain)


def calls_plain(a):
    return plain(a)
