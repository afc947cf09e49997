"""Darkens the corners of every picture a little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from livepatch.demo import scripts

if TYPE_CHECKING:
    from livepatch.demo.processing import Processed, Processing

STRENGTH = 0.35


def darken_corners(image: Image.Image, strength: float) -> Image.Image:
    """A copy of the picture, darker by ``strength`` (0 to 1) towards its corners."""
    y, x = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j]
    shade = 1 - strength * np.clip((x * x + y * y - 0.5) / 1.5, 0, 1) ** 1.2
    pixels = np.asarray(image, dtype=np.float32) * shade[..., None].astype(np.float32)
    return Image.fromarray(pixels.astype(np.uint8))


class Vignette(scripts.Script):
    """Runs after every generation."""

    def title(self) -> str:
        """The name on the page."""
        return "Vignette"

    def process(self, p: Processing) -> None:
        """Note the strength among the parameters of the picture."""
        p.extra_generation_params["Vignette"] = STRENGTH

    def postprocess(self, p: Processing, result: Processed) -> None:
        """Darken the finished picture."""
        strength = p.extra_generation_params["Vignette"]
        result.image = darken_corners(result.image, strength)
