"""The quality check: blurred, dark, bright, overexposed, blank, odd and corrupt images.

Each kind of issue has a scoring function over the measurements of all images. Outliers are flagged, not low values as
such: a set of night images or X-rays is dark on purpose. So most kinds combine two criteria: the distance of an image
from its class and from the set, and its absolute value, so that in a very uniform set the lowest image is not flagged
for being the lowest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from visionft.analysis.check import CURATION_FOLDER, Check, CheckResult, Inputs, Issue
from visionft.analysis.quality_measures import MEASURES, ROW, VERSION, measure
from visionft.core.errors import ImageError
from visionft.core.messages import Message, load_message
from visionft.data.depth import FEW_LEVELS, FIRST_PLANE
from visionft.data.types import SnapshotImage
from visionft.features.row_store import RowStore, stored_rows

_BLUR_LIMIT: Final = 3.0  # robust standard deviations
_USUAL_SHARE: Final = 0.2  # of its class or of the set: not an outlier any more
_MAX_CLIPPED_SHARE: Final = 0.18  # of an image's pixels


_PRIOR_IMAGES: Final = 20  # images of a class with the same weight as the whole set in its typical value
_MAD: Final = 1.4826  # times the median absolute deviation: the standard deviation of a normal distribution
_STEPS: Final = 12


class Peers:
    """The classes of images, to compare each image with its own class."""

    def __init__(self, images: Sequence[SnapshotImage], class_names: Sequence[str]) -> None:
        """Use the first label of each image; images without one are a class of their own."""
        self._class_of = np.array([image.labels[0] if image.labels else -1 for image in images], np.int64)
        self._class_names = class_names

    def members(self) -> list[np.ndarray]:
        """Return the places of each class's images, without empty classes."""
        order = np.argsort(self._class_of, kind="stable")
        starts = np.flatnonzero(np.diff(self._class_of[order])) + 1
        return [places for places in np.split(order, starts) if len(places)]

    def name(self, place: int) -> str:
        index = int(self._class_of[place])
        return self._class_names[index] if index >= 0 else ""

    def low(self, values: np.ndarray, *, floor: float) -> np.ndarray:
        """Return (N,) distances below the typical value, in robust standard deviations; NaN as in `values` (N,).

        The lesser distance counts, in the class or in the set: a value typical of its class is no outlier, nor is one
        typical of the set. The typical value of a small class is shrunk towards the set's. `floor` is the least
        standard deviation, so that in a very uniform set a tiny difference is no outlier.
        """
        in_set = _usual(values)
        if in_set is None:
            return np.full(len(values), np.nan)
        lowest = _distance(values, *in_set, floor)
        for places in self.members():
            in_class = _usual(values[places])
            if in_class is not None:
                weight = len(places) / (len(places) + _PRIOR_IMAGES)
                centre, spread = (
                    weight * own + (1 - weight) * all_ for own, all_ in zip(in_class, in_set, strict=True)
                )
                lowest[places] = np.minimum(lowest[places], _distance(values[places], centre, spread, floor))
        return lowest

    def shares_below(self, values: np.ndarray) -> np.ndarray:
        """Return the (N,) share of its class's values below each value."""
        shares = np.zeros(len(values))
        for places in self.members():
            own = values[places]
            shares[places] = np.searchsorted(np.sort(own), own) / max(1, len(own) - 1)
        return shares

    def greater_share(self, is_so: np.ndarray) -> np.ndarray:
        """Return (N,) the share of other images with this property: in the class or in the set, the greater one."""
        others = max(1, len(is_so) - 1)
        shares = (is_so.sum() - is_so) / others
        for places in self.members():
            own = is_so[places]
            if len(places) > _PRIOR_IMAGES:
                shares[places] = np.maximum(shares[places], (own.sum() - own) / (len(places) - 1))
        return shares


def _usual(values: np.ndarray) -> tuple[float, float] | None:
    """Return the median and the robust standard deviation of the lower half; None without values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    centre = float(np.median(known))
    below = known[known <= centre]
    return centre, _MAD * float(np.median(centre - below))


def _distance(values: np.ndarray, centre: float, spread: float, floor: float) -> np.ndarray:
    return np.maximum(0.0, (centre - values) / max(spread, floor))


def from_distance(distance: np.ndarray, limit: float) -> np.ndarray:
    """Return a score: .5 at a distance of `limit` and 1 at twice that; NaN scores 0."""
    return np.nan_to_num(np.clip(distance / limit / 2, 0.0, 1.0), nan=0.0)


def ramp(values: np.ndarray, none: float, full: float) -> np.ndarray:
    """Return 0 at `none`, 1 at `full` and beyond, linear in between; NaN scores 0."""
    return np.nan_to_num(np.clip((values - none) / (full - none), 0.0, 1.0), nan=0.0)


def rarity(values: np.ndarray, *, step: float) -> np.ndarray:
    """Score the rarity of values (N,), 0 to 1; NaN scores 0.

    A value is common where 2 % of the others (at least one) are near it, at the centre or not: a set may hold upright
    and wide images. An outlier at a distance of `step` scores .5, at twice that 1.
    """
    known = np.isfinite(values)
    ordered = np.sort(values[known])
    scores = np.zeros(len(values))
    if len(ordered) < 3:
        return scores
    needed = max(1, int(0.02 * len(ordered)))
    for part in np.arange(1, _STEPS + 1) / _STEPS:
        near = part * 2 * step
        around = np.searchsorted(ordered, values + near, "right") - np.searchsorted(ordered, values - near, "left") - 1
        scores = np.where(known & (around < needed), part, scores)
    return scores


@dataclass(frozen=True)
class MeasuredImages:
    """Input of the scoring functions: (N,) rows of `measures.ROW`, and the classes of the images."""

    rows: np.ndarray
    peers: Peers

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a measure of all images: (N,) float64, NaN where it is not available."""
        return self.rows[name].astype(np.float64)


@dataclass(frozen=True)
class KindScores:
    """Scores (N,) of all images for one kind, 0 to 1, and the reason of the image at a place, with its numbers."""

    scores: np.ndarray
    reason: Callable[[int], str]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of quality issue; it suppresses the kinds that it hides, for an image with this one."""

    title: str
    score: Callable[[MeasuredImages], KindScores]
    hides: tuple[str, ...] = ()


def _corrupt(images: MeasuredImages) -> KindScores:
    painted = np.nan_to_num(images["painted"])
    reasons = images.rows["damage"]
    scores = np.where(reasons != b"", 1.0, np.where(painted > 0, np.maximum(0.6, ramp(painted, 0.0, 0.1)), 0.0))

    def reason(place: int) -> str:
        if text := bytes(reasons[place]).decode(errors="replace"):
            return Message("Corrupt: {reason}.", reason=load_message(text))
        return Message(
            "Damaged: {share} of the image is missing and filled with one colour.", share=f"{painted[place]:.0%}"
        )

    return KindScores(scores, reason)


def _partly_read(images: MeasuredImages) -> KindScores:
    """Score information lost by decoding."""
    planes, levels = np.nan_to_num(images["first_plane"]), np.nan_to_num(images["few_levels"])

    def reason(place: int) -> str:
        return Message("Partly decoded: {reason}.", reason=FIRST_PLANE if planes[place] else FEW_LEVELS)

    return KindScores(np.maximum(planes, levels), reason)


def _blur(images: MeasuredImages) -> KindScores:
    """Score blur.

    At the large scale either operator is sufficient: edges show strong defocus or motion, the finest detail shows the
    slightest blur. At the small scale, where only strong blur remains visible, both must agree.
    """
    peers = images.peers

    def soft(name: str, floor: float, sharp: float, blurred: float) -> np.ndarray:
        distance = peers.low(images[name], floor=floor)
        return np.minimum(from_distance(distance, _BLUR_LIMIT), ramp(images[name], sharp, blurred))

    edges, coarse_edges = (soft(name, 0.08, -0.5, -1.0) for name in ("edges_large", "edges_small"))
    fine, coarse_fine = (soft(name, 0.3, -3.2, -5.2) for name in ("fine_large", "fine_small"))
    scores = np.maximum(np.maximum(edges, fine), np.minimum(coarse_edges, coarse_fine))
    sharper_than = peers.shares_below(-scores)

    def reason(place: int) -> str:
        name = peers.name(place)
        others = f"“{name}”" if name else Message("unlabelled images")
        if not sharper_than[place]:
            return Message("Blurred: the least sharp of {what}.", what=others)
        return Message("Blurred: sharper than only {share} of {what}.", share=f"{sharper_than[place]:.1%}", what=others)

    return KindScores(scores, reason)


def _with_median(values: np.ndarray, scores: np.ndarray, message: Message) -> KindScores:
    """Return scores whose reason names an image's value (`share`) and the median (`usual`)."""
    known = values[np.isfinite(values)]
    usual = f"{np.median(known) if len(known) else 0.0:.0%}"
    return KindScores(scores, lambda place: Message(message, share=f"{values[place]:.0%}", usual=usual))


def _dark(images: MeasuredImages) -> KindScores:
    light = images["light"]
    distance = images.peers.low(np.log(light + 0.05), floor=0.12)
    scores = np.minimum(from_distance(distance, 3.5), ramp(light, 0.6, 0.4))
    return _with_median(light, scores, Message("Dark: 95 % of its pixels are below {share} of white (usual: {usual})."))


def _bright(images: MeasuredImages) -> KindScores:
    dark = images["dark"]
    distance = images.peers.low(np.log(1.05 - dark), floor=0.12)
    scores = np.minimum(from_distance(distance, 2.4), ramp(dark, 0.55, 0.75))
    return _with_median(
        dark, scores, Message("Bright: 95 % of its pixels are above {share} of white (usual: {usual}).")
    )


def _overexposed(images: MeasuredImages) -> KindScores:
    """Score clipped highlights: many pixels with a saturated channel, some of them white, unlike a vivid colour.

    White backgrounds are not flagged where they are common.
    """
    clipped = images["clipped"]
    share = images.peers.greater_share(clipped >= _MAX_CLIPPED_SHARE)
    distance = images.peers.low(-np.log(clipped + 0.02), floor=0.35)
    odd = np.minimum(from_distance(distance, 3.0), np.clip(1 - share / _USUAL_SHARE / 2, 0.0, 1.0))
    bad = np.minimum(ramp(clipped, 0.04, 2 * _MAX_CLIPPED_SHARE - 0.04), ramp(images["light"], 0.8, 0.95))
    message = Message("Overexposed: {share} of its pixels are clipped (usual: {usual}).")
    return _with_median(clipped, np.minimum(odd, bad), message)


def _low_information(images: MeasuredImages) -> KindScores:
    """Judge contrast and information: either may be too low."""
    span, entropy = images["white"] - images["black"], images["entropy"]
    faint = np.minimum(from_distance(images.peers.low(np.log(span + 0.02), floor=0.15), 2.8), ramp(span, 0.25, 0.13))
    poor = np.minimum(from_distance(images.peers.low(entropy, floor=0.25), 4.0), ramp(entropy, 4.5, 3.0))
    message = Message("Low information: contrast {share}, entropy {bits} of 8 bits.")
    return KindScores(
        np.maximum(faint, poor),
        lambda place: Message(message, share=f"{span[place]:.0%}", bits=f"{entropy[place]:.1f}"),
    )


def _rare(images: MeasuredImages, values: np.ndarray, step: float, message: Message) -> KindScores:
    """Score rare values; the reason names the size of an image."""
    width, height = images["width"], images["height"]
    scores = rarity(values, step=float(np.log(step)))
    return KindScores(scores, lambda place: Message(message, size=f"{width[place]:.0f} x {height[place]:.0f}"))


def _shape(images: MeasuredImages) -> KindScores:
    message = Message("Odd shape: {size} pixels; few others have this aspect ratio.")
    return _rare(images, np.log(images["width"] / images["height"]), 1.25, message)


def _size(images: MeasuredImages) -> KindScores:
    message = Message("Odd size: {size} pixels; few others are of this size.")
    return _rare(images, np.log(images["width"] * images["height"]) / 2, 2.0, message)


def _blank(images: MeasuredImages) -> KindScores:
    return KindScores(ramp(images["deviation"], 0.016, 0.004), lambda _: Message("Blank: a single colour."))


_OF_PIXELS: Final = ("blank", "blurred", "dark", "bright", "overexposed", "low_information")
KINDS: Final[dict[str, Kind]] = {
    "corrupt": Kind(title=Message("Corrupt"), score=_corrupt, hides=_OF_PIXELS),
    "partly_read": Kind(title=Message("Partly decoded"), score=_partly_read, hides=("dark", "low_information")),
    "blank": Kind(title=Message("Blank"), score=_blank, hides=_OF_PIXELS[1:]),
    "blurred": Kind(title=Message("Blurred"), score=_blur),
    "dark": Kind(title=Message("Dark"), score=_dark),
    "bright": Kind(title=Message("Bright"), score=_bright),
    "overexposed": Kind(title=Message("Overexposed"), score=_overexposed, hides=("bright",)),
    "low_information": Kind(title=Message("Low information"), score=_low_information),
    "shape": Kind(title=Message("Odd shape"), score=_shape),
    "size": Kind(title=Message("Odd size"), score=_size),
}


STAGE: Final = Message("Measuring the images")
THRESHOLD: Final = 0.5


class Quality(Check):
    """Find images with a quality issue."""

    name: ClassVar[str] = "quality"
    weight = 4.0
    title: ClassVar[str] = Message("Quality")
    summary: ClassVar[str] = Message(
        "Blurred, dark, overexposed, blank, odd or corrupt images: remove those that are useless for training."
    )

    kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)

    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Measure new images, and score all."""
        images, rows, reasons = measure_images(inputs)
        scores = score_images(MeasuredImages(rows, Peers(images, inputs.images.class_names)))
        issues = [
            Issue(
                image_id=images[place].image_id,
                sha256=images[place].sha256,
                score=round(float(found.scores[place]), 4),
                kind=kind,
                reason=found.reason(place),
                values={
                    name: round(float(rows[place][name]), 4) for name in MEASURES if np.isfinite(rows[place][name])
                },
            )
            for kind, found in scores.items()
            for place in np.flatnonzero(found.scores >= 0.25).tolist()  # lower scores are not stored
            for row in rows[[place]]
        ]
        return CheckResult(
            check=self.name,
            issues=tuple(sorted(issues, key=lambda each: (-each.score, each.image_id))),
            threshold=THRESHOLD,
            checked=len(images),
            unreadable=tuple(
                (each.image_id, reasons[each.sha256]) for each in inputs.images.images if each.sha256 in reasons
            ),
        )


def row_store(project_dir: Path) -> RowStore:
    return RowStore(project_dir / CURATION_FOLDER / f"measures-{VERSION}", ROW)


def measure_images(inputs: Inputs) -> tuple[list[SnapshotImage], np.ndarray, dict[str, str]]:
    """Return the measured images, their (N,) rows of `measures.ROW`, and {content: why it is not available now}.

    A corrupt file has a row. New images are measured, and stored as they come.
    """
    images, reading = inputs.images.images, inputs.images.image_reading

    def row_of(place: int) -> np.ndarray | str:
        try:
            return measure(images[place].path, images[place].sha256, reading)
        except ImageError as error:
            return error.message

    keys = [reading.content_key(image.sha256) for image in images]
    rows, exists, reasons = stored_rows(row_store(inputs.project_dir), keys, row_of, stage=STAGE, job=inputs.job)
    reasons = {image.sha256: reasons[key] for image, key in zip(images, keys, strict=True) if key in reasons}
    return [images[place] for place in np.flatnonzero(exists).tolist()], rows[exists], reasons


def score_images(images: MeasuredImages) -> dict[str, KindScores]:
    """Score images for every kind; a kind is suppressed where another one explains the image better."""
    found = {name: kind.score(images) for name, kind in KINDS.items()}
    for name, kind in KINDS.items():
        is_flagged = found[name].scores >= THRESHOLD
        for hidden in kind.hides:
            found[hidden].scores[is_flagged] = 0.0
    return found
