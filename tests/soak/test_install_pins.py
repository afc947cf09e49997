"""What ``livepatch install`` says of a webui's pins, asked of a real pip with packages of its own.

Issue 16, defect 60: jupyter_client 8.10 needs typing_extensions 4.13, and SD.Next pins 4.12.2.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest
from install_support import webui_folder

from livepatch.reach.environment import our_requirements
from livepatch.reach.install import install

if TYPE_CHECKING:
    from pathlib import Path


def wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    """A package that has nothing in it but what it asks for."""
    stem = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}" for one in needs]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        about = f"{stem}.dist-info"
        archive.writestr(f"{name.replace('-', '_')}.py", "")
        archive.writestr(f"{about}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages that pip finds, and no others."""
    packages = tmp_path / "packages"
    packages.mkdir()
    wheel(packages, "typing-extensions", "4.12.2")
    wheel(packages, "typing-extensions", "4.16.0")
    wheel(packages, "jupyter-client", "8.10", "typing-extensions>=4.13")
    wheel(packages, "livepatch", "99.0", *(f"{r.name}{r.specifier}" for r in our_requirements()))
    for requirement in our_requirements():
        if requirement.name == "ipykernel":
            wheel(packages, "ipykernel", "7.9", "jupyter-client>=8.10")
        elif requirement.name != "jupyter-client":
            wheel(packages, requirement.name, "99.0")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return packages


def versions(python: Path) -> dict[str, str]:
    done = subprocess.run(
        [python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True
    )
    return dict(line.split("==") for line in done.stdout.split())


def typed(note: str) -> list[str]:
    """The command that a note names, as a shell would run it."""
    line = note.splitlines()[0]
    return shlex.split(line.partition(": ")[2].replace("livepatch[watch]", "livepatch"))


def test_the_command_keeps_what_the_webui_pins(index: Path, tmp_path: Path) -> None:
    folder = webui_folder(tmp_path, "sdnext")
    (folder / "requirements.txt").write_text("typing-extensions==4.12.2\n")
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", folder / "requirements.txt"], check=True)

    note = str(install(folder).note)
    changed = "that changes typing-extensions 4.12.2 to 4.16.0 "
    assert note.splitlines()[1] == changed + "(requirements.txt asks for ==4.12.2)"

    wheel(index, "jupyter-client", "8.8")
    wheel(index, "ipykernel", "7.2", "jupyter-client>=8.8")
    note = str(install(folder).note)
    assert note.splitlines()[1:] == [
        "(so that typing-extensions 4.12.2 stays, as the webui has it)"
    ]
    before = versions(python)
    subprocess.run(typed(note), check=True, capture_output=True)
    after = versions(python)
    assert {name: after[name] for name in before} == before
    assert after["jupyter-client"] == "8.8"
    assert subprocess.run([python, "-m", "pip", "check"], capture_output=True).returncode == 0

    subprocess.run([*pip, "-U", "jupyter-client"], check=True)
    note = str(install(folder).note)
    said = "typing-extensions 4.16.0 is installed there, requirements.txt asks for ==4.12.2: "
    assert note.startswith(said)
    subprocess.run(typed(note), check=True, capture_output=True)
    assert versions(python)["typing-extensions"] == "4.12.2"
    assert install(folder).note is None
