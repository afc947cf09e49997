"""Paints a scene: sky, light, ridges, water, and what the prompt put there.

Coordinates: x from 0 (left) to 1 (right), y from 0 (top) to 1 (bottom).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .sampler import Latent


@dataclass(frozen=True)
class Scene:
    """What to paint: colours by name, the features, and the seed that places them."""

    colours: dict[str, Latent]
    features: frozenset[str]
    seed: int


class Canvas:
    """The pixels and their coordinates."""

    def __init__(self, pixels: Latent, x: Latent, y: Latent, aspect: float, pixel: float) -> None:
        self.pixels = pixels
        self.x = x
        self.y = y
        self.aspect = aspect
        self.pixel = pixel

    @classmethod
    def blank(cls, width: int, height: int) -> Canvas:
        """A black canvas."""
        x: Latent = ((np.arange(width) + 0.5) / width).astype(np.float32)[None, :]
        y: Latent = ((np.arange(height) + 0.5) / height).astype(np.float32)[:, None]
        pixels = np.zeros((height, width, 3), np.float32)
        return cls(pixels, x, y, width / height, 1 / height)

    def window(self, left: float, top: float, right: float, bottom: float) -> Canvas:
        """The part of the canvas between the given edges; painting on it paints on the whole."""
        height, width = self.pixels.shape[:2]
        columns = slice(max(0, int(left * width) - 2), max(0, int(right * width) + 3))
        rows = slice(max(0, int(top * height) - 2), max(0, int(bottom * height) + 3))
        part = self.pixels[rows, columns]
        return Canvas(part, self.x[:, columns], self.y[rows], self.aspect, self.pixel)

    def blend(self, colour: Latent, cover: Latent) -> None:
        """Lay a colour over the picture where ``cover`` is above 0."""
        self.pixels += (colour - self.pixels) * cover[..., None]

    def within(self, distance: Latent) -> Latent:
        """A cover with smooth edges: 1 where the distance is negative, 0 where it is positive."""
        return np.asarray(np.clip(0.5 - distance / (1.5 * self.pixel), 0, 1), np.float32)

    def from_point(self, x: float, y: float) -> Latent:
        """The distance of every pixel from a point, as a part of the height."""
        return np.asarray(np.hypot((self.x - x) * self.aspect, self.y - y), np.float32)


def paint(scene: Scene, width: int, height: int) -> Latent:
    """The whole scene, back to front, as float32 of shape (height, width, 3)."""
    random = np.random.default_rng(scene.seed)
    canvas = Canvas.blank(width, height)
    horizon = float(random.uniform(0.58, 0.7))
    light = (float(random.uniform(0.25, 0.75)), float(random.uniform(0.2, 0.42)))
    paint_sky(canvas, scene, horizon)
    if "stars" in scene.features:
        paint_stars(canvas, random, horizon)
    if "waves" in scene.features:
        paint_veils(canvas, scene, random)
    paint_light(canvas, scene, light, random)
    paint_ridges(canvas, scene, random, horizon)
    if "towers" in scene.features:
        paint_towers(canvas, scene, random, horizon)
    if "water" in scene.features:
        paint_water(canvas, scene, random, horizon + 0.08, light[0])
    paint_ground(canvas, scene, random)
    return np.clip(canvas.pixels, 0, 1)


def paint_sky(canvas: Canvas, scene: Scene, horizon: float) -> None:
    """From the zenith's colour down to the horizon's."""
    depth = np.clip(canvas.y / horizon, 0, 1)[..., None] ** np.float32(1.3)
    sky = scene.colours["zenith"] * (1 - depth) + scene.colours["horizon"] * depth
    canvas.pixels[:] = sky


def paint_stars(canvas: Canvas, random: np.random.Generator, horizon: float) -> None:
    """Some hundred points of differing brightness above the horizon."""
    height, width = canvas.pixels.shape[:2]
    count = 220
    rows = (random.random(count) ** 1.4 * horizon * height).astype(int)
    columns = (random.random(count) * width).astype(int)
    brightness = (random.random(count) ** 3).astype(np.float32)[:, None]
    canvas.pixels[rows, columns] = canvas.pixels[rows, columns] * (1 - brightness) + brightness


def paint_veils(canvas: Canvas, scene: Scene, random: np.random.Generator) -> None:
    """Curtains of coloured light, like wind or an aurora."""
    for index in range(3):
        line = 0.16 + 0.1 * index + 0.05 * wave(canvas.x, random, octaves=3)
        above = canvas.y - line
        veil = np.exp(-np.clip(-above, 0, 1) * 9) * np.exp(-np.clip(above, 0, 1) * 42)
        canvas.blend(scene.colours["accent"], np.asarray(veil * 0.5, np.float32))


def paint_light(
    canvas: Canvas, scene: Scene, place: tuple[float, float], random: np.random.Generator
) -> None:
    """The sun or moon with its glow; a cogwheel where the prompt speaks of machines."""
    distance = canvas.from_point(*place)
    radius = float(random.uniform(0.075, 0.115))
    canvas.blend(scene.colours["light"], np.exp(-distance * 5.5) * np.float32(0.75))
    edge = distance - np.float32(radius)
    if "wheel" in scene.features:
        angle = np.arctan2(canvas.y - place[1], (canvas.x - place[0]) * canvas.aspect)
        teeth = np.clip(np.cos(angle * 14) * 3, -1, 1) * 0.12 * radius
        hub = np.abs(distance - 0.42 * radius) - 0.1 * radius
        edge = np.maximum(distance - np.float32(radius) - teeth, -hub).astype(np.float32)
    canvas.blend(scene.colours["light"], canvas.within(edge))


def paint_ridges(canvas: Canvas, scene: Scene, random: np.random.Generator, horizon: float) -> None:
    """Chains of hills, one behind the other, with mist at their feet."""
    count = 5
    for index in range(count):
        nearness = index / (count - 1)
        base = horizon - 0.1 + 0.3 * nearness**1.4
        line = base + (0.085 - 0.045 * nearness) * wave(canvas.x, random, octaves=6)
        near = np.float32(nearness**0.8)
        colour = scene.colours["far"] * (1 - near) + scene.colours["near"] * near
        mist = np.clip((canvas.y - line) * 5, 0, 1)[..., None] * np.float32(0.45 * (1 - nearness))
        shade = colour * (1 - mist) + scene.colours["horizon"] * mist
        canvas.blend(shade, canvas.within(line - canvas.y))


def paint_towers(canvas: Canvas, scene: Scene, random: np.random.Generator, horizon: float) -> None:
    """A skyline with some lit windows."""
    wall = scene.colours["near"] * np.float32(0.55) + scene.colours["far"] * np.float32(0.3)
    left = float(random.uniform(0.0, 0.05))
    while left < 0.97:
        width = float(random.uniform(0.035, 0.085))
        top = horizon - float(random.uniform(0.02, 0.3)) * (1 - abs(left - 0.5))
        part = canvas.window(left, top, left + width, horizon + 0.16)
        body = np.maximum(np.abs(part.x - left - width / 2) - width / 2, top - part.y)
        body = np.maximum(body, part.y - (horizon + 0.16))
        part.blend(wall * np.float32(random.uniform(0.8, 1.15)), part.within(body))
        paint_windows(canvas, scene, random, (left, top, width, horizon + 0.1))
        left += width + float(random.uniform(-0.005, 0.03))


def paint_windows(
    canvas: Canvas,
    scene: Scene,
    random: np.random.Generator,
    box: tuple[float, float, float, float],
) -> None:
    """Lit windows in the box (left, top, width, bottom)."""
    left, top, width, bottom = box
    height, columns = canvas.pixels.shape[:2]
    size = max(1, height // 180)
    for y in np.arange(top + 0.02, bottom, 0.022):
        for x in np.arange(left + 0.009, left + width - 0.01, 0.015):
            if random.random() < 0.4:
                row, column = int(y * height), int(x * columns)
                spot = canvas.pixels[row : row + 2 * size, column : column + size]
                spot += (scene.colours["light"] - spot) * np.float32(0.8)


def paint_water(
    canvas: Canvas, scene: Scene, random: np.random.Generator, shore: float, light_x: float
) -> None:
    """A mirror of what lies above the shore, broken by waves, with the light's path on it."""
    height, width = canvas.pixels.shape[:2]
    first = int(shore * height)
    depth = np.arange(height - first, dtype=np.float32) / height
    rows = np.clip(first - 1 - (depth * height * 1.1).astype(int), 0, height - 1)
    ripple = np.sin(depth**0.6 * 150 + random.uniform(0, 6)) * depth * width * 0.1
    shift = ripple[:, None] + np.sin(canvas.x * 40 + depth[:, None] * 90) * depth[:, None] * 14
    columns = np.clip(np.arange(width)[None, :] + shift.astype(int), 0, width - 1)
    mirror = canvas.pixels[rows[:, None], columns]
    tint = scene.colours["zenith"] * np.float32(0.5) + scene.colours["far"] * np.float32(0.25)
    water = mirror * np.float32(0.68) + tint * np.float32(0.32)
    breadth = 0.035 + depth[:, None] * 0.35
    path = np.exp(-(((canvas.x - light_x) / breadth) ** 2))
    glitter = path * np.clip(np.sin(depth[:, None] ** 0.6 * 300 + shift), 0, 1) * 0.75
    water += (scene.colours["light"] - water) * glitter[..., None].astype(np.float32)
    canvas.pixels[first:] = water


def paint_ground(canvas: Canvas, scene: Scene, random: np.random.Generator) -> None:
    """Trees and flowers in front of everything."""
    if "trees" in scene.features:
        for _ in range(16):
            foot = (float(random.uniform(-0.02, 1.02)), float(random.uniform(0.86, 1.04)))
            paint_tree(canvas, scene, foot, float(random.uniform(0.2, 0.42)))
    if "flowers" in scene.features:
        line = 0.87 + 0.03 * wave(canvas.x, random, octaves=4)
        meadow = scene.colours["near"] * np.float32(0.75) + np.array([0, 0.1, 0.03], np.float32)
        canvas.blend(meadow, canvas.within(line - canvas.y))
        for y in np.sort(random.uniform(0.82, 0.99, 70)):
            paint_flower(canvas, scene, random, (float(random.random()), float(y)))


def paint_tree(canvas: Canvas, scene: Scene, foot: tuple[float, float], size: float) -> None:
    """A fir: tiers that widen downwards."""
    x, y = foot
    reach = size * 0.25 / canvas.aspect
    part = canvas.window(x - reach, y - size, x + reach, y)
    down = (part.y - (y - size)) / size
    tier = down * 0.7 + 0.3 * ((down * 5) % 1) * down
    half = np.clip(tier, 0, 1) * size * 0.23
    outline = np.maximum(np.abs(part.x - x) * part.aspect - half, part.y - y)
    outline = np.maximum(outline, (y - size) - part.y)
    shade = scene.colours["near"] * np.float32(0.6 + 0.9 * (0.42 - size))
    part.blend(shade, part.within(outline))


def paint_flower(
    canvas: Canvas, scene: Scene, random: np.random.Generator, head: tuple[float, float]
) -> None:
    """A stem and a head of petals, larger the nearer it is."""
    x, y = head
    size = 0.006 + 0.018 * (y - 0.8) / 0.2
    reach = size / canvas.aspect
    stalk = canvas.window(x - reach, y, x + reach, y + size * 7)
    stem = np.maximum(np.abs(stalk.x - x) * stalk.aspect - size * 0.12, y - stalk.y)
    stem = np.maximum(stem, stalk.y - (y + size * 7))
    stalk.blend(np.array([0.16, 0.42, 0.24], np.float32), stalk.within(stem))
    part = canvas.window(x - reach, y - size, x + reach, y + size)
    distance = part.from_point(x, y)
    angle = np.arctan2(part.y - y, (part.x - x) * part.aspect)
    petals = distance - size * (0.75 + 0.25 * np.cos(angle * 5 + random.uniform(0, 6)))
    light = np.float32(random.uniform(0, 0.55))
    colour = scene.colours["accent"] * (1 - light) + scene.colours["light"] * light
    part.blend(colour, part.within(petals.astype(np.float32)))
    part.blend(scene.colours["light"], part.within(distance - np.float32(size * 0.28)))


def wave(x: Latent, random: np.random.Generator, *, octaves: int) -> Latent:
    """A smooth random line over x, about -1 to 1: sines of doubling frequency."""
    line = np.zeros_like(x)
    for octave in range(octaves):
        frequency = 2.0**octave * random.uniform(0.8, 1.3)
        line = line + np.sin(x * 6.283 * frequency + random.uniform(0, 6.283)) / 1.85**octave
    return np.asarray(line / 2, np.float32)
