"""Heat maps as arrays: an explanation, its deletion test, and its overlay on an image. NumPy only.

The deletion test (Petsiuk et al. 2018, arXiv:1806.07421) covers the regions of an image in the map's order of
importance, most important first, and records the probability of the class. With a faithful map the probability falls
sooner than with regions covered in random order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.core.messages import Message
from visionft.data.preprocess import Box

MERGED_MAP_CELLS = 28  # per side of a map merged from several; maps of common networks have 4 to 16
DELETION_CELLS = 8  # per side of the grid for the deletion test
COVERED_SHARES = (0.0, 0.03, 0.0625, 0.125, 0.25, 0.5, 0.75, 1.0)
RANDOM_ORDERS = 12
MIN_ORDERS_BEATEN = 11  # a random map beats 11 of 12 orders in 2 of 13 cases, but rarely also by MIN_GAIN
MIN_GAIN = 0.05  # in probability; a smaller difference between the map and chance is not noticeable
_COLOUR_STOPS = np.array([[49, 54, 149], [69, 173, 190], [250, 230, 110], [240, 120, 50], [190, 20, 40]], float)
_MAX_ALPHA = 0.72
_PIXEL = Box(0, 0, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationRequest:
    """An image and the class to explain; None explains the predicted class."""

    image_id: int
    path: Path
    class_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The heat map of one image and the result of its deletion test.

    Attributes:
        probability: Probability of the class, calibrated by the run's evaluation; uncalibrated without one.
        size: (height, width) of the image in pixels.
        box: The part of the image that the network sees.
        heat: (rows, columns) float32 in 0..1 over `box`; all 0 without evidence for the class.
        deletion: Area under the probability while the marked regions are covered; lower is better.
        random_deletion: `deletion` of each random order.
        error: Reason why the image is unreadable; the other fields are then empty.
    """

    image_id: int
    path: Path
    class_name: str = ""
    probability: float = 0.0
    method: str = ""
    size: tuple[int, int] = (1, 1)
    box: Box = _PIXEL
    heat: np.ndarray
    deletion: float = 0.0
    random_deletion: tuple[float, ...] = ()
    error: str = ""

    @property
    def gain(self) -> float:
        """Return the mean score of the random orders minus the score of the map, in probability."""
        return float(np.mean(self.random_deletion)) - self.deletion if self.random_deletion else 0.0

    @property
    def beaten(self) -> int:
        """Return the number of random orders with a worse score than the map's order."""
        return sum(self.deletion < each for each in self.random_deletion)

    @property
    def is_reliable(self) -> bool:
        """Return whether covering the marked regions lowers the probability more than covering random regions."""
        return not self.error and self.beaten >= MIN_ORDERS_BEATEN and self.gain >= MIN_GAIN

    @property
    def verdict(self) -> str:
        if self.error:
            return Message("This image cannot be read: {error}", error=self.error)
        if not self.heat.any():
            return Message("Not reliable: there is no evidence for this class in the image.")
        if self.is_reliable:
            words = "Reliable: covering the marked regions lowers “{name}” more than {n} of {total} random orders."
        else:
            words = (
                "Not reliable: covering the marked regions lowers “{name}” hardly more than covering others ({n} of "
                "{total} random orders)."
            )
        return Message(words, name=self.class_name, n=self.beaten, total=len(self.random_deletion))


def normalised(heat: np.ndarray) -> np.ndarray:
    """Return (H, W) heat scaled to 0..1 float32; negative and non-finite values count as 0."""
    heat = np.nan_to_num(np.maximum(heat, 0).astype(np.float32), posinf=0)
    return heat / heat.max() if heat.max() > 0 else heat


def resized(heat: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return (H, W) heat bilinearly interpolated to (rows, columns), cell centres aligned."""
    for axis, wanted in ((0, rows), (1, columns)):
        size = heat.shape[axis]
        position = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
        low = np.floor(position).astype(int)
        weight = (position - low).astype(np.float32)
        weight = weight[:, None] if axis == 0 else weight
        heat = heat.take(low, axis) * (1 - weight) + heat.take(np.minimum(low + 1, size - 1), axis) * weight
    return heat


def bounding_box(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that contains all boxes."""
    top, left = min(box.top for box in boxes), min(box.left for box in boxes)
    bottom = max(box.top + box.height for box in boxes)
    return Box(top, left, bottom - top, max(box.left + box.width for box in boxes) - left)


def summed_maps(maps: Sequence[np.ndarray], boxes: Sequence[Box]) -> np.ndarray:
    """Return the sum of heat maps, each over its own box, as a square of `MERGED_MAP_CELLS` over the bounding box."""
    outer = bounding_box(boxes)
    total = np.zeros((MERGED_MAP_CELLS, MERGED_MAP_CELLS), np.float32)
    for heat, box in zip(maps, boxes, strict=True):
        rows, columns = (
            max(1, round(MERGED_MAP_CELLS * box.height / outer.height)),
            max(1, round(MERGED_MAP_CELLS * box.width / outer.width)),
        )
        top = min(MERGED_MAP_CELLS - rows, round(MERGED_MAP_CELLS * (box.top - outer.top) / outer.height))
        left = min(MERGED_MAP_CELLS - columns, round(MERGED_MAP_CELLS * (box.left - outer.left) / outer.width))
        total[top : top + rows, left : left + columns] += resized(heat, rows, columns)
    return total


def covering_orders(heat: np.ndarray, *, seed: int) -> Iterator[np.ndarray]:
    """Yield (DELETION_CELLS, DELETION_CELLS) ranks, 0 covered first: the map's, then `RANDOM_ORDERS` random ones."""
    random = np.random.default_rng(seed)
    values = resized(heat, DELETION_CELLS, DELETION_CELLS)
    # Cells with equal values are shuffled; otherwise a flat map would be covered from the top left.
    orders = [np.lexsort((random.random(DELETION_CELLS * DELETION_CELLS), -values.ravel()))]
    orders += [random.permutation(DELETION_CELLS * DELETION_CELLS) for _ in range(RANDOM_ORDERS)]
    for order in orders:
        yield order.argsort().reshape(DELETION_CELLS, DELETION_CELLS)


def covers(ranks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (steps, height, width) float32: the opacity of the fill at each pixel, at the inner `COVERED_SHARES`.

    The uncovered and the fully covered image are left out: they are the same for all orders. Cells have soft borders,
    because a network may react to the shape of hard squares.
    """
    counts = [round(share * DELETION_CELLS * DELETION_CELLS) for share in COVERED_SHARES[1:-1]]
    return np.stack([resized((ranks < count).astype(np.float32), height, width) for count in counts])


def deletion_score(probabilities: np.ndarray) -> float:
    """Return the area under (steps,) probabilities over `COVERED_SHARES`, between 0 and 1."""
    return float(np.trapezoid(probabilities, COVERED_SHARES))


def heat_pixels(heat: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (height, width, 4) uint8 RGBA from transparent blue to opaque red."""
    values = np.clip(resized(heat, height, width), 0, 1)
    places = np.linspace(0, 1, len(_COLOUR_STOPS))
    colour = [np.interp(values, places, _COLOUR_STOPS[:, channel]) for channel in range(3)]
    alpha = 255 * _MAX_ALPHA * np.sqrt(values)
    return np.stack([*colour, alpha], axis=-1).round().astype(np.uint8)
