"""The Python that a webui runs in: what it lacks for livepatch, and what an install would change.

A webui pins its packages, and livepatch's newest requirements may be above a pin (jupyter_client
8.10 needs a typing_extensions that SD.Next forbids). The command that is printed keeps each of them
as it is, wherever pip finds a way; where it finds none, the change is named.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .closure import ROOT, ROOT_REQUIRES, our_closure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from livepatch.adapters.checkout import Checkout

INSTALL = "livepatch[watch]"
WATCHING = "watchfiles"
NEEDED = ("livepatch", "ipykernel", WATCHING)
PATIENCE = 60.0  # seconds for a Python's start on a cold disk, and for an index that is slow
MOST_TRIES = 4  # each keeps what the last one would have changed
PROBE = """
import sys
del sys.path[0]
import importlib.metadata, importlib.util, json
found = {}
for one in importlib.metadata.distributions():
    name = one.metadata["Name"]
    if name and name not in found:
        found[name] = [one.version, one.requires or []]
modules = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
print(json.dumps({"installed": found, "modules": modules}))
"""


@dataclass(frozen=True)
class Environment:
    """A webui's Python and what is installed there.

    Args:
        python: its program.
        webui: the webui's folder.
        versions: of each distribution.
        requires: what each distribution asks of others.
        modules: of those that were asked about, the ones that can be imported.
    """

    python: Path
    webui: Path
    versions: Mapping[str, str]
    requires: Mapping[str, Sequence[Requirement]]
    modules: frozenset[str]

    @property
    def lacks(self) -> list[str]:
        """What livepatch needs there and does not find."""
        return [name for name in NEEDED if name not in self.modules]

    def command(self, kept: Mapping[str, str]) -> str:
        """What the user types to have livepatch there, with some packages kept at their version."""
        parts = [str(self.python), "-m", "pip", "install"]
        if "pip" not in self.modules:
            parts = ["uv", "pip", "install", "--python", str(self.python)]
        return shlex.join([*parts, INSTALL, *(f"{n}=={v}" for n, v in kept.items())])

    def of_livepatch(self) -> set[str]:
        """The names of what livepatch needs there, of which others are installed for it."""
        found: set[str] = set()
        waiting = [canonicalize_name(one.name) for one in our_requirements()]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [canonicalize_name(r.name) for r in self.requires.get(name, ())]
        return found


def environment_note(checkout: Checkout, webui: Path) -> str | None:
    """What is missing in a webui's own environment, or does not fit there, and the one command.

    Args:
        checkout: what is known of such webuis.
        webui: the webui's folder.
    """
    asked = dict(_asked_by(checkout, webui))
    python = checkout.python_of(webui) or _this_one_if_it_is_the_webuis(asked)
    if python is None:
        return (
            "which Python starts it is not known here (no environment lies in its folder); "
            f"with that one: python -m pip install '{INSTALL}'"
        )
    found = look(python, webui)
    if found is None:
        return f"livepatch could not find out whether the webui's Python has it: {python}"
    return _what_is_missing(found, asked) if found.lacks else _what_does_not_fit(found, asked)


def look(python: Path, webui: Path) -> Environment | None:
    """What is installed for a webui's Python; None where it does not say."""
    said = _output_of([str(python), "-c", PROBE, *NEEDED, "pip"], webui)
    try:
        told = json.loads(said or "")
        installed = {canonicalize_name(name): facts for name, facts in told["installed"].items()}
        return Environment(
            python,
            webui,
            {name: str(version) for name, (version, _) in installed.items()},
            {name: list(_requirements(lines)) for name, (_, lines) in installed.items()},
            frozenset(told["modules"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def our_requirements() -> list[Requirement]:
    """What livepatch and the watching of its playground ask for."""
    try:
        lines = importlib.metadata.requires(ROOT) or []
    except importlib.metadata.PackageNotFoundError:  # a checkout that was never installed
        lines = [*ROOT_REQUIRES, WATCHING]
    return list(_requirements(lines, extra="watch"))


def _what_is_missing(found: Environment, asked: Mapping[str, _Asked]) -> str:
    livepatch = [name for name in found.lacks if name != WATCHING]
    what = "its Python lacks livepatch"
    if not livepatch:
        what = f"its Python lacks {WATCHING}, without which the playground is not watched"
    elif ROOT not in livepatch:
        what = f"its Python lacks {' and '.join(livepatch)}"
    kept, changes, is_known = _what_would_change(found)
    line = f"{what}: {found.command(kept)}"
    if changes:
        said = [_change_in_words(name, *change, asked) for name, change in changes.items()]
        return f"{line}\nthat changes {', '.join(said)}"
    if kept and is_known:
        names = ", ".join(f"{name} {version}" for name, version in kept.items())
        return f"{line}\n(so that {names} stays, as the webui has it)"
    return line


def _change_in_words(name: str, old: str, new: str, asked: Mapping[str, _Asked]) -> str:
    said = f"{name} {old} to {new}"
    if name not in asked:
        return said
    requirement, file = asked[name]
    return f"{said} ({file} asks for {requirement.specifier})"


def _what_does_not_fit(found: Environment, asked: Mapping[str, _Asked]) -> str | None:
    """What livepatch's install has already moved away from what the webui asks for."""
    broken = {
        name: asked[name]
        for name in sorted(found.of_livepatch() & asked.keys() & found.versions.keys())
        if not asked[name][0].specifier.contains(found.versions[name], prereleases=True)
    }
    if not broken:
        return None
    said = [
        f"{name} {found.versions[name]} is installed there, {file} asks for {needed.specifier}"
        for name, (needed, file) in broken.items()
    ]
    parts = [f"{needed.name}{needed.specifier}" for needed, _ in broken.values()]
    return f"{'; '.join(said)}: {found.command({})} {shlex.join(parts)}"


def _what_would_change(
    found: Environment,
) -> tuple[dict[str, str], dict[str, tuple[str, str]], bool]:
    """What an install has to keep, what it changes all the same, and whether pip has said so.

    Without an answer of pip's it is what keeps the packages of this environment from running there.
    """
    kept: dict[str, str] = {}
    changes: dict[str, tuple[str, str]] = {}
    needed = [f"{r.name}{_extras(r)}{r.specifier}" for r in our_requirements()]
    for tried in range(MOST_TRIES):
        told = _dry_run(found, [*needed, *(f"{n}=={v}" for n, v in kept.items())])
        if told is None and tried == 0:
            conflicts = our_closure().conflicts(found.versions)
            return {c.name: c.version for c in conflicts}, {}, False
        if told is None:  # there is no way with all of them kept
            return {}, changes, True
        moved = {name: (old, told[name]) for name, old in found.versions.items() if name in told}
        moved = {name: change for name, change in moved.items() if change[0] != change[1]}
        if not moved:
            return kept, {}, True
        changes = changes or moved
        kept |= {name: old for name, (old, _) in moved.items()}
    return {}, changes, True


def _dry_run(found: Environment, needed: list[str]) -> dict[str, str] | None:
    """The versions that pip would install; None where it cannot tell, or finds none that fit."""
    if "pip" not in found.modules:
        return None
    options = ["--dry-run", "--quiet", "--no-input", "--disable-pip-version-check"]
    options += ["--retries", "0", "--report", "-"]
    said = _output_of([str(found.python), "-m", "pip", "install", *options, *needed], found.webui)
    try:
        report = json.loads(said or "")
        facts = [one["metadata"] for one in report["install"]]
        return {canonicalize_name(one["name"]): str(one["version"]) for one in facts}
    except (ValueError, LookupError, TypeError):  # a pip older than 22.2, an index out of reach
        return None


_Asked = tuple[Requirement, str]


def _asked_by(checkout: Checkout, webui: Path) -> Iterator[tuple[str, _Asked]]:
    """What a webui asks for in its own files, by name, with the file that does."""
    for name in checkout.requirements:
        try:
            text = (webui / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for requirement in _requirements(text.splitlines()):
            yield canonicalize_name(requirement.name), (requirement, name)
        return


def _requirements(lines: Sequence[str], extra: str = "") -> Iterator[Requirement]:
    """The requirements of some lines; what is none, and what is for another system, is left out."""
    for line in lines:
        bare = line.partition(" #")[0].strip()
        if not bare or bare.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(bare)
        except InvalidRequirement:  # an address, an option
            continue
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": extra}) or marker.evaluate({"extra": ""}):
            yield requirement


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _this_one_if_it_is_the_webuis(asked: Mapping[str, _Asked]) -> Path | None:
    """The Python that runs, where it has most of what the webui asks for."""
    from pathlib import Path

    here = {canonicalize_name(d.name) for d in importlib.metadata.distributions() if d.name}
    return Path(sys.executable) if asked and 2 * len(here & asked.keys()) > len(asked) else None


def _output_of(command: list[str], webui: Path) -> str | None:
    """What a program prints, as the user whom the webui belongs to; None where it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=webui,
            stdin=subprocess.DEVNULL,
            **_user_of(webui),
        )
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError):
        return None
    return None if done.returncode else done.stdout


def _user_of(webui: Path) -> dict[str, Any]:
    """Options for a process that runs what lies in the webui's folder: never root for others."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    status = webui.stat()
    return {"user": status.st_uid, "group": status.st_gid, "extra_groups": []}
