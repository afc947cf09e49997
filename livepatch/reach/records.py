"""The record of a running webui: what its connection file says, once every part has its shape.

The file lies in a folder of the user's alone, and still nothing in it is taken on trust: it may be
another version's, cut off, or restored from somewhere. One that is wrong must not end ``livepatch
list``, and must not name a file to be removed or a place to connect to that is not its own.
"""

from __future__ import annotations

import json
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livepatch.errors import AttachFailed, FileNotTrusted
from livepatch.files import read_trusted

from .folder import is_base_of, normal_name

LONGEST = 100_000  # bytes; one of ours has about 900
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
LOOPBACK = "127.0.0.1"
HIGHEST_PID = 2**31 - 1

_TEXT = re.compile(r".{0,300}")
_KEY = re.compile(r"[!-~]{1,300}")
_SCHEME = re.compile(r"hmac-(?:md5|sha\d+|sha3_\d+|blake2[bs])")
_CURVE_KEY = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")  # Z85, as ZeroMQ writes it


class WrongRecord(Exception):
    """Why a file is no record of a running webui, in a few words."""


@dataclass(frozen=True)
class Connection:
    """What a Jupyter client needs to know.

    Args:
        transport: "ipc" or "tcp".
        ip: the path before ``-N`` of the sockets, or the address.
        ports: for each channel its number.
        key: signs the messages.
        signature_scheme: how.
        curve_publickey: of the kernel, with tcp.
        curve_secretkey: of the kernel, with tcp.
    """

    transport: str
    ip: str
    ports: dict[str, int]
    key: str
    signature_scheme: str
    curve_publickey: str | None
    curve_secretkey: str | None

    def as_dict(self) -> dict[str, Any]:
        """As it is written in a connection file."""
        facts: dict[str, Any] = {f"{name}_port": port for name, port in self.ports.items()}
        names = ("transport", "ip", "key", "signature_scheme")
        facts.update({name: getattr(self, name) for name in names})
        if self.curve_publickey is not None:
            facts["curve_publickey"] = self.curve_publickey
            facts["curve_secretkey"] = self.curve_secretkey
        return facts


@dataclass(frozen=True)
class Record:
    """What a connection file says of its webui.

    Args:
        name: the webui's name.
        pid: its process id.
        parent: the process that started it.
        started: the start time of its process, where the platform tells.
        since: when the kernel was attached (UTC, ISO 8601).
        python: the version of its Python.
        flavor: its kind, where it was known then.
        address: where it served then.
        connection: how to connect to its kernel.
    """

    name: str
    pid: int
    parent: int | None
    started: str | None
    since: str
    python: str
    flavor: str | None
    address: str | None
    connection: Connection

    def as_dict(self) -> dict[str, Any]:
        """As it is written in a connection file."""
        names = ("name", "pid", "parent", "started", "since", "python", "flavor", "address")
        facts = {name: getattr(self, name) for name in names}
        return {**self.connection.as_dict(), "livepatch": facts}


def read_record(path: Path) -> Record:
    """Read a connection file.

    Args:
        path: the file in the runtime folder.

    Returns:
        What it says.

    Raises:
        WrongRecord: it is somebody else's, or a part of it is missing or not as it must be.
        FileNotFoundError: it was removed meanwhile.
        OSError: it cannot be read.
    """
    try:
        content = read_trusted(path, f"read {path}", longest=LONGEST)
        said = _Object(json.loads(content), "it")
    except FileNotTrusted as error:
        raise WrongRecord(error.found) from None
    except RecursionError:
        raise WrongRecord("it is nested too deeply") from None
    except ValueError as error:  # no JSON, no UTF-8, a number of a thousand digits
        raise WrongRecord(f"it is not JSON: {_quoted(str(error))}") from None
    facts = said.inner("livepatch")
    name, pid = facts.text("name"), facts.number("pid", 1, HIGHEST_PID)
    if path.stem != f"{name}-{pid}" or not _is_normal(name):
        raise WrongRecord(f"it is about {_quoted(name)}, pid {pid}")
    return Record(
        name=name,
        pid=pid,
        parent=facts.number_or_none("parent", 0, HIGHEST_PID),
        started=facts.text_or_none("started"),
        since=facts.text("since"),
        python=facts.text("python"),
        flavor=facts.text_or_none("flavor"),
        address=facts.text_or_none("address"),
        connection=_connection(said, path),
    )


def _connection(said: _Object, path: Path) -> Connection:
    transport, ip = said.text("transport"), said.text("ip")
    if transport == "ipc":
        highest = 99
        if not is_base_of(Path(ip), path.parent, path.stem):
            raise WrongRecord(f"its sockets would lie elsewhere: {_quoted(ip)}")
    elif transport == "tcp":
        highest = 65535
        if ip != LOOPBACK:
            raise WrongRecord(f"its ip is {_quoted(ip)}, not {LOOPBACK}")
    else:
        raise WrongRecord(f"its transport is {_quoted(transport)}, neither ipc nor tcp")
    import hashlib  # much comes with it, which a list without webuis does without

    scheme = said.text("signature_scheme", _SCHEME)
    if not hasattr(hashlib, scheme.removeprefix("hmac-")):
        raise WrongRecord(f"its signature_scheme is {scheme}, which this Python does not support")
    curve = said.text if transport == "tcp" else said.text_or_none
    return Connection(
        transport,
        ip,
        {name: said.number(f"{name}_port", 1, highest) for name in CHANNELS},
        said.text("key", _KEY),
        scheme,
        curve("curve_publickey", _CURVE_KEY),
        curve("curve_secretkey", _CURVE_KEY),
    )


def _is_normal(name: str) -> bool:
    try:
        return normal_name(name) == name
    except AttachFailed:
        return False


class _Object:
    """A JSON object whose parts are asked for with the shape that they must have."""

    def __init__(self, value: object, called: str) -> None:
        if not isinstance(value, dict):
            raise WrongRecord(f"{called} is {_kind(value)}, not an object")
        self._parts: dict[str, object] = value

    def inner(self, name: str) -> _Object:
        """An object in it."""
        return _Object(self._parts.get(name), f"its {name}")

    def text(self, name: str, shape: re.Pattern[str] = _TEXT) -> str:
        """A text of that shape, all printable."""
        value = self._parts.get(name)
        if not isinstance(value, str):
            raise WrongRecord(f"its {name} is {_kind(value)}, not a string")
        if not (value.isprintable() and shape.fullmatch(value)):
            shown = "…" if "key" in name else _quoted(value)
            raise WrongRecord(f"its {name} cannot be {shown}")
        return value

    def text_or_none(self, name: str, shape: re.Pattern[str] = _TEXT) -> str | None:
        """The same, or nothing."""
        return None if self._parts.get(name) is None else self.text(name, shape)

    def number(self, name: str, lowest: int, highest: int) -> int:
        """A whole number within these limits."""
        value = self._parts.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise WrongRecord(f"its {name} is {_kind(value)}, not a whole number")
        if not lowest <= value <= highest:
            shown = value if abs(value) < 10**20 else "a longer number"
            raise WrongRecord(f"its {name} is {shown}, not {lowest} to {highest}")
        return value

    def number_or_none(self, name: str, lowest: int, highest: int) -> int | None:
        """The same, or nothing."""
        return None if self._parts.get(name) is None else self.number(name, lowest, highest)


def _quoted(text: str) -> str:
    """A text that others have chosen: not too long of it, and nothing that a terminal obeys."""
    shortening = reprlib.Repr()
    shortening.maxstring = 80
    return shortening.repr(text)


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    kinds |= {int: "a number", float: "a number", type(None): "missing"}
    return kinds[type(value)]
