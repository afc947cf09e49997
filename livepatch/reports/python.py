"""The Python call that a line stands for, as text: what is printed is Python."""

from __future__ import annotations


class Source(str):
    """A text that is Python already: the name of a function, an expression."""

    __slots__ = ()


def call_text(function: str, *arguments: object, **options: object) -> str:
    """A call as somebody would type it.

    Args:
        function: what is called, such as ``lp.restore``.
        *arguments: what it is given; a :class:`Source` as it is, everything else by its ``repr``.
        **options: likewise by name; what is None or False was not said.

    Example:
        >>> call_text("lp.replace", "textwrap.dedent", Source("shorter"), name="mine", guard=False)
        'lp.replace("textwrap.dedent", shorter, name="mine")'
    """
    said = [value_text(argument) for argument in arguments]
    said += [
        f"{name}={value_text(value)}"
        for name, value in options.items()
        if value is not None and value is not False
    ]
    return f"{function}({', '.join(said)})"


def value_text(value: object) -> str:
    """A value as somebody would type it.

    Args:
        value: anything; a :class:`Source` stays as it is.
    """
    if isinstance(value, Source):
        return value
    text = repr(value)
    is_plain = isinstance(value, str) and text.startswith("'") and '"' not in value
    return f'"{text[1:-1]}"' if is_plain else text
