"""The machined parts of the sample pictures as signed distances: negative on metal, positive in the air.

Coordinates are the part's own: the outline fits the square -1..1, y grows downwards.
"""

from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator


@dataclass(frozen=True)
class Part:
    """One part: `distance` to its outline without the drilled pattern, and the pattern as rows of (x, y, radius).

    `lay` is the direction the surface was worked in: an angle for brushed metal, None for turned (concentric) marks.
    """

    distance: np.ndarray
    holes: np.ndarray
    lay: float | None


def make_part(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    """Draw one part of a random kind; `x` and `y` are the coordinates of the pixels, (H, W) each."""
    kinds = (_flange, _plate, _bracket, _link)
    return kinds[rng.integers(len(kinds))](rng, x, y)


def drilled(part: Part, x: np.ndarray, y: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Return the distance of `part` after drilling `holes`."""
    distance = part.distance
    for hole_x, hole_y, radius in holes.tolist():
        distance = np.maximum(distance, radius - np.hypot(x - hole_x, y - hole_y))
    return distance


def _flange(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    radius = np.hypot(x, y)
    bore = rng.uniform(0.2, 0.42)
    count = int(rng.choice((4, 6)))
    ring = (bore + 0.96) / 2 + rng.uniform(-0.02, 0.03)
    hole = min(rng.uniform(0.1, 0.15), (0.9 - bore) / 4)
    angles = np.arange(count) * 2 * np.pi / count
    holes = np.stack([ring * np.cos(angles), ring * np.sin(angles), np.full(count, hole)], axis=1)
    return Part(np.maximum(radius - 0.96, bore - radius), holes, None if rng.random() < 0.7 else 0.0)


def _plate(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    half_x, half_y = 0.86, rng.uniform(0.55, 0.76)
    distance = _rounded_box(x, y, half_x, half_y, rng.uniform(0.06, 0.22))
    inset, hole = rng.uniform(0.2, 0.25), rng.uniform(0.1, 0.14)
    corners = [(sx * (half_x - inset), sy * (half_y - inset), hole) for sx in (-1, 1) for sy in (-1, 1)]
    if rng.random() < 0.5:
        distance = np.maximum(distance, -_rounded_box(x, y, rng.uniform(0.15, 0.4), 0.12, 0.12))
    return Part(distance, np.array(corners), 0.0 if rng.random() < 0.7 else np.pi / 2)


def _bracket(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    width = rng.uniform(0.28, 0.36)
    across = _rounded_box(x, y - (0.8 - width), 0.8, width, 0.1)
    upright = _rounded_box(x + (0.8 - width), y, width, 0.8, 0.1)
    centre, hole = 0.8 - width, rng.uniform(0.11, 0.15)
    holes = [(step, centre, hole) for step in (0.02, 0.54)] + [(-centre, -step, hole) for step in (0.02, 0.54)]
    return Part(np.minimum(across, upright), np.array(holes), rng.choice((0.0, np.pi / 2)))


def _link(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    width, reach = rng.uniform(0.42, 0.56), 0.95
    distance = _rounded_box(x, y, reach, width, width)
    hole = rng.uniform(0.16, 0.24)
    holes = [(spot * (reach - width), 0.0, hole) for spot in (-1, 1)]
    return Part(distance, np.array(holes), 0.0)


def _rounded_box(x: np.ndarray, y: np.ndarray, half_x: float, half_y: float, radius: float) -> np.ndarray:
    """Return the signed distance to a box with rounded corners."""
    beyond_x, beyond_y = np.abs(x) - half_x + radius, np.abs(y) - half_y + radius
    outside = np.hypot(np.maximum(beyond_x, 0), np.maximum(beyond_y, 0))
    return outside + np.minimum(np.maximum(beyond_x, beyond_y), 0) - radius
