"""The picture in README is what the imports make, arrow by arrow."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import livepatch

PACKAGE = Path(livepatch.__file__).parent
README = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
# One small module each, which says one thing and stands below the rooms; the faces of 0.1.
NOT_DRAWN = {"__main__", "addresses", "demo", "hosts", "own_version", "plugins"}


def imported_rooms() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for file in PACKAGE.rglob("*.py"):
        inside = file.relative_to(PACKAGE).with_suffix("").parts
        if inside == ("__init__",):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                module = tuple(filter(None, (node.module or "").split(".")))
                if node.level:
                    module = ("livepatch", *inside[: len(inside) - node.level], *module)
                if module[:1] == ("livepatch",):
                    names = module[1:2] or tuple(alias.name for alias in node.names)
                    found[inside[0]].update(names)
    return {
        room: {other for other in others if other not in NOT_DRAWN and other != room}
        for room, others in found.items()
        if room not in NOT_DRAWN
    }


def below(room: str, arrows: dict[str, set[str]]) -> set[str]:
    return {deep for other in arrows.get(room, ()) for deep in {other, *below(other, arrows)}}


def drawn() -> dict[str, set[str]]:
    picture = README.partition("```mermaid")[2].partition("```")[0]
    found: dict[str, set[str]] = defaultdict(set)
    for line in picture.splitlines():
        start, arrow, ends = line.partition(" --> ")
        room = re.match(r"\s*(\w+)", start)
        if arrow and room and room[1] not in ("shell", "cell"):
            found[room[1]].update(ends.split(" & "))
    return dict(found)


def test_the_picture_draws_each_import_that_no_other_arrow_implies():
    imports = imported_rooms()
    needed = {
        room: {o for o in others if not any(o in below(p, imports) for p in others - {o})}
        for room, others in imports.items()
    }
    assert drawn() == {room: others for room, others in needed.items() if others}


def test_a_room_stands_in_the_picture_under_its_own_name():
    rooms = {p.parent.name for p in PACKAGE.glob("*/__init__.py")} - NOT_DRAWN
    named = set(re.findall(r'(\w+)\["\1 · ', README))
    assert rooms <= named


def test_there_is_one_placement_one_step_between_plans_and_one_finder():
    """What takes part in a plan says so by these classes; each other is one of them."""
    classes: dict[str, list[str]] = defaultdict(list)
    functions: dict[str, list[str]] = defaultdict(list)
    for file in PACKAGE.rglob("*.py"):
        if "demo" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(file.relative_to(PACKAGE).as_posix())
            elif isinstance(node, ast.FunctionDef):
                functions[node.name].append(file.relative_to(PACKAGE).as_posix())
    assert classes["Placement"] == ["engine/plan/plan.py"]
    assert classes["Replan"] == ["engine/plan/plan.py"]
    assert functions["carry_over"] == ["engine/plan/plan.py"]
    assert functions["number_among"] == ["engine/plan/places.py"]
