"""The modes of all that livepatch makes, whatever the umask, are those of docs/security.md."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from install_support import webui_folder
from reach_support import place

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
HERE = Path(__file__).parents[1]
TABLE = HERE.parent / "docs" / "security.md"

# From what lies on disk to the words of the table, the first that fits.
WORDS = (
    (r"rt/web-\d+-\d+", "RUNTIME/NAME-PID-N"),
    (r"rt/web-\d+\.json", "RUNTIME/NAME-PID.json"),
    (r"rt/web\.key", "RUNTIME/NAME.key"),
    (r"rt/c-\d+-[0-9a-f]{8}-\d", "RUNTIME/c-PID-RANDOM-N"),
    (r"rt", "RUNTIME"),
    (r"tmp/lp-\w+", "TMP/lp-RANDOM"),
    (r"state/journal/web/\d+\.jsonl", "STATE/journal/NAME/N.jsonl"),
    (r"state(/journal)?(/web)?", r"STATE\1/NAME"),
    (r"data/kernels/livepatch-web(.*)", r"JUPYTER/kernels/livepatch-NAME\1"),
    (r"data(.*)", r"JUPYTER\1"),
    (r"livepatch-web\.ipynb", "livepatch-NAME.ipynb"),
    (r"xdg/livepatch(.*)", r"DATA\1"),
    (r"webui(.*)", r"WEBUI\1"),
    (r"mine(/.*)?", "EXPORT"),
)
# What Jupyter makes for its own client.
NOT_OURS = re.compile(r"ipython|tmp/tmp\w+\.json")


def in_words(name):
    for pattern, words in WORDS:
        if found := re.fullmatch(pattern, name):
            said = found.expand(words)
            return said if found.re.groups < 2 or found[2] else said.removesuffix("/NAME")
    return name


def table():
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| .*\|$", TABLE.read_text(), re.MULTILINE)
    return {name.strip("`"): mode for name, mode in rows if not name.startswith("`EXPORT`")}


def kind_and_mode(path):
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "a link"
    return "by its folder" if stat.S_ISSOCK(mode) else f"{stat.S_IMODE(mode):04o}"


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077], ids="{:03o}".format)
def test_what_is_made_has_the_modes_of_the_table(umask) -> None:
    """Defects 71 and 72: under umask 000 folders of journals and extensions were 0777."""
    with place() as here:
        folder = here.folder
        for name in ("tmp", "home", "xdg"):
            (folder / name).mkdir()
        webui_folder(folder, "a1111", "webui")
        before = set(folder.rglob("*"))
        environment = {
            **here.environment,
            "LIVEPATCH_STATE_DIR": str(folder / "state"),
            "TMPDIR": str(folder / "tmp"),
            "XDG_DATA_HOME": str(folder / "xdg"),
            "HOME": str(folder / "home"),
        }
        with subprocess.Popen(
            [sys.executable, str(HERE / "files_made.py"), str(folder)],
            env=environment,
            umask=umask,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert "made\n" in iter(process.stdout.readline, "")
            made = sorted(set(folder.rglob("*")) - before)
            ours = [p for p in made if not NOT_OURS.fullmatch(str(p.relative_to(folder)))]
            modes = [(in_words(str(p.relative_to(folder))), kind_and_mode(p), p) for p in ours]
            process.communicate("\n")
        assert process.returncode == 0
        exported = {mode for name, mode, _ in modes if name == "EXPORT"}
        assert exported == {f"{0o755 & ~umask:04o}", f"{0o644 & ~umask:04o}"}
        found = {(name, mode) for name, mode, _ in modes if name != "EXPORT"}
        assert found == set(table().items())
