"""``livepatch install`` and ``uninstall``: an extension that attaches when its webui starts."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
import venv
from typing import TYPE_CHECKING

import pytest
from install_support import FLAVORS, LOAD_BY_FILE, LOADERS, SCRIPT, WEBUI, webui_folder

from livepatch.adapters.textgen.settings import with_extension, without_extension
from livepatch.errors import HostUnsupported, LivepatchError
from livepatch.reach.install import install, uninstall

if TYPE_CHECKING:
    from pathlib import Path

    from reach_support import Place


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("flavor", FLAVORS)
def test_uninstall_removes_exactly_what_install_made(here: Place, flavor: str) -> None:
    folder = webui_folder(here.folder, flavor)
    before = tree(folder)
    said = here.livepatch("install", str(folder))
    assert (said.returncode, said.stderr) == (0, "")
    place_of_extension = FLAVORS[flavor][1]
    first = f"installed into {folder / place_of_extension} ({flavor}); "
    assert said.stdout.startswith(f"{first}from its next start: my-webui\n")
    installed = tree(folder)
    script = SCRIPT.get(flavor, "scripts/livepatch_attach.py")
    assert set(installed) - set(before) == {
        f"{place_of_extension}/{script}",
        f"{place_of_extension}/livepatch.json",
        *(["user_data/settings.yaml"] if flavor == "textgen" else []),
    }
    assert here.livepatch("install", str(folder)).returncode == 0
    assert tree(folder) == installed
    assert here.livepatch("uninstall", str(folder)).returncode == 0
    assert tree(folder) == before
    assert not (folder / place_of_extension).exists()


@pytest.mark.parametrize("flavor", LOADERS)
def test_the_webui_is_attached_to_when_it_starts_and_once_only(here: Place, flavor: str) -> None:
    folder = webui_folder(here.folder, flavor)
    done = install(folder, "named")
    code = WEBUI.format(
        folder=str(folder),
        script=str(done.folder / SCRIPT.get(flavor, "scripts/livepatch_attach.py")),
        loader=LOADERS[flavor],
        greeter=str(here.script),
    )
    said: list[str] = []
    webui = here.serve([sys.executable, "-c", code], env=here.environment, skipped=said)
    assert said == ["livepatch: open a notebook on this webui: livepatch lab named\n"]
    (listed,) = json.loads(here.livepatch("list", "--json").stdout)
    assert (listed["name"], listed["pid"]) == ("named", webui.pid)
    shown = "print('kernel'); exec('import sys; print(1, file=sys.__stdout__)')"
    assert here.livepatch("exec", "named", "-c", shown).stdout == "kernel\n"
    assert (here.folder / "stderr.txt").read_text() == ""
    # Python has compiled the script meanwhile; that goes as well.
    uninstall(folder)
    assert not done.folder.exists()


@pytest.mark.parametrize("flavor", ["a1111", "textgen"])
def test_files_in_the_playground_are_run_at_the_start_and_on_every_save(
    here: Place, flavor: str
) -> None:
    done = install(webui_folder(here.folder, flavor), "named")
    mine = done.folder / "playground" / "mine.py"
    mine.write_text("import livepatch\nlivepatch.replace('__main__.greeting', lambda: 'mine')\n")
    code = WEBUI.format(
        folder=str(done.folder.parent.parent),
        script=str(done.folder / SCRIPT.get(flavor, "scripts/livepatch_attach.py")),
        loader="def greeting(): return 'no function of this yet'\n" + LOADERS[flavor],
        greeter=str(here.script),
    )
    said: list[str] = []
    webui = here.serve([sys.executable, "-c", code], env=here.environment, skipped=said)
    assert said[-1] == f"livepatch: watching {mine.parent}\n"
    mine.write_text("import livepatch\nlivepatch.replace('__main__.greeting', lambda: 'saved')\n")
    deadline = time.monotonic() + 60
    while webui.get() != "saved":
        assert time.monotonic() < deadline
    assert uninstall(done.folder.parent.parent).note is not None
    assert mine.exists()


def test_a_kernel_that_was_taken_out_stays_out_when_the_ui_is_reloaded(here: Place) -> None:
    folder = webui_folder(here.folder, "a1111")
    script = install(folder).folder / "scripts/livepatch_attach.py"
    code = (
        f"SCRIPT = {str(script)!r}\n{LOAD_BY_FILE}\nload()\nimport livepatch\n"
        "from livepatch.reach.attach import current\nassert current() is not None\n"
        "livepatch.detach()\nload()\nassert current() is None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=here.environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("flavor", LOADERS)
def test_a_missing_dependency_is_one_line_and_the_webui_starts(here: Place, flavor: str) -> None:
    environment = here.folder / "bare"
    venv.create(environment, with_pip=False, symlinks=True)
    folder = webui_folder(here.folder, flavor)
    done = install(folder)
    code = WEBUI.format(
        folder=str(folder),
        script=str(done.folder / SCRIPT.get(flavor, "scripts/livepatch_attach.py")),
        loader=LOADERS[flavor].replace("load()\nload()", "load()").replace("range(2)", "range(1)"),
        greeter=str(here.script),
    )
    python = str(environment / "bin" / "python")
    webui = here.serve([python, "-c", code], env=here.environment)
    assert webui.get() == "hello"
    (line,) = (here.folder / "stderr.txt").read_text().splitlines()
    assert line.startswith("livepatch: no kernel in this webui: No module named 'livepatch'")
    assert line.endswith(f"{python} -m pip install 'livepatch[watch]'")


def test_a_kernel_that_cannot_start_is_one_line_and_the_webui_starts(here: Place) -> None:
    done = install(webui_folder(here.folder, "a1111"))
    code = WEBUI.format(
        folder="",
        script=str(done.folder / "scripts/livepatch_attach.py"),
        loader="import sys; sys.modules['ipykernel'] = None\n" + LOAD_BY_FILE + "load()\n",
        greeter=str(here.script),
    )
    webui = here.serve([sys.executable, "-c", code], env=here.environment)
    assert webui.get() == "hello"
    (line,) = (here.folder / "stderr.txt").read_text().splitlines()
    assert line.startswith("livepatch: no kernel in this webui: ")
    assert "ipykernel" in line


def test_a_folder_of_the_users_is_left_alone(here: Place) -> None:
    folder = webui_folder(here.folder, "comfyui")
    own = folder / "custom_nodes/livepatch/__init__.py"
    own.parent.mkdir()
    own.write_text("mine")
    before = tree(folder)
    for command in ("install", "uninstall"):
        found = here.livepatch(command, str(folder))
        assert (found.returncode, found.stdout) == (2, "")
        lines = found.stderr.splitlines()
        assert len(lines) == 3
        assert lines[1] == f"{own.parent} exists, and livepatch did not make it"
        assert tree(folder) == before


def test_what_the_user_changed_or_added_is_not_removed(here: Place) -> None:
    folder = webui_folder(here.folder, "a1111")
    script = install(folder).folder / "scripts/livepatch_attach.py"
    made = script.read_text()
    script.write_text(made + "print('mine')\n")
    before = tree(folder)
    for verb in (install, uninstall):
        with pytest.raises(LivepatchError, match=r"somebody changed scripts/livepatch_attach\.py"):
            verb(folder)
        assert tree(folder) == before
    script.write_text(made)
    own = script.parent / "own.py"
    own.write_text("mine")
    assert uninstall(folder).note == f"not removed, because livepatch did not make it: {own}"
    assert tree(folder / "extensions/livepatch") == {"scripts/own.py": b"mine"}


def test_what_is_no_webui_is_refused_with_what_is_known(here: Place) -> None:
    file = here.folder / "file"
    file.touch()
    for path, found in (
        (here.folder / "absent", "there is no such folder"),
        (file, "it is a file"),
        (here.folder, "known: sdnext, forge-classic, forge, a1111, textgen, comfyui"),
    ):
        for verb in (install, uninstall):
            with pytest.raises(HostUnsupported) as refused:
                verb(path)
            assert found in refused.value.found
            assert len(str(refused.value).splitlines()) == 3
    with pytest.raises(LivepatchError, match="it is not installed"):
        uninstall(webui_folder(here.folder, "a1111"))


def test_a_folder_that_cannot_be_written_is_left_as_it_was(here: Place) -> None:
    folder = webui_folder(here.folder, "comfyui")
    (folder / "custom_nodes/x").unlink()
    (folder / "custom_nodes").rmdir()
    (folder / "custom_nodes").write_text("a file where a folder should be")
    before = tree(folder)
    with pytest.raises(LivepatchError, match="as the user that the webui belongs to"):
        install(folder)
    assert tree(folder) == before


def test_the_package_for_windows_has_its_webui_in_an_inner_folder(here: Place) -> None:
    outer = here.folder / "portable"
    inner = webui_folder(outer, "comfyui", "ComfyUI")
    assert install(outer).folder == inner / "custom_nodes/livepatch"
    uninstall(outer)


def python_that_has(folder: Path, versions: dict[str, str], *modules: str) -> Path:
    """A webui's Python that says it has these distributions, and these modules can be imported."""
    told = {"installed": {n: [v, []] for n, v in versions.items()}, "modules": modules}
    python = folder / "venv/bin/python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(told)}\nEND\n")
    python.chmod(0o755)
    return python


def test_the_one_command_that_is_missing_is_said(here: Place) -> None:
    folder = webui_folder(here.folder, "a1111")
    assert "which Python starts it is not known" in str(install(folder).note)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv/bin/python"
    command = f"uv pip install --python {shlex.quote(str(python))} 'livepatch[watch]'"
    assert install(folder).note == f"its Python lacks livepatch: {command}"
    python.unlink()
    there = ("livepatch", "ipykernel")
    python_that_has(folder, {}, *there)
    lacking = "its Python lacks watchfiles, without which the playground is not watched"
    assert install(folder).note == f"{lacking}: {command}"
    python_that_has(folder, {}, *there, "watchfiles")
    assert install(folder).note is None
    python.write_text("#!/bin/sh\nexit 1\n")
    assert "could not find out" in str(install(folder).note)


def test_a_pin_that_is_in_the_way_is_kept_where_pip_is_not_there_to_ask(here: Place) -> None:
    """jupyter_client 8.10 asks for a newer typing_extensions than SD.Next's."""
    folder = webui_folder(here.folder, "sdnext")
    python_that_has(folder, {"ipython": "7.0", "typing_extensions": "4.16"})
    assert str(install(folder).note).endswith(" 'livepatch[watch]' ipython==7.0")


def test_what_an_install_has_moved_away_from_a_pin_is_said(here: Place) -> None:
    folder = webui_folder(here.folder, "sdnext")
    (folder / "requirements.txt").write_text(
        "# SD.Next's\n--extra-index-url x\ngit+https://example.invalid/x\n"
        "typing-extensions==4.12.2 # pinned\nipython==8.20\nnumpy==1.26.4\n"
    )
    modules = ("livepatch", "ipykernel", "watchfiles", "pip")
    versions = {"IPython": "9.0", "numpy": "2.0", "typing_extensions": "4.12.2"}
    python = shlex.quote(str(python_that_has(folder, versions, *modules)))
    assert install(folder).note == (
        "ipython 9.0 is installed there, requirements.txt asks for ==8.20: "
        f"{python} -m pip install 'livepatch[watch]' ipython==8.20"
    )


def test_the_python_that_runs_it_is_known_as_the_webuis(here: Place) -> None:
    folder = webui_folder(here.folder, "comfyui")
    (folder / "requirements.txt").write_text("ipykernel\nipython\npsutil\nnot-to-be-found\n")
    assert install(folder).note is None
    (folder / "requirements.txt").write_text("ipykernel\ntorch-of-another\nnot-to-be-found\n")
    assert "which Python starts it is not known" in str(install(folder).note)


def test_it_can_be_installed_again_beside_what_stayed_in_the_playground(here: Place) -> None:
    folder = webui_folder(here.folder, "comfyui")
    playground = install(folder).folder / "playground"
    assert playground.is_dir()
    own = playground / "gen.py"
    own.write_text("mine")
    assert str(own) in str(uninstall(folder).note)
    with pytest.raises(LivepatchError, match="it is not installed") as refused:
        uninstall(folder)
    assert refused.value.advice == "nothing to do"
    again = install(folder)
    assert f"these stayed when it was uninstalled, and run again: {own}" in str(again.note)
    assert (again.folder / "__init__.py").is_file()
    assert own.read_text() == "mine"
    assert install(folder).folder == again.folder
    uninstall(folder)
    own.unlink()
    playground.rmdir()
    assert install(folder).folder == again.folder
    uninstall(folder)
    assert not again.folder.exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "default_extensions:\n- livepatch\n"),
        ("mode: chat", "mode: chat\ndefault_extensions:\n- livepatch\n"),
        ("default_extensions: []\na: 1\n", "default_extensions: [livepatch]\na: 1\n"),
        ("default_extensions: [one, 'two']\n", "default_extensions: [one, two, livepatch]\n"),
        (
            "default_extensions:\n  - one\n  - two # mine\na:\n- x\n",
            "default_extensions:\n  - one\n  - two # mine\n  - livepatch\na:\n- x\n",
        ),
        ("default_extensions:\na: 1\n", "default_extensions:\n- livepatch\na: 1\n"),
    ],
)
def test_the_list_of_extensions_gets_one_name_and_loses_it(before: str, after: str) -> None:
    assert with_extension(before, "livepatch") == after
    assert with_extension(after, "livepatch") == after
    again = without_extension(after, "livepatch")
    assert "livepatch" not in again
    if "default_extensions:\na" not in before:  # an empty list is the same as none
        assert again.replace(", two", ", 'two'").rstrip() == before.rstrip()


def test_a_list_that_cannot_be_read_is_left_alone(here: Place) -> None:
    folder = webui_folder(here.folder, "textgen")
    settings = folder / "user_data/settings.yaml"
    settings.write_text("default_extensions: &anchor [one,\n  two]\n")
    before = tree(folder)
    with pytest.raises(LivepatchError, match="its default_extensions cannot be read"):
        install(folder)
    assert tree(folder) == before


def test_settings_of_the_user_keep_everything_else(here: Place) -> None:
    folder = webui_folder(here.folder, "textgen")
    settings = folder / "user_data/settings.yaml"
    settings.write_text("# mine\nmode: chat\n")
    settings.chmod(0o640)
    install(folder)
    assert settings.read_text() == "# mine\nmode: chat\ndefault_extensions:\n- livepatch\n"
    assert settings.stat().st_mode & 0o777 == 0o640
    uninstall(folder)
    assert settings.read_text() == "# mine\nmode: chat\n"
    # The webui's own "Save" may have written the file that install had made.
    settings.unlink()
    install(folder)
    settings.write_text("default_extensions:\n- gallery\n- livepatch\nmode: chat\n")
    uninstall(folder)
    assert settings.read_text() == "default_extensions:\n- gallery\nmode: chat\n"
