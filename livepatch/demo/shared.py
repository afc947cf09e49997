"""What the parts of the webui share: the options of this run, the app, the page and the state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import gradio
    from fastapi import FastAPI

    from .scripts import ScriptRunner


@dataclass
class Options:
    """The command line of this run."""

    host: str = "127.0.0.1"
    port: int = 7865
    output_dir: Path | None = None
    extensions_dir: Path | None = None
    disabled_extensions: frozenset[str] = frozenset()


@dataclass
class State:
    """What the webui is doing; the page and ``/api/health`` show it."""

    job: str = ""
    step: int = 0
    steps: int = 0
    generated: int = 0
    status: str = "starting"
    problems: list[str] = field(default_factory=list)


cmd_opts: Options | None = None
app: FastAPI | None = None
demo: gradio.Blocks | None = None
scripts_generate: ScriptRunner | None = None
output_dir: Path | None = None
state = State()
