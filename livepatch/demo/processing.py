"""One generation from the request to the saved file."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import script_callbacks, shared
from .postprocess import encode_png, to_image
from .prompts import target_from_prompt
from .sampler import Latent, sample
from .script_callbacks import ImageSaveParams, StepParams
from .scripts import ScriptRunner

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

MAX_SEED = 2**32 - 1


@dataclass
class Processing:
    """What is asked for; scripts and callbacks get it as ``p``. A seed of -1 means any."""

    prompt: str
    steps: int = 20
    seed: int = -1
    width: int = 512
    height: int = 512
    scripts: ScriptRunner | None = None
    extra_generation_params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.steps, self.seed = int(self.steps), int(self.seed)
        self.width, self.height = int(self.width), int(self.height)
        if not 1 <= self.steps <= 150:
            raise ValueError(f"steps must be from 1 to 150, not {self.steps}")
        if not (64 <= self.width <= 1024 and 64 <= self.height <= 1024):
            raise ValueError(f"the size must be from 64 to 1024, not {self.width}x{self.height}")
        if self.seed > MAX_SEED:
            raise ValueError(f"the seed must be at most {MAX_SEED}, not {self.seed}")
        if self.seed < 0:
            self.seed = secrets.randbelow(MAX_SEED)


@dataclass
class Processed:
    """What came out: the image, how it was made, and where it was saved."""

    image: Image.Image
    info: str
    seed: int
    png: bytes = b""
    filename: Path | None = None


def generate(p: Processing) -> Processed:
    """Make the picture that ``p`` asks for and save it."""
    runner = p.scripts or shared.scripts_generate or ScriptRunner()
    runner.process(p)
    script_callbacks.before_generate_callback(p)

    def on_step(latent: Latent, step: int, steps: int) -> Latent:
        shared.state.step, shared.state.steps = step + 1, steps
        params = StepParams(p, latent, step, steps)
        runner.process_step(p, params)
        script_callbacks.step_callback(params)
        return params.latent

    target = target_from_prompt(p.prompt, p.seed, p.width, p.height)
    latent = sample(target, p.steps, p.seed, on_step)
    result = Processed(to_image(latent), create_infotext(p), p.seed)
    runner.postprocess(p, result)
    script_callbacks.after_generate_callback(p, result)
    result.png = encode_png(result.image, result.info)
    save_image(p, result)
    shared.state.generated += 1
    return result


def create_infotext(p: Processing) -> str:
    """The prompt, and on a second line the parameters."""
    parameters: dict[str, Any] = {
        "Steps": p.steps,
        "Seed": p.seed,
        "Size": f"{p.width}x{p.height}",
        **p.extra_generation_params,
    }
    return f"{p.prompt}\n" + ", ".join(f"{name}: {value}" for name, value in parameters.items())


def save_image(p: Processing, result: Processed) -> None:
    """Write the PNG into the output folder; its name tells the seed and the content."""
    if shared.output_dir is None:
        return
    shared.output_dir.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(result.png).hexdigest()[:8]
    result.filename = shared.output_dir / f"{p.seed}-{digest}.png"
    result.filename.write_bytes(result.png)
    script_callbacks.image_saved_callback(
        ImageSaveParams(result.image, p, result.filename, result.info)
    )
