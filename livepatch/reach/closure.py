"""The packages that livepatch needs, where they lie here, and whether they fit those of a webui."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from livepatch.files import check_trusted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = "livepatch"
# For a checkout that was never installed: what pyproject.toml names.
ROOT_REQUIRES = ("ipython", "ipykernel", "psutil")


class Conflict(NamedTuple):
    """A package of another environment that does not suit one of ours.

    Attributes:
        name: the package.
        version: the version that is there.
        asking: ours that asks for another one.
        needs: which.

    Example:
        >>> str(Conflict("tornado", "4.5", "ipykernel", ">=6.5"))
        'tornado 4.5 is there, ipykernel needs tornado>=6.5'
    """

    name: str
    version: str
    asking: str
    needs: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} is there, {self.asking} needs {self.name}{self.needs}"


@dataclass(frozen=True)
class Closure:
    """What livepatch needs, itself included.

    Args:
        versions: of each distribution here.
        requirements: what its members ask of one another: (who asks, what is asked).
        places: for each top-level module the folder that it is imported from here.
        homes: for each distribution the folder that its metadata lies in.
    """

    versions: Mapping[str, str]
    requirements: tuple[tuple[str, Requirement], ...]
    places: Mapping[str, str]
    homes: Mapping[str, str]

    def conflicts(self, theirs: Mapping[str, str]) -> list[Conflict]:
        """What keeps our packages from running beside those of another environment.

        Args:
            theirs: the versions of those members that the other environment has itself.
        """
        found = []
        for asking, requirement in self.requirements:
            version = theirs.get(canonicalize_name(requirement.name))
            if version is None or asking in theirs:
                continue
            if not requirement.specifier.contains(version, prereleases=True):
                found.append(
                    Conflict(requirement.name, version, asking, str(requirement.specifier))
                )
        return found

    def check_trusted(self, asked: str) -> None:
        """Make sure that what is lent is code that only trusted users can write.

        The folders that it is imported from are looked at, and every module's own.

        Args:
            asked: what the user asked for, the first line of a refusal.

        Raises:
            FileNotTrusted: somebody else can write it.
            OSError: it cannot be looked at.
        """
        for folder in sorted({*self.places.values(), *self.homes.values()}):
            check_trusted(folder, asked, links=True)
        for module, folder in self.places.items():
            for name in os.listdir(folder):
                if name.partition(".")[0] == module:
                    check_trusted(os.path.join(folder, name), asked, links=True)


def our_version() -> str:
    """The version of this livepatch, empty for a checkout that was never installed."""
    try:
        return importlib.metadata.version(ROOT)
    except importlib.metadata.PackageNotFoundError:
        return ""


def our_closure() -> Closure:
    """The closure as it is installed in this environment."""
    versions: dict[str, str] = {}
    requirements: list[tuple[str, Requirement]] = []
    places = {ROOT: str(Path(__file__).resolve().parents[2])}
    homes: dict[str, str] = {}
    waiting = [ROOT]
    while waiting:
        name = waiting.pop()
        if name in versions:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name != ROOT:
                continue  # not installed here either: nothing of ours can need it
            versions[name], asked = "", [Requirement(needed) for needed in ROOT_REQUIRES]
        else:
            versions[name] = distribution.version
            asked = list(_requirements(distribution))
            homes[name] = str(distribution.locate_file(""))
            if name != ROOT:
                places.update(_places(distribution))
        requirements += [(name, requirement) for requirement in asked]
        waiting += [canonicalize_name(requirement.name) for requirement in asked]
    return Closure(versions, tuple(requirements), places, homes)


def _requirements(distribution: importlib.metadata.Distribution) -> Iterator[Requirement]:
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _places(distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, str]]:
    names = {_module_name(Path(file)) for file in distribution.files or ()}
    for name in sorted(filter(None, names)):
        spec = importlib.util.find_spec(name)
        if spec is None:
            continue
        if spec.submodule_search_locations:
            yield name, str(Path(next(iter(spec.submodule_search_locations))).parent)
        elif spec.origin and name not in sys.builtin_module_names:
            yield name, str(Path(spec.origin).parent)


def _module_name(file: Path) -> str:
    """The top-level module that a file of a distribution belongs to, empty for none."""
    top = file.parts[0]
    if len(file.parts) == 1:
        top = top.split(".")[0] if file.suffix in (".py", ".so", ".pyd") else ""
    return top if top.isidentifier() and top != "__pycache__" else ""
