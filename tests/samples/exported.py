"""What exported extensions change in the tests: a little of everything, as a webui has it."""

from __future__ import annotations

import asyncio
import math

SCALE = 2
SETTINGS = {"steps": 20}
CALLS = []


def plain(a, b=SCALE):
    """The original."""
    return ("plain", a, b, math.floor(SCALE))


def wrapped(a):
    return ("wrapped", a)


def noted(a):
    CALLS.append("original")
    return a


def generator(n):
    for i in range(n):  # noqa: UP028 - a loop of its own, as the changed one has
        yield i


async def coroutine(a):
    await asyncio.sleep(0)
    return ("coroutine", a)


async def async_generator(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


class Base:
    def greet(self):
        return "base"

    def inherited(self):
        return ("inherited", SCALE)


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
    def static(a):
        return ("static", a)

    @classmethod
    def maker(cls, a):
        return (cls.__name__, a)


class Whole:
    def one(self):
        return 1

    def two(self):
        return 2


held = plain  # a reference that was taken before anything was changed


def outputs():
    """What everything answers now, as a dictionary of texts."""

    async def of_coroutines():
        return await coroutine(1), [item async for item in async_generator(3)]

    CALLS.clear()
    model, whole = Model(), Whole()
    answers = {
        "plain": held(1),
        "wrapped": wrapped(2),
        "noted": (noted(3), list(CALLS)),
        "generator": list(generator(3)),
        "coroutines": asyncio.run(of_coroutines()),
        "greet": model.greet(),
        "secret": model.secret(),
        "size": model.size,
        "static": Model.static(4),
        "maker": Model.maker(5),
        "inherited": (model.inherited(), Base().inherited()),
        "whole": (whole.one(), whole.two()),
        "values": (SCALE, SETTINGS["steps"]),
    }
    return {name: repr(answer) for name, answer in answers.items()}


FUNCTIONS = (
    *(plain, wrapped, noted, generator, coroutine, async_generator, Model.greet, Model.secret),
    *(Model.size.fget, Model.static, Model.maker.__func__, Whole.one, Whole.two),
)
CODES = [function.__code__ for function in FUNCTIONS]


def is_original():
    """Whether every function has the very code object that it began with."""
    same = all(f.__code__ is code for f, code in zip(FUNCTIONS, CODES, strict=True))
    return same and "inherited" not in vars(Model) and held is plain
