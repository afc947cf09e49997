"""One function of every kind, and the ways in which a program holds them."""

from __future__ import annotations

import functools
import math

FACTOR = 3
LIMITS = {"steps": 20}


def plain(a, b=2, *, c=1):
    """Doc of plain."""
    return ("old", a, b, c)


def annotated(a: int, b: str = "x") -> tuple[int, str]:
    """Doc of annotated."""
    return (a, b)


annotated.tag = "webui's own"


def uses_module(a):
    return math.floor(a) * FACTOR


def numbers(count):
    sent = []
    for number in range(count):
        answer = yield number
        sent.append(answer)
    return sent


async def fetch(a):
    return ("old", a)


async def stream(count):
    for number in range(count):
        yield number


def make_counter():
    count = 0

    def counter():
        nonlocal count
        count += 1
        return count

    return counter


counter = make_counter()


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return ("logged", function(*args, **kwargs))

    return wrapper


@logged
def decorated(a):
    return ("old", a)


class Base:
    def greet(self, name):
        return f"hello {name}"

    def __secret(self):
        return "secret"

    def tell(self):
        return self.__secret()


class Child(Base):
    def greet(self, name):
        return super().greet(name) + "!"

    @staticmethod
    def static(a):
        return ("old", a)

    @classmethod
    def build(cls, a):
        return (cls.__name__, "old", a)

    @property
    def size(self):
        return 1


def squares(count):
    """Doc of squares."""
    for number in range(count):
        yield number * number


class Greeter:
    """Something that can be called, and has no function of its own name."""

    def __call__(self, name):
        return f"hello {name}"


greeter = Greeter()
shout = functools.partial(plain, 1, c=9)
floor = math.floor


@functools.lru_cache
def cached(a):
    return ("old", a)


class Shape:
    sides = 4
    names: tuple[str, ...] = ("square",)

    def __init__(self, size=1):
        self.size = size

    def area(self):
        return self.size**2

    @property
    def edge(self):
        return self.size

    @edge.setter
    def edge(self, size):
        self.size = size

    @staticmethod
    def kind():
        return "old"

    @classmethod
    def unit(cls):
        return cls(1)


class Cube(Shape):
    pass


cube = Cube(3)


class Old(dict):
    """A class with a method that is written in C."""
