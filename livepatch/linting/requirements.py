"""The rule of requirements: LP105."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .findings import Finding
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the webuis pin themselves, in the form of PEP 503.
HOSTS = frozenset(
    {
        *("torch", "torchvision", "torchaudio", "torchsde", "xformers", "numpy", "gradio"),
        *("gradio-client", "fastapi", "starlette", "pydantic", "httpx", "httpcore", "pillow"),
        *("transformers", "diffusers", "accelerate", "safetensors", "tokenizers", "aiohttp"),
        *("huggingface-hub", "open-clip-torch", "pytorch-lightning", "lightning", "protobuf"),
        *("timm", "kornia", "einops", "omegaconf", "scikit-image", "websockets", "uvicorn"),
    }
)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)")
_OPTIONS = ("--upgrade", "-U", "--force-reinstall", "--pre")


def requirements(shown: str, text: str) -> Iterator[Finding]:
    """The findings in a ``requirements.txt``: a line names a package, then what is asked of it."""
    for number, line in enumerate(text.split("\n"), 1):
        bare = re.split(r"(?:^|\s)#", line)[0].strip()
        if not bare:
            continue
        if bare.split()[0] in _OPTIONS:
            yield _finding(
                shown, number, f"{bare.split()[0]} upgrades what the webui has installed"
            )
            continue
        match = _REQUIREMENT.match(bare)
        if match is None or bare.startswith("-"):
            continue
        name = re.sub(r"[-_.]+", "-", match.group(1)).lower()
        asked = match.group(2).partition(";")[0].strip()
        if name in HOSTS and asked:
            yield _finding(shown, number, f"{name} is the webui's own, and {asked} may change it")


def _finding(shown: str, line: int, message: str) -> Finding:
    return Finding(shown, line, "LP105", message, RULES["LP105"].fix)
