"""Every target that a report prints is taken by every verb, on ComfyUI and the A1111 family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from running import Webui, started, webuis_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 5
MOST_OF_A_REAL_ONE = 600
BEGIN = '''
from IPython import get_ipython
from livepatch.engine.naming.targets import ClassTarget, ValueTarget, find
from livepatch.engine.reading.sources import source_of

SHELL = get_ipython()

def magic(name, line, cell=None):
    if cell is not None:
        return SHELL.run_cell_magic(name, line, cell)
    return SHELL.run_line_magic(name, line)

def shown(*lines):
    """The reports of some magics; none where this webui has nothing of the kind."""
    for line in lines:
        try:
            yield magic(*(line.split(" ", 1) if " " in line else (line, "")))
        except LivepatchError as refused:
            assert "this process" in str(refused) or "no Gradio page" in str(refused), refused

def reports(*words):
    for table in (lp.hooks, lp.callbacks):
        if table.__name__ in lp.host().supports:
            yield from (point.report() for point in table().points)
    yield from shown("hooks", "callbacks", "routes", "middleware", "events", "extensions",
                     "patches", "patches --foreign", *(f"where {word}" for word in words))
    for extension in lp.extensions():
        yield extension.report()

def targets(*words):
    """What the reports print as targets: dotted names; what says <locals> has no name."""
    found = {}
    for report in reports(*words):
        report = report if hasattr(report, "columns") else report.report()
        for column in report.columns:
            if column.heading in ("target", "function"):
                found.update((str(column.cell(item)), None) for item in report)
    return [t for t in found if "." in t and "<" not in t and " " not in t]

def pasted(target):
    """What a target was refused by; and whether it could be traced: a class and a value cannot."""
    where = magic("where", target)
    first = where[0].definition.path if len(where) else "nowhere"
    refused = [] if first == target else [f"%where {target}: {first}"]
    try:
        thing = find("look", target)
        if isinstance(thing, ValueTarget):
            magic("replace", f"{target} None --dry-run")
            return refused, False
        cell = source_of(thing.cls if isinstance(thing, ClassTarget) else thing.function)
        # A lambda, a layer of ours and what Python made have no definition: it is given one.
        if not (cell or "").lstrip().startswith(("def ", "async def ", "class ", "@")):
            cell = "def same(*args, **kwargs): pass"
        magic("replace", f"{target} --dry-run", cell)
    except Exception as error:
        return [*refused, f"%%replace {target}: {error}"], False
    if isinstance(thing, ClassTarget):
        return refused, False
    try:
        magic("trace", f"{target} --calls 1")
        magic("trace", f"{target} --off")
    except Exception as error:
        refused.append(f"%trace {target}: {error}")
    return refused, True
'''


@pytest.fixture(
    scope="module",
    params=webuis_of("comfyui", "a1111", "forge", "forge-classic", "sdnext", "textgen"),
)
def webui(request: pytest.FixtureRequest) -> Iterator[Webui]:
    yield from started(request.param, BEGIN)


def words_of(webui: Webui) -> list[str]:
    words = {"comfyui": ["Image", "custom_nodes"], "textgen": ["modifier", "extensions"]}
    return words.get(webui.flavor, ["process", "extensions"])


def test_each_printed_target_is_taken_by_where_replace_and_trace(webui: Webui) -> None:
    first = webui.run(f"ALL = targets(*{words_of(webui)!r}); ALL[0]")
    webui.run(f"LAYER = lp.before({first!r}, lambda *args, **kwargs: None)")
    count = webui.run(f"ALL = targets(*{words_of(webui)!r}); len(ALL)")
    assert count > 3
    refused, traced = [], 0
    for begin in range(0, min(count, MOST_OF_A_REAL_ONE), BATCH):
        batch = webui.run(f"[pasted(target) for target in ALL[{begin}:{begin + BATCH}]]")
        refused += [one for told, _ in batch for one in told]
        traced += sum(can for _, can in batch)
    webui.run("lp.restore_all()")
    print(f"{webui.flavor}: {count} targets, {traced} traced, {len(refused)} refused")
    assert not refused


def test_a_word_chooses_among_the_hooks(webui: Webui) -> None:
    event, name, owner = webui.run("r = next(iter(lp.hooks())); r.event, r.name, r.owner")
    for word in (f"{event}/{name}", name, f"{event}/0"):
        chosen = webui.run(f"[(r.event, r.name) for r in magic('hooks', {word!r})]")
        assert (event, name) in chosen
    others = webui.run(f"sum(r.owner != {owner!r} for r in lp.hooks())")
    of_owner = webui.run(f"[r.owner for r in magic('hooks', {owner!r})]")
    assert set(of_owner) == {owner}
    assert len(of_owner) + others == webui.run("len(list(lp.hooks()))")
    assert webui.run(f"[r.name for r in magic('hooks', {event!r})]")[0] == name


def test_a_word_that_nothing_has_and_an_event_for_a_name_are_told_what_to_type(
    webui: Webui,
) -> None:
    event, name = webui.run("r = next(iter(lp.hooks())); r.event, r.name")
    refused = webui.shows("%hooks no_such_hook_zz")
    assert "nothing of such a name" in refused
    assert "%hooks shows them" in refused
    assert "table." not in refused
    refused = webui.shows(f"%hooks replace {event} textwrap.dedent")
    assert f"%hooks replace {event}/{name}" in refused


def test_a_function_with_a_layer_is_shown_so_among_the_hooks(webui: Webui) -> None:
    event, name, path = webui.run("r = next(iter(lp.hooks())); r.event, r.name, r.path")
    webui.run(f"lp.before({path!r}, lambda *args, **kwargs: None)")
    (row,) = webui.run(f"magic('hooks', '{event}/{name}').rows()")
    webui.run("lp.restore_all()")
    (before,) = webui.run(f"magic('hooks', '{event}/{name}').rows()")
    assert (before[3], row[3]) == ("active", "patched")
    assert [*before[:3], *before[4:]] == [*row[:3], *row[4:]]  # its owner and its place too
    assert path in row
    assert "livepatch/" not in row[-1]


def test_a_function_that_a_hook_has_replaced_is_still_found(webui: Webui) -> None:
    event, name, path = webui.run("r = next(iter(lp.hooks())); r.event, r.name, r.path")
    webui.run(f"lp.hooks().replace('{event}/{name}', lambda *args, **kwargs: None)")
    found = webui.run(f"[(h.definition.path, h.definition.kind) for h in magic('where', {path!r})]")
    webui.run("lp.restore_all()")
    assert found[0][0] == path
    assert "replaced" in found[0][1]
