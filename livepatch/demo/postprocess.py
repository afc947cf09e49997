"""From the sampler's last latent to an image and to the bytes of a PNG file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from .sampler import Latent


def tone(latent: Latent) -> Latent:
    """A gentle curve: a little more contrast in the middle, values from 0 to 1."""
    light = np.clip(latent, 0, 1)
    return np.asarray(light + np.float32(0.12) * light * (1 - light) * (2 * light - 1), np.float32)


def to_image(latent: Latent) -> Image.Image:
    """The latent, float32 of shape (height, width, 3) around 0 to 1, as an 8-bit RGB image."""
    return Image.fromarray((tone(latent) * 255 + np.float32(0.5)).astype(np.uint8))


def encode_png(image: Image.Image, info: str) -> bytes:
    """The bytes of a PNG file whose text entry ``parameters`` says how it was made."""
    entries = PngInfo()
    entries.add_itxt("parameters", info)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=entries, compress_level=4)
    return buffer.getvalue()
