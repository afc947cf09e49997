"""The table of verbs: what a magic can do to its thing, ``%routes add`` and the like.

One table for each magic drives what is parsed, what a line that does not fit is told, what the Tab
key offers, and the Python call that is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from livepatch.engine.errors import LivepatchError
from livepatch.reports import Answer

from .calls import Source, call_text
from .words import named, options_of, own_functions, unquoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

CODE = frozenset({"a function", "a class"})
"""The words that name something of the notebook or of a loaded module."""


@dataclass(frozen=True)
class Verb:
    """One thing that a magic does.

    Attributes:
        words: what has to be named, in order: ``("a path", "a function")``.
        options: the magic's options that go with it.
        keywords: whether ``OPTION=VALUE`` may follow, as arguments of what is made.
    """

    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    keywords: bool = False


def _unquoted(words: Sequence[str]) -> list[str]:
    return [unquoted(word) for word in words]


@dataclass(frozen=True)
class VerbTable:
    """What one magic does.

    Attributes:
        magic: its name.
        verbs: by the word that is typed, which is the method's name too.
        read: makes names of the words that were typed.
    """

    magic: str
    verbs: Mapping[str, Verb]
    read: Callable[[Sequence[str]], list[Any]] = _unquoted

    def help(self) -> str:
        """Every verb with what it takes, for the magic's help."""
        told = []
        for name, verb in self.verbs.items():
            words = [word.rpartition(" ")[2].upper() for word in verb.words]
            told.append(" ".join([name, *words, *(["[OPTION=VALUE …]"] * verb.keywords)]))
        return ", ".join(told)

    def place_of(self, args: Any) -> dict[str, Any]:
        """The options that were given, by their names.

        Args:
            args: the parsed line; ``args.action`` is the verb, or no verb at all.

        Raises:
            UsageError: one of them goes with other verbs.
        """
        known = dict.fromkeys(option for verb in self.verbs.values() for option in verb.options)
        given = {name: getattr(args, name) for name in known if getattr(args, name) is not None}
        allowed = self.verbs[args.action].options if args.action in self.verbs else ()
        for name in given:
            if name not in allowed:
                verbs = [word for word, verb in self.verbs.items() if name in verb.options]
                said = name.replace("_", "-")
                raise UsageError(f"%{self.magic}: --{said} goes with {' and '.join(verbs)}")
        return {name: unquoted(v) if isinstance(v, str) else v for name, v in given.items()}

    def names_of(self, args: Any) -> list[Any]:
        """What was named, as many as the verb takes; behind them what stands as OPTION=VALUE.

        Args:
            args: the parsed line: ``action`` and ``names``.

        Raises:
            UsageError: it is too few or too many.
        """
        verb, names = self.verbs[args.action], self.read(args.names)
        count = len(verb.words)
        if len(names) < count or (len(names) > count and not verb.keywords):
            wanted = " and ".join(verb.words) or "no name"
            raise UsageError(f"%{self.magic} {args.action} takes {wanted}")
        return names

    def run(self, shell: InteractiveShell, args: Any, thing: Any, python: str) -> Answer:
        """Do what a line says.

        Args:
            shell: the shell that has the notebook's names.
            args: the parsed line: ``action``, ``names``, and the options.
            thing: what it is done to; its methods have the verbs' names.
            python: the Python call that answers the thing.

        Returns:
            The answer line, with the equivalent Python call.

        Raises:
            UsageError: the line does not fit the verb.
            LivepatchError: it cannot be done.
        """
        verb = self.verbs[args.action]
        place = self.place_of(args)
        names = self.names_of(args)
        count = len(verb.words)
        given: list[Any] = []
        said: list[Any] = []
        for word, name in zip(verb.words, names, strict=False):
            is_code = word in CODE
            given.append(named(shell, f"{self.magic} {args.action}", name) if is_code else name)
            said.append(Source(name) if is_code else name)
        more = options_of(shell, self.magic, names[count:])
        made = {"options": more} if verb.keywords else {}
        done = getattr(thing, args.action)(*given, **place, **made)
        return Answer(str(done), call_text(f"{python}.{args.action}", *said, **place, **more))

    def complete(
        self, shell: InteractiveShell, event: Any, look: Callable[[str], Sequence[str]]
    ) -> list[str]:
        """What the Tab key offers: the verbs, then what can be named, then functions and classes.

        Args:
            shell: the shell that asks.
            event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
            look: answers what is there by its names, for a verb; empty: none was typed yet.
        """
        words = event.line.split()
        before = words[1:-1] if event.symbol else words[1:]
        verb = self.verbs.get(before[0]) if before else None
        if event.symbol.startswith("-"):
            options = (
                [f"--{name.replace('_', '-')}" for name in verb.options]
                if verb
                else ["--time", "--off"]
            )
            return [option for option in options if option.startswith(event.symbol)]
        position = len(self.read([word for word in before[1:] if not word.startswith("-")]))
        expected = verb.words[position] if verb and position < len(verb.words) else ""
        if expected == "a class":
            return [name for name, value in shell.user_ns.items() if isinstance(value, type)]
        if expected == "a function":
            return own_functions(shell)
        try:
            offered = list(dict.fromkeys(look(before[0] if verb else "")))
        except LivepatchError:  # no app or page yet: there is nothing to offer from it
            offered = []
        return offered if before else [*self.verbs, *offered]
