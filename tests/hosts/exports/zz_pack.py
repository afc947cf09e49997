"""An extension of the user's, of which exports change a little of everything.

In a webui that is asked for it, it says what all of that answers: as the exports have made it, with
them switched off, and on again.
"""

import asyncio
import functools
import json
import os
import sys
import threading
import time

SCALE = 2
SETTINGS = {"steps": 20}
CALLS = []


def text(a, b=1):
    return ["text", a, b]


def helped(a):
    return ["helped", a]


def valued(a):
    return ["valued", a]


def given(a):
    return ["given", a]


def named(word):
    def decorate(function):
        @functools.wraps(function)
        def around(*args):
            return [word, function(*args)]

        return around

    return decorate


@named("decorated")
def decorated(a):
    return a


@functools.lru_cache
def cached(a):
    return ("cached", a)


def numbers(n):
    for i in range(n):  # noqa: UP028 - as it is written
        yield i


async def later(a):
    await asyncio.sleep(0)
    return ["later", a]


async def items(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


def guarded(a):
    return ["guarded", a]


def wrapped(a):
    return ["wrapped", a]


def noted(a):
    return ["noted", a]


def filtered(a):
    return ["filtered", a]


def in_file(a):
    return ["in file", a]


class Base:
    def greet(self):
        return "base"

    def inherited(self):
        return "inherited"


class Model(Base):
    def __init__(self):
        self.__secret = 7

    def greet(self):
        return "model"

    def secret(self):
        return self.__secret

    @property
    def size(self):
        return 1

    @staticmethod
    def scale(a):
        return a

    @classmethod
    def make(cls, a):
        return [cls.__name__, a]


class Whole:
    def one(self):
        return 1

    def two(self):
        return 2


async def _of_items():
    return [item async for item in items(3)]


def outputs():
    CALLS.clear()
    one = Model()
    asked = {
        "text": lambda: text(1),
        "helped": lambda: helped(2),
        "valued": lambda: valued(3),
        "given": lambda: given(4),
        "decorated": lambda: decorated(5),
        "cached": lambda: cached(6),
        "numbers": lambda: list(numbers(3)),
        "later": lambda: asyncio.run(later(1)),
        "items": lambda: asyncio.run(_of_items()),
        "guarded": lambda: [guarded(7), guarded("bad")],
        "wrapped": lambda: wrapped(8),
        "noted": lambda: [noted(9), list(CALLS)],
        "filtered": lambda: filtered(10),
        "in file": lambda: in_file(11),
        "greet": one.greet,
        "secret": one.secret,
        "size": lambda: one.size,
        "scale": lambda: Model.scale(12),
        "make": lambda: Model.make(13),
        "inherited": lambda: [one.inherited(), Base().inherited()],
        "whole": lambda: [Whole().one(), Whole().two()],
        "value": lambda: SCALE,
        "entry": lambda: SETTINGS["steps"],
        **of_webui(),
    }
    answers = {}
    for name, ask in asked.items():
        try:
            answers[name] = repr(ask())
        except Exception as error:
            answers[name] = repr(error)
    return answers


def of_webui():
    return {}


def _extensions(packages):
    found = {}
    for module in [*sys.modules.values()]:
        extension = getattr(module, "__dict__", {}).get("EXTENSION")
        if hasattr(extension, "applied"):
            holds_hooks = "HOOKS" in vars(module)
            if extension.name not in found or holds_hooks:
                found[extension.name] = (extension, module if holds_hooks else extension)
    return found if {*packages} <= {*found} else None


def _switch(found, *, on):
    for extension, holder in found.values():
        holder.switch(on=on) if holder is extension else holder.switch(on)


def _wait(packages):
    end = time.monotonic() + float(os.environ["EXPORTS_SECONDS"])
    found = None
    while packages and time.monotonic() < end:
        found = _extensions(packages)
        if found is not None and all(len(e.applied) == len(e.changes) for e, _ in found.values()):
            time.sleep(0.5)  # the webui may be between two of its callbacks
            return found
        time.sleep(0.1)
    return found or {}


def _tell():
    folder = os.environ["EXPORTS_PROBE"]
    with open(os.path.join(folder, "wanted.json")) as file:
        packages = json.load(file)
    found = _wait(packages)
    answer = {"on": outputs()}
    answer["applied"] = {name: len(e.applied) for name, (e, _) in found.items()}
    answer["warnings"] = [w for e, _ in found.values() for w in e.warnings]
    _switch(found, on=False)
    answer["off"] = outputs()
    _switch(found, on=True)
    answer["again"] = outputs()
    try:
        import livepatch  # noqa: F401
    except ModuleNotFoundError:
        answer["alone"] = True
    with open(os.path.join(folder, "answer.part"), "w") as file:
        json.dump(answer, file)
    os.replace(os.path.join(folder, "answer.part"), os.path.join(folder, "answer.json"))


if "EXPORTS_BLOCK" in os.environ:
    sys.modules["livepatch"] = None  # the environment of the tests has it
if "EXPORTS_PROBE" in os.environ:
    threading.Thread(target=_tell, daemon=True).start()
