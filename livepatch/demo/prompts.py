"""Reads a prompt: its words choose the light, the land and what stands in it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .scenery import Scene, paint

if TYPE_CHECKING:
    from .sampler import Latent


@dataclass(frozen=True)
class Palette:
    """Six colours, each (red, green, blue) from 0 to 255."""

    zenith: tuple[int, int, int]
    horizon: tuple[int, int, int]
    light: tuple[int, int, int]
    far: tuple[int, int, int]
    near: tuple[int, int, int]
    accent: tuple[int, int, int]


PALETTES = {
    "dawn": Palette(
        (58, 70, 130),
        (250, 178, 148),
        (255, 232, 190),
        (150, 120, 160),
        (40, 42, 70),
        (244, 114, 128),
    ),
    "day": Palette(
        (64, 136, 208),
        (206, 232, 240),
        (255, 250, 224),
        (130, 172, 190),
        (36, 92, 84),
        (250, 196, 76),
    ),
    "dusk": Palette(
        (36, 28, 84), (244, 124, 92), (255, 210, 140), (132, 72, 118), (24, 18, 46), (255, 160, 92)
    ),
    "night": Palette(
        (8, 12, 36), (44, 64, 116), (230, 236, 255), (34, 50, 92), (6, 10, 24), (126, 214, 223)
    ),
    "forest": Palette(
        (110, 168, 166),
        (226, 236, 200),
        (255, 252, 222),
        (104, 150, 128),
        (18, 56, 46),
        (206, 92, 92),
    ),
    "desert": Palette(
        (92, 142, 190),
        (250, 216, 166),
        (255, 240, 204),
        (218, 150, 104),
        (128, 60, 44),
        (96, 150, 120),
    ),
    "ice": Palette(
        (70, 108, 158),
        (222, 238, 248),
        (255, 255, 250),
        (158, 190, 216),
        (48, 84, 124),
        (132, 222, 212),
    ),
}

LIGHT_WORDS = {
    "dawn": "dawn morning sunrise spring rose pink early",
    "day": "day noon summer blue clear bright sunny",
    "dusk": "dusk evening sunset autumn red orange golden fire",
    "night": "night midnight moon moonlight stars dark dream neon",
    "forest": "forest green wood woods jungle moss tree trees",
    "desert": "desert sand dune dunes canyon mars dry",
    "ice": "ice snow winter frost glacier cold arctic",
}

FEATURE_WORDS = {
    "water": "sea lake river water ocean harbour harbor bay pond rain island shore",
    "flowers": "garden gardens flower flowers meadow rose roses tulips poppies bloom greenhouse",
    "trees": "forest tree trees wood woods pine pines jungle orchard park",
    "towers": "city town tower towers castle factory skyline robot robots machines neon",
    "wheel": "machine machines gear gears clock clockwork robot robots engine mechanical",
    "stars": "night midnight stars star moonlight galaxy space dream",
    "waves": "wind waves storm abstract music aurora dream magic",
}


def words_of(prompt: str) -> list[str]:
    """The words of a prompt, in lower case."""
    return re.findall(r"[a-z]+", prompt.lower())


def prompt_seed(prompt: str, seed: int) -> int:
    """A number that depends on every character of the prompt and on the seed."""
    digest = hashlib.sha256(f"{seed}|{' '.join(words_of(prompt))}|{prompt}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def choose_palette(words: list[str]) -> str:
    """The name of the light the words ask for; without a hint, one that the words decide."""
    for word in words:
        for name, hints in LIGHT_WORDS.items():
            if word in hints.split():
                return name
    names = sorted(PALETTES)
    return names[hashlib.sha256(" ".join(words).encode()).digest()[0] % len(names)]


def choose_features(words: list[str]) -> frozenset[str]:
    """What stands in the picture."""
    return frozenset(
        name for name, hints in FEATURE_WORDS.items() if not set(words).isdisjoint(hints.split())
    )


def read_prompt(prompt: str, seed: int) -> Scene:
    """The scene a prompt describes; the seed places its parts."""
    words = words_of(prompt)
    palette = PALETTES[choose_palette(words)]
    colours = {
        name: np.array(value, np.float32) / np.float32(255) for name, value in vars(palette).items()
    }
    return Scene(colours=colours, features=choose_features(words), seed=prompt_seed(prompt, seed))


def target_from_prompt(prompt: str, seed: int, width: int, height: int) -> Latent:
    """What the sampler works towards.

    Args:
        prompt: any text.
        seed: places the parts of the scene.
        width: in pixels.
        height: in pixels.

    Returns:
        A float32 array of shape (height, width, 3), values from 0 to 1.

    """
    return paint(read_prompt(prompt, seed), width, height)
