"""The machined parts of the sample images as signed distances: negative on metal, positive in the air.

Coordinates are the part's own: the outline fits the square -1..1, y grows downwards.
"""

from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator

HOLES = 4  # holes in the drawing of every part


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
    kinds = (_flange, _plate, _bracket, _strip)
    return kinds[rng.integers(len(kinds))](rng, x, y)


def drilled(part: Part, x: np.ndarray, y: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Return the distance of `part` after drilling `holes`."""
    distance = part.distance
    for hole_x, hole_y, radius in holes.tolist():
        distance = np.maximum(distance, radius - np.hypot(x - hole_x, y - hole_y))
    return distance


def _flange(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    radius, bore = np.hypot(x, y), rng.uniform(0.2, 0.32)
    ring, hole = (bore + 0.96) / 2, rng.uniform(0.13, 0.17)
    angles = np.arange(HOLES) * 2 * np.pi / HOLES + rng.choice((0.0, np.pi / 4))
    holes = np.stack([ring * np.cos(angles), ring * np.sin(angles), np.full(HOLES, hole)], axis=1)
    return Part(np.maximum(radius - 0.96, bore - radius), holes, None if rng.random() < 0.7 else 0.0)


def _plate(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    half_x, half_y = 0.86, rng.uniform(0.55, 0.76)
    distance = _rounded_box(x, y, half_x, half_y, rng.uniform(0.06, 0.22))
    inset, hole = rng.uniform(0.23, 0.28), rng.uniform(0.13, 0.17)
    corners = [(sx * (half_x - inset), sy * (half_y - inset), hole) for sx in (-1, 1) for sy in (-1, 1)]
    return Part(distance, np.array(corners), 0.0 if rng.random() < 0.7 else np.pi / 2)


def _bracket(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    width, hole = rng.uniform(0.3, 0.36), rng.uniform(0.13, 0.16)
    across = _rounded_box(x, y - (0.8 - width), 0.8, width, 0.1)
    upright = _rounded_box(x + (0.8 - width), y, width, 0.8, 0.1)
    centre, steps = 0.8 - width, (0.04, 0.54)
    holes = [(step, centre, hole) for step in steps] + [(-centre, -step, hole) for step in steps]
    return Part(np.minimum(across, upright), np.array(holes), rng.choice((0.0, np.pi / 2)))


def _strip(rng: Rng, x: np.ndarray, y: np.ndarray) -> Part:
    width, reach, hole = rng.uniform(0.34, 0.46), 0.95, rng.uniform(0.13, 0.16)
    distance = _rounded_box(x, y, reach, width, rng.choice((0.1, width)))
    holes = [(spot, 0.0, hole) for spot in np.linspace(-0.66, 0.66, HOLES)]
    return Part(distance, np.array(holes), 0.0)


def _rounded_box(x: np.ndarray, y: np.ndarray, half_x: float, half_y: float, radius: float) -> np.ndarray:
    """Return the signed distance to a box with rounded corners."""
    beyond_x, beyond_y = np.abs(x) - half_x + radius, np.abs(y) - half_y + radius
    outside = np.hypot(np.maximum(beyond_x, 0), np.maximum(beyond_y, 0))
    return outside + np.minimum(np.maximum(beyond_x, beyond_y), 0) - radius
