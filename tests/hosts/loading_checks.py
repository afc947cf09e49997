"""What loading an extension live has to do in every webui; each gives its own extension."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from running import Webui


LEFT = (
    "[m for m in set(sys.modules) - own_modules"
    " if {folder!r} in str(getattr(sys.modules[m], '__file__', ''))]"
)


def check_load_reload_and_unload(webui: Webui, folder: Path, main: Path, works: str) -> None:
    """Load, reload, fail to reload, undo and unload an extension.

    Args:
        webui: the webui.
        folder: the extension's folder.
        main: its file that says ``WORD = "first"``.
        works: an expression that answers the word when the extension works, None when not.
    """
    name = folder.name
    webui.run("own_modules = set(sys.modules)")
    own = main.read_text()
    main.write_text(own + "\n1 / 0\n")
    refused = webui.run(f"error(lambda: lp.extensions().load({str(folder)!r}))")
    assert "all that it registered was taken back" in refused
    assert webui.run(works) is None
    assert webui.run(f"{name!r} in lp.extensions()") is False
    assert webui.run(LEFT.format(folder=str(folder))) == []
    main.write_text(own)

    said = webui.run(f"str(lp.extensions().load({str(folder)!r}))")
    assert said.startswith(f"loaded {name} · "), said
    assert webui.run(works) == "first"
    assert webui.run(f"{name!r} in lp.extensions()")
    again = webui.run(f"error(lambda: lp.extensions().load({str(folder)!r}))")
    assert "is loaded already" in again

    text = main.read_text()
    main.write_text(text.replace('WORD = "first"', 'WORD = "second"'))
    assert webui.run(f"str(lp.extensions().reload({name!r}))").startswith(f"reloaded {name} · ")
    assert webui.run(works) == "second"

    main.write_text(text.replace('WORD = "first"', 'WORD = "third"') + "\n1 / 0\n")
    refused = webui.run(f"error(lambda: lp.extensions().reload({name!r}))")
    assert "ZeroDivisionError" in refused
    line = len(main.read_text().splitlines())
    assert f"{main}:{line}" in refused
    assert len(refused.splitlines()) == 3
    assert webui.run(works) == "second"  # the old one runs on

    main.write_text(text.replace('WORD = "first"', "WORD = "))
    assert "SyntaxError" in webui.run(f"error(lambda: lp.extensions().reload({name!r}))")
    assert webui.run(works) == "second"
    main.write_text(text)

    webui.run("lp.undo()")  # the reload
    assert webui.run(works) == "first"
    webui.run("lp.redo()")
    assert webui.run(works) == "second"

    said = webui.run(f"str(lp.extensions().unload({name!r}))")
    assert said.startswith(f"unloaded {name} · "), said
    assert webui.run(works) is None
    webui.run("lp.undo()")
    assert webui.run(works) == "second"
    assert f"extension {name}" in webui.shows("%patches")
    webui.run("lp.restore_all()")
    assert webui.run(works) is None
    assert webui.run(LEFT.format(folder=str(folder))) == []


WAITS = """
import time
print("waiting", flush=True)
until = time.monotonic() + 30
while time.monotonic() < until:
    pass
"""


INTERRUPTED_AT_THE_END = """
from livepatch.engine import subscribe
def interrupt(step):
    end_interrupts()
    raise KeyboardInterrupt
end_interrupts = subscribe("step", interrupt)
"""


def check_what_ends_while_it_loads(webui: Webui, folder: Path, main: Path, works: str) -> None:
    """An exit, an interrupt or the like while an extension loads leaves nothing of it.

    Args:
        webui: the webui.
        folder: the extension's folder.
        main: its file that says ``WORD = "first"``.
        works: an expression that answers the word when the extension works, None when not.
    """
    webui.run("import os; own_modules, own_process = set(sys.modules), os.getpid()")
    own = main.read_text()
    load = f"lp.extensions().load({str(folder)!r})"
    for verb, before in ((load, None), (f"lp.extensions().reload({folder.name!r})", "first")):
        modules = webui.run(LEFT.format(folder=str(folder)))
        steps = webui.run("len(lp.journal)")

        def is_as_before(
            before: object = before, modules: object = modules, steps: object = steps
        ) -> bool:
            left = webui.run(LEFT.format(folder=str(folder)))
            seen = (webui.run(works), left, webui.run("len(lp.journal)"))
            assert seen == (before, modules, steps)
            present = webui.run(f"{folder.name!r} in lp.extensions()")
            return present is (before is not None) and webui.run("os.getpid() == own_process")

        for end, said in (("sys.exit(3)", "SystemExit: 3"), ("raise SystemExit", "SystemExit")):
            main.write_text(f"{own}\nimport sys\n{end}\n")
            refused = webui.run(f"error(lambda: {verb})")
            line = len(main.read_text().splitlines())
            assert f"it raised {said} ({main}:{line}); all that it registered" in refused
            assert len(refused.splitlines()) == 3
            assert is_as_before()

        main.write_text(f"{own}\nraise GeneratorExit\n")
        assert webui.client.run(verb).error == "GeneratorExit"
        assert is_as_before()

        main.write_text(own + WAITS)
        assert webui.client.run_and_interrupt(verb, waits=True).error == "KeyboardInterrupt"
        assert is_as_before()

        main.write_text(own)
        if before is None:  # interrupted when it is in and recorded: it stays, as a whole
            webui.run(INTERRUPTED_AT_THE_END)
            assert webui.client.run(load).error == "KeyboardInterrupt"
            assert webui.run("len(lp.journal)") == steps + 1
    webui.run("lp.undo()")
    assert webui.run(works) is None
    assert webui.run(LEFT.format(folder=str(folder))) == []


def check_nonsense(webui: Webui, folder: Path) -> None:
    """What is no extension changes nothing."""
    refused = webui.run(f"error(lambda: lp.extensions().load({str(folder / 'nowhere')!r}))")
    assert len(refused.splitlines()) == 3
    folder.mkdir(exist_ok=True)
    refused = webui.run(f"error(lambda: lp.extensions().load({str(folder)!r}))")
    assert len(refused.splitlines()) == 3
    for word in ("a named pipe", "no file"):
        for file in ("script.py", "__init__.py", "scripts/x.py"):
            (folder / file).parent.mkdir(exist_ok=True)
            if word == "a named pipe":  # opening it would wait for ever
                os.mkfifo(folder / file)
            else:
                (folder / file).unlink()
                (folder / file).mkdir()
        refused = webui.run(f"error(lambda: lp.extensions().load({str(folder)!r}))")
        assert len(refused.splitlines()) == 3, word
        refused = webui.run(f"error(lambda: lp.extensions().load({str(folder / 'script.py')!r}))")
        assert len(refused.splitlines()) == 3, word
    hostile = f"{folder}/a\nb\x1b[2J"
    refused = webui.run(f"error(lambda: lp.extensions().load({hostile!r}))")
    assert len(refused.splitlines()) == 3
    assert all(line.isprintable() for line in refused.splitlines())
    unknown = webui.run("error(lambda: lp.extensions().unload('nowhere'))")
    assert "knows no extension of that name" in unknown
