"""Folders as strangers could make them: plans of such folders (hypothesis), and what makes them."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from dataclasses import dataclass

from hypothesis import strategies as st

LARGEST = 2_100_000
KINDS = ("pipe", "socket", "sparse", "closed file", "closed folder")
TARGETS = (
    *(b"/dev/zero", b"/dev/tty", b"/dev/stdin", b"/etc/passwd", b"/", b".", b"..", b"nowhere"),
    *(b"x.py", b"scripts", b"/proc/self/mem", b"/proc/self/fd/0", b"/proc/kmsg", b"link.py"),
)
USUAL = (
    *(b"scripts", b"javascript", b"lib", b"src", b"install.py", b"preload.py", b"script.py"),
    *(b"__init__.py", b"requirements.txt", b"metadata.ini", b"pyproject.toml", b"livepatch.json"),
    *(b"x.py", b"y.py", b"link.py", b"a.js", b"b.js", b"README.md", b"__pycache__", b"tests"),
    *(b"a\nb.py", b"\x1b[2J\x1b]0;owned\x07.py", b"\xff\xfe.js", "\u202eyp.py".encode(), b"-rf"),
)
PARTS = (
    *("-", "(", "[", "{", "{a:", "a[0]", "a.b", ".b", "()", "[0]", "+1", "not ", "lambda:", "x="),
    *("if a: pass\n", "elif b: print(1)\n", "else:\n", " ", "\t", "  if 1:\n", "try:\n", "@a\n"),
    *("f'{", "'''", '"', "'\\", "\\\n", "\0", "\r", "\r\n", "\x0c", "\ufeff", "\u2028", "\x1b[2J"),
    *("`${", "<a>", "/", "//", "/*", "a=>", "(() => {", "})();", "function a() {", "let a = ", ";"),
    *("async ", "await ", "yield ", "class A:\n", "import os\n", "from modules import shared\n"),
    *(
        "print(1)\n",
        "shared.opts.rare\n",
        "os.environ['A']\n",
        "torch==1\n",
        "# livepatch: ignore[",
    ),
    *("# livepatch: ignore[LP101] why\n", "// livepatch: ignore[LP201]\n", "# coding: klingon\n"),
    *('{"made_by": "livepatch export", "name": "mine", "files": {', '"a": 1,', "}}"),
)


@dataclass(frozen=True)
class File:
    """A file: parts, each repeated."""

    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Special:
    """Anything but a file or a folder that can be entered."""

    kind: str


@dataclass(frozen=True)
class Link:
    """A link."""

    target: bytes


@dataclass(frozen=True)
class Chain:
    """Folders in folders."""

    depth: int


@dataclass(frozen=True)
class Folder:
    """A folder of named things."""

    entries: tuple[tuple[bytes, object], ...]


def names():
    """Names of files: usual ones, ones that a terminal obeys, any bytes."""
    odd = st.binary(min_size=1, max_size=12).map(
        lambda b: b.replace(b"/", b"_").replace(b"\0", b"0")
    )
    ends = st.sampled_from((b".py", b".js", b""))
    return st.one_of(st.sampled_from(USUAL), st.tuples(odd, ends).map(b"".join))


def files():
    """Contents of files, a few of them as large as is looked at."""
    parts = st.one_of(st.sampled_from(PARTS), st.text(max_size=8))
    counts = st.sampled_from((1, 1, 1, 2, 3, 20, 600, 5_000, 90_000, 400_000))
    return st.lists(st.tuples(parts, counts), max_size=4).map(tuple).map(File)


def folders():
    """Plans of folders."""
    leaves = st.one_of(
        files(),
        files(),
        files(),
        st.sampled_from(KINDS).map(Special),
        st.sampled_from(TARGETS).map(Link),
        st.integers(1, 1_500).map(Chain),
    )
    inner = st.recursive(
        leaves,
        lambda nodes: st.lists(st.tuples(names(), nodes), max_size=5).map(tuple).map(Folder),
        max_leaves=10,
    )
    return st.lists(st.tuples(names(), inner), min_size=1, max_size=6).map(tuple).map(Folder)


def make(path, plan):
    """Make what a plan says; what a system refuses (a name of 300 bytes) is left out.

    Args:
        path: where, as bytes.
        plan: the plan.
    """
    with contextlib.suppress(OSError):
        _make(path, plan)


def _make(path, plan):
    if isinstance(plan, Folder):
        os.makedirs(path, exist_ok=True)
        for name, inner in plan.entries:
            make(os.path.join(path, name), inner)
    elif isinstance(plan, File):
        with open(path, "wb") as file:
            left = LARGEST
            for part, count in plan.parts:
                content = part.encode("utf-8", "surrogatepass")
                times = min(count, left // max(len(content), 1))
                file.write(content * times)
                left -= len(content) * times
    elif isinstance(plan, Link):
        os.symlink(plan.target, path)
    elif isinstance(plan, Chain):
        _make_chain(path, plan.depth)
    else:
        _make_special(path, plan.kind)


def _make_special(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path)
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate(1 << 40)
    elif kind == "closed file":
        with open(path, "wb") as file:
            file.write(b"print(1)\n")
        os.chmod(path, 0)
    else:
        os.mkdir(path)
        with open(os.path.join(path, b"x.py"), "wb") as file:
            file.write(b"print(1)\n")
        os.chmod(path, 0)


def _make_chain(path, depth):
    """Longer paths than can be named are made step by step."""
    os.mkdir(path)
    handle = os.open(path, os.O_RDONLY)
    try:
        for _ in range(depth):
            os.mkdir("d", dir_fd=handle)
            handle, former = os.open("d", os.O_RDONLY, dir_fd=handle), handle
            os.close(former)
    finally:
        os.close(handle)


def everything(folder):
    """All that is in a folder down to some depth: kinds, inodes, beginnings of contents."""
    found = {}
    waiting = [(os.fsencode(folder), 0)]
    while waiting:
        here, depth = waiting.pop()
        try:
            names = os.listdir(here) if depth < 60 else []
        except OSError:
            continue
        for name in names:
            path = os.path.join(here, name)
            status = os.lstat(path)
            content = b""
            if stat.S_ISREG(status.st_mode):
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    content = file.read(10_000)
            elif stat.S_ISDIR(status.st_mode):
                waiting.append((path, depth + 1))
            found[path] = (status.st_mode, status.st_ino, status.st_size, content)
    return found
