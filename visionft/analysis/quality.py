"""The quality check: blurred, dark, bright, overexposed, blank, odd and corrupt images.

Each kind of issue has a scoring function over the measurements of all images. Outliers are flagged rather than low
values, because data sets of night images or X-rays are dark on purpose. Most kinds combine two criteria: the distance
of an image from its class and from the data set, and its absolute value, so that the lowest image of a very uniform set
is not flagged.
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
_COMMON_SHARE: Final = 0.2  # of a class or of the set: an image with a property this common is not an outlier
_MAX_CLIPPED_SHARE: Final = 0.18  # of an image's pixels


_PRIOR_IMAGES: Final = 20  # number of class images at which class and set have equal weight in the typical value
_MAD_TO_STANDARD_DEVIATION: Final = 1.4826  # factor from the median absolute deviation, for a normal distribution
_RARITY_STEPS: Final = 12


class Peers:
    """The classes of images, to compare each image with its own class."""

    def __init__(self, images: Sequence[SnapshotImage], class_names: Sequence[str]) -> None:
        """Use the first label of each image; unlabelled images form a class of their own."""
        self._class_of = np.array([image.labels[0] if image.labels else -1 for image in images], np.int64)
        self._class_names = class_names

    def members(self) -> list[np.ndarray]:
        """Return the image indices of each class that has images."""
        order = np.argsort(self._class_of, kind="stable")
        starts = np.flatnonzero(np.diff(self._class_of[order])) + 1
        return [indices for indices in np.split(order, starts) if len(indices)]

    def class_name(self, index: int) -> str:
        class_index = int(self._class_of[index])
        return self._class_names[class_index] if class_index >= 0 else ""

    def low(self, values: np.ndarray, *, floor: float) -> np.ndarray:
        """Return (N,) distances below the typical value, in robust standard deviations; NaN as in `values` (N,).

        The smaller of the distances from the class and from the set is used, so a value that is typical of either is no
        outlier. The typical value of a small class is shrunk towards the set's. `floor` is the smallest standard
        deviation, so that a tiny difference in a very uniform set is no outlier.
        """
        of_set = _median_and_spread(values)
        if of_set is None:
            return np.full(len(values), np.nan)
        distances = _distance(values, *of_set, floor)
        for indices in self.members():
            of_class = _median_and_spread(values[indices])
            if of_class is not None:
                weight = len(indices) / (len(indices) + _PRIOR_IMAGES)
                centre, spread = (
                    weight * in_class + (1 - weight) * in_set for in_class, in_set in zip(of_class, of_set, strict=True)
                )
                class_distances = _distance(values[indices], centre, spread, floor)
                distances[indices] = np.minimum(distances[indices], class_distances)
        return distances

    def shares_below(self, values: np.ndarray) -> np.ndarray:
        """Return for each value the share of values of the same class below it, (N,)."""
        shares = np.zeros(len(values))
        for indices in self.members():
            class_values = values[indices]
            shares[indices] = np.searchsorted(np.sort(class_values), class_values) / max(1, len(class_values) - 1)
        return shares

    def greater_share(self, has_property: np.ndarray) -> np.ndarray:
        """Return (N,) the share of other images with a property, in the class or in the set, whichever is greater."""
        others = max(1, len(has_property) - 1)
        shares = (has_property.sum() - has_property) / others
        for indices in self.members():
            in_class = has_property[indices]
            if len(indices) > _PRIOR_IMAGES:
                shares[indices] = np.maximum(shares[indices], (in_class.sum() - in_class) / (len(indices) - 1))
        return shares


def _median_and_spread(values: np.ndarray) -> tuple[float, float] | None:
    """Return the median and the robust standard deviation of the lower half, or None if no value is finite."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    centre = float(np.median(known))
    below = known[known <= centre]
    return centre, _MAD_TO_STANDARD_DEVIATION * float(np.median(centre - below))


def _distance(values: np.ndarray, centre: float, spread: float, floor: float) -> np.ndarray:
    return np.maximum(0.0, (centre - values) / max(spread, floor))


def from_distance(distance: np.ndarray, limit: float) -> np.ndarray:
    """Return a score of 0.5 at a distance of `limit`, and 1 from twice this distance; NaN scores 0."""
    return np.nan_to_num(np.clip(distance / limit / 2, 0.0, 1.0), nan=0.0)


def ramp(values: np.ndarray, none: float, full: float) -> np.ndarray:
    """Return 0 up to `none` and 1 from `full`, linear in between; NaN scores 0."""
    return np.nan_to_num(np.clip((values - none) / (full - none), 0.0, 1.0), nan=0.0)


def rarity(values: np.ndarray, *, step: float) -> np.ndarray:
    """Score the rarity of values (N,), 0 to 1; NaN scores 0.

    A value is common if 2 % of the others (at least one) are near it, even far from the centre, because a set may have
    upright and wide images. An outlier scores 0.5 at a distance of `step` and 1 at twice this distance.
    """
    known = np.isfinite(values)
    ordered = np.sort(values[known])
    scores = np.zeros(len(values))
    if len(ordered) < 3:
        return scores
    min_neighbours = max(1, int(0.02 * len(ordered)))
    for score in np.arange(1, _RARITY_STEPS + 1) / _RARITY_STEPS:
        radius = score * 2 * step
        ends = np.searchsorted(ordered, values + radius, "right")
        neighbours = ends - np.searchsorted(ordered, values - radius, "left") - 1
        scores = np.where(known & (neighbours < min_neighbours), score, scores)
    return scores


@dataclass(frozen=True)
class MeasuredImages:
    """Input of the scoring functions: (N,) rows of `measures.ROW`, and the classes of the images."""

    rows: np.ndarray
    peers: Peers

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a measure of all images, (N,) float64; NaN if not available."""
        return self.rows[name].astype(np.float64)


@dataclass(frozen=True)
class KindScores:
    """Scores (N,) of all images for one kind of issue, 0 to 1, and a function from an image index to the reason."""

    scores: np.ndarray
    reason: Callable[[int], str]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of quality issue; if an image has it, the kinds in `hides` are not reported for this image."""

    title: str
    score: Callable[[MeasuredImages], KindScores]
    hides: tuple[str, ...] = ()


def _corrupt(images: MeasuredImages) -> KindScores:
    painted = np.nan_to_num(images["painted"])
    reasons = images.rows["damage"]
    scores = np.where(reasons != b"", 1.0, np.where(painted > 0, np.maximum(0.6, ramp(painted, 0.0, 0.1)), 0.0))

    def reason(index: int) -> str:
        if text := bytes(reasons[index]).decode(errors="replace"):
            return Message("Corrupt: {reason}.", reason=load_message(text))
        return Message(
            "Damaged: {share} of the image is missing and filled with one colour.", share=f"{painted[index]:.0%}"
        )

    return KindScores(scores, reason)


def _partly_read(images: MeasuredImages) -> KindScores:
    """Score information lost by decoding."""
    planes, levels = np.nan_to_num(images["first_plane"]), np.nan_to_num(images["few_levels"])

    def reason(index: int) -> str:
        return Message("Partly decoded: {reason}.", reason=FIRST_PLANE if planes[index] else FEW_LEVELS)

    return KindScores(np.maximum(planes, levels), reason)


def _blur(images: MeasuredImages) -> KindScores:
    """Score blur.

    At the large scale either measure is sufficient: edges show strong defocus or motion blur, and the finest detail
    shows slight blur. At the small scale, where only strong blur remains visible, both measures must agree.
    """
    peers = images.peers

    def blur_scores(name: str, floor: float, sharp: float, blurred: float) -> np.ndarray:
        distance = peers.low(images[name], floor=floor)
        return np.minimum(from_distance(distance, _BLUR_LIMIT), ramp(images[name], sharp, blurred))

    edges, coarse_edges = (blur_scores(name, 0.08, -0.5, -1.0) for name in ("edges_large", "edges_small"))
    fine, coarse_fine = (blur_scores(name, 0.3, -3.2, -5.2) for name in ("fine_large", "fine_small"))
    scores = np.maximum(np.maximum(edges, fine), np.minimum(coarse_edges, coarse_fine))
    sharper_than = peers.shares_below(-scores)

    def reason(index: int) -> str:
        name = peers.class_name(index)
        others = f"“{name}”" if name else Message("unlabelled images")
        if not sharper_than[index]:
            return Message("Blurred: the least sharp of {what}.", what=others)
        return Message("Blurred: sharper than only {share} of {what}.", share=f"{sharper_than[index]:.1%}", what=others)

    return KindScores(scores, reason)


def _with_median(values: np.ndarray, scores: np.ndarray, message: Message) -> KindScores:
    """Return scores whose reason contains an image's value (`share`) and the median (`usual`)."""
    known = values[np.isfinite(values)]
    median = f"{np.median(known) if len(known) else 0.0:.0%}"
    return KindScores(scores, lambda index: Message(message, share=f"{values[index]:.0%}", usual=median))


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
    """Score clipped highlights: many pixels have a saturated channel and some are white, unlike in vivid colours.

    White backgrounds are not flagged if they are common.
    """
    clipped = images["clipped"]
    share = images.peers.greater_share(clipped >= _MAX_CLIPPED_SHARE)
    distance = images.peers.low(-np.log(clipped + 0.02), floor=0.35)
    relative = np.minimum(from_distance(distance, 3.0), np.clip(1 - share / _COMMON_SHARE / 2, 0.0, 1.0))
    absolute = np.minimum(ramp(clipped, 0.04, 2 * _MAX_CLIPPED_SHARE - 0.04), ramp(images["light"], 0.8, 0.95))
    message = Message("Overexposed: {share} of its pixels are clipped (usual: {usual}).")
    return _with_median(clipped, np.minimum(relative, absolute), message)


def _low_information(images: MeasuredImages) -> KindScores:
    """Score low contrast or low entropy."""
    contrast, entropy = images["white"] - images["black"], images["entropy"]
    contrast_distance = images.peers.low(np.log(contrast + 0.02), floor=0.15)
    low_contrast = np.minimum(from_distance(contrast_distance, 2.8), ramp(contrast, 0.25, 0.13))
    low_entropy = np.minimum(from_distance(images.peers.low(entropy, floor=0.25), 4.0), ramp(entropy, 4.5, 3.0))
    message = Message("Low information: contrast {share}, entropy {bits} of 8 bits.")
    return KindScores(
        np.maximum(low_contrast, low_entropy),
        lambda index: Message(message, share=f"{contrast[index]:.0%}", bits=f"{entropy[index]:.1f}"),
    )


def _rare(images: MeasuredImages, values: np.ndarray, step: float, message: Message) -> KindScores:
    """Score rare values; the reason contains the size of the image."""
    width, height = images["width"], images["height"]
    scores = rarity(values, step=float(np.log(step)))
    return KindScores(scores, lambda index: Message(message, size=f"{width[index]:.0f} x {height[index]:.0f}"))


def _shape(images: MeasuredImages) -> KindScores:
    message = Message("Odd shape: {size} pixels; few others have this aspect ratio.")
    return _rare(images, np.log(images["width"] / images["height"]), 1.25, message)


def _size(images: MeasuredImages) -> KindScores:
    message = Message("Odd size: {size} pixels; few others are of this size.")
    return _rare(images, np.log(images["width"] * images["height"]) / 2, 2.0, message)


def _blank(images: MeasuredImages) -> KindScores:
    return KindScores(ramp(images["deviation"], 0.016, 0.004), lambda _: Message("Blank: a single colour."))


_PIXEL_KINDS: Final = ("blank", "blurred", "dark", "bright", "overexposed", "low_information")
KINDS: Final[dict[str, Kind]] = {
    "corrupt": Kind(title=Message("Corrupt"), score=_corrupt, hides=_PIXEL_KINDS),
    "partly_read": Kind(title=Message("Partly decoded"), score=_partly_read, hides=("dark", "low_information")),
    "blank": Kind(title=Message("Blank"), score=_blank, hides=_PIXEL_KINDS[1:]),
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
_MIN_STORED_SCORE: Final = 0.25


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
        """Measure the images that were not measured before, then score all images."""
        images, rows, reasons = measure_images(inputs)
        scores = score_images(MeasuredImages(rows, Peers(images, inputs.images.class_names)))
        issues = [
            Issue(
                image_id=images[index].image_id,
                sha256=images[index].sha256,
                score=round(float(of_kind.scores[index]), 4),
                kind=kind,
                reason=of_kind.reason(index),
                values={
                    name: round(float(rows[index][name]), 4) for name in MEASURES if np.isfinite(rows[index][name])
                },
            )
            for kind, of_kind in scores.items()
            for index in np.flatnonzero(of_kind.scores >= _MIN_STORED_SCORE).tolist()
        ]
        return CheckResult(
            check=self.name,
            issues=tuple(sorted(issues, key=lambda issue: (-issue.score, issue.image_id))),
            threshold=THRESHOLD,
            checked=len(images),
            unreadable=tuple(
                (image.image_id, reasons[image.sha256]) for image in inputs.images.images if image.sha256 in reasons
            ),
        )


def row_store(project_dir: Path) -> RowStore:
    return RowStore(project_dir / CURATION_FOLDER / f"measures-{VERSION}", ROW)


def measure_images(inputs: Inputs) -> tuple[list[SnapshotImage], np.ndarray, dict[str, str]]:
    """Measure images without stored measurements, and return all measured images.

    Returns:
        The measured images, including corrupt files; their (N,) rows of `measures.ROW`; and {SHA-256: reason} of the
        files that are not available now.
    """
    images, reading = inputs.images.images, inputs.images.image_reading

    def row_of(index: int) -> np.ndarray | str:
        try:
            return measure(images[index].path, images[index].sha256, reading)
        except ImageError as error:
            return error.message

    keys = [reading.content_key(image.sha256) for image in images]
    rows, exists, reasons = stored_rows(row_store(inputs.project_dir), keys, row_of, stage=STAGE, job=inputs.job)
    reasons = {image.sha256: reasons[key] for image, key in zip(images, keys, strict=True) if key in reasons}
    return [images[index] for index in np.flatnonzero(exists).tolist()], rows[exists], reasons


def score_images(images: MeasuredImages) -> dict[str, KindScores]:
    """Score images for every kind of issue; a kind that hides other kinds sets their scores to 0."""
    scores = {name: kind.score(images) for name, kind in KINDS.items()}
    for name, kind in KINDS.items():
        is_flagged = scores[name].scores >= THRESHOLD
        for hidden in kind.hides:
            scores[hidden].scores[is_flagged] = 0.0
    return scores
