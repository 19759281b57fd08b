"""Image registration of a candidate pair, and the similarity of the overlap.

Both images are converted to grey and band-passed, which removes brightness, slow shadows and JPEG noise. Template
matching over scales locates one in the other, in both directions. The best alignments are refined to an affine
transform from coarse to fine (ECC: Evangelidis and Psarakis, Parametric Image Alignment Using Enhanced Correlation
Coefficient Maximization, PAMI 2008). The score is the correlation over the overlap after normalising the local
contrast; otherwise the outlines of two different bottles would make them duplicates.

Independent of files and projects.

On TrashNet, 210 pairs with a plain correlation of at least 0.9 are no duplicates, and 57 pairs with normalised
contrast. Template matching at 32 pixels saves four of five registrations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import cv2
import numpy as np

SIDE: Final = 160  # pixels of the longer side for registration
COARSE_SIDE: Final = 32  # pixels of the longer side for template matching
MIN_COARSE_CORRELATION: Final = 0.75  # planted copies have 0.86 or more; one in a hundred unrelated pairs reaches it
_PREFILTER_CORRELATION: Final = 0.65  # lower, because the best scale may be one step away
_MAX_CORRELATION: Final = 1.01  # without contrast, rounding errors give larger values
MIRRORED, FLIPPED, TRANSPOSED = 1, 2, 4  # bits of an orientation: applied in the order transposed, mirrored, flipped

_MIDDLE_SIDE = 80
_BAND_SIGMAS: Final = {SIDE: (1.5, 12.0), _MIDDLE_SIDE: (1.0, 6.0), COARSE_SIDE: (0.8, 5.0)}  # pixels, by side
_SCALES: Final = tuple(1.035**-step for step in range(9))  # 1 down to 0.76: crops of up to 24 % of a side
_MARGIN: Final = 3  # coarse pixels by which an image may extend beyond the other
_MAX_REFINED, _CERTAIN_CORRELATION = 3, 0.97  # number of refined alignments; correlation at which the search stops
_CONTRAST_SIGMA, _NOISE = 5.0, 2.0  # pixels; grey levels
_ECC_STEPS: Final = {_MIDDLE_SIDE: 30, SIDE: 15}

_MIN_CROPPED_SHARE: Final = 0.4  # of the width and height; smaller objects on a plain background are not cropped
_MAX_MEAN_DEVIATION: Final = 6  # of 255 levels, from the median of a border line; allows for JPEG artefacts
_OUTLIER_DEVIATION, _MAX_OUTLIER_SHARE = 32, 0.03  # of 255 levels; share of the pixels of a line


def without_borders(pixels: np.ndarray) -> np.ndarray:
    """Crop plain borders from a uint8 (H, W, 3) image, unless too little of it would remain.

    A line of pixels along a side belongs to the border if it has a uniform brightness; JPEG blurs colours.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.int16)
    rows, columns = slice(0, grey.shape[0]), slice(0, grey.shape[1])
    for _ in range(4):  # nested borders
        inner = grey[rows, columns]
        top, bottom, left, right = map(_border, (inner, inner[::-1], inner.T, inner.T[::-1]))
        if not top + bottom + left + right:
            break
        rows = slice(rows.start + top, rows.stop - bottom)
        columns = slice(columns.start + left, columns.stop - right)
        if any(
            part.stop - part.start < _MIN_CROPPED_SHARE * whole
            for part, whole in zip((rows, columns), grey.shape, strict=True)
        ):
            return pixels
    return pixels[rows, columns]


def _border(lines: np.ndarray) -> int:
    """Return the number of border lines of (L, N) pixels: uniform lines up to the last edge along most of a line.

    Without such an edge the lines are a plain background, which would end at a different line in each copy.
    """
    width = 0
    for index in range(1, int(len(lines) * (1 - _MIN_CROPPED_SHARE))):
        previous = lines[index - 1]
        deviation = np.abs(previous - np.median(previous))
        if deviation.mean() > _MAX_MEAN_DEVIATION or (deviation > _OUTLIER_DEVIATION).mean() > _MAX_OUTLIER_SHARE:
            break
        if (np.abs(lines[index] - previous) > 10).mean() > 0.5:  # a step of 10 levels: the first line inside
            width = index
    return width


@dataclass(frozen=True)
class CoarseTemplate:
    """A reduced image of 32 pixels, prepared for template matching: (h, w) float32, band-passed."""

    band: np.ndarray
    _turned: "dict[int, CoarseTemplate]" = field(default_factory=dict[int, "CoarseTemplate"], compare=False)

    @cached_property
    def padded(self) -> np.ndarray:
        """The image with a margin."""
        return np.pad(self.band, _MARGIN)

    @cached_property
    def templates(self) -> list[tuple[float, np.ndarray]]:
        """(scale, image) for every scale; empty without contrast."""
        return self._at(_SCALES)

    @cached_property
    def prefilter_templates(self) -> list[tuple[float, np.ndarray]]:
        """`templates` at a third of the scales; every other scale is one step away from one of these."""
        return self._at(_SCALES[1::3])

    def _at(self, scales: Sequence[float]) -> list[tuple[float, np.ndarray]]:
        scales = scales if self.band.std() >= 0.5 else ()  # below 0.5 grey levels there is no structure
        return [
            (scale, cv2.resize(self.band, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)) for scale in scales
        ]

    def turned(self, orientation: int) -> "CoarseTemplate":
        """Return the image in one of its eight orientations (0 is the identity)."""
        if not orientation:
            return self
        if orientation not in self._turned:
            self._turned[orientation] = CoarseTemplate(turn(self.band, orientation))
        return self._turned[orientation]


@dataclass(frozen=True)
class RegistrationImage:
    """An image prepared for registration.

    Contrast below `noise` grey levels at the finest level is not structure: in an enlarged image it comes from JPEG and
    interpolation artefacts.
    """

    levels: dict[int, np.ndarray]  # {longer side: (h, w) float32, band-passed}
    valid: np.ndarray  # (h, w) uint8 at the finest level: 0 where the image is overexposed
    noise: float

    def turned(self, orientation: int) -> "RegistrationImage":
        """Return the image in one of its eight orientations (0 is the identity)."""
        if not orientation:
            return self
        levels = {size: turn(level, orientation) for size, level in self.levels.items()}
        return RegistrationImage(levels, turn(self.valid, orientation), self.noise)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Position and scale of one image in another."""

    correlation: float  # of the coarse images at this position
    is_first_inside: bool  # whether the first image is the inner one, located in the second
    scale: float  # scale of the inner image
    offset: tuple[float, float]  # (x, y) of its corner in the outer image, as shares of `SIDE`

    def is_near(self, other: "Alignment") -> bool:
        """Return whether refinement would lead both to the same transform."""
        distance = max(abs(mine - theirs) for mine, theirs in zip(self.offset, other.offset, strict=True))
        is_same_direction = self.is_first_inside == other.is_first_inside
        return is_same_direction and abs(self.scale / other.scale - 1) < 0.05 and distance < 0.04


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Transpose, mirror and flip (h, w) pixels according to the bits of an orientation."""
    if orientation & TRANSPOSED:
        pixels = pixels.T
    if orientation & MIRRORED:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels[::-1] if orientation & FLIPPED else pixels)


def grey_of(pixels: np.ndarray) -> np.ndarray:
    """Convert a decoded image (H, W, 3) to uint8 grey (h, w) with a longer side of `SIDE`."""
    return _resized(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), SIDE)


def coarse_of(grey: np.ndarray) -> np.ndarray:
    """Reduce the result of `grey_of` to a longer side of 32 pixels, for `coarse_template`."""
    return _resized(grey, COARSE_SIDE)


def coarse_template(coarse: np.ndarray) -> CoarseTemplate:
    """Prepare the result of `coarse_of` for template matching."""
    return CoarseTemplate(_band(coarse, COARSE_SIDE))


def prepare(pixels: np.ndarray) -> RegistrationImage:
    """Prepare a decoded image (H, W, 3) for registration."""
    grey = grey_of(pixels)
    enlarged = max(1.0, SIDE / max(pixels.shape[:2]))
    valid = cv2.erode((grey < 250).astype(np.uint8), np.ones((5, 5), np.uint8))
    return RegistrationImage(
        {size: _band(_resized(grey, size), size) for size in (_MIDDLE_SIDE, SIDE)}, valid, _NOISE * enlarged**1.5
    )


def may_align(first: CoarseTemplate, second: CoarseTemplate) -> bool:
    """Return whether `find_alignments` may find an alignment, after testing a third of its scales.

    On 1,459 photographs of waste and copies of them, it keeps all 1,123 pairs with an alignment, and rejects three
    quarters of all pairs.
    """
    for outer, inner in ((second, first), (first, second)):
        height, width = outer.padded.shape
        for _, template in inner.prefilter_templates:
            if template.shape[0] <= height and template.shape[1] <= width:
                best = cv2.minMaxLoc(cv2.matchTemplate(outer.padded, template, cv2.TM_CCOEFF_NORMED))[1]
                if _PREFILTER_CORRELATION <= best < _MAX_CORRELATION:
                    return True
    return False


def find_alignments(first: CoarseTemplate, second: CoarseTemplate) -> tuple[Alignment, ...]:
    """Return possible alignments of either image within the other with `MIN_COARSE_CORRELATION`, best first."""
    alignments: list[Alignment] = []
    for outer, inner, is_first_inside in ((second, first, True), (first, second, False)):
        height, width = outer.padded.shape
        for scale, template in inner.templates:
            if template.shape[0] <= height and template.shape[1] <= width:
                correlations = cv2.matchTemplate(outer.padded, template, cv2.TM_CCOEFF_NORMED)
                _, best, _, (x, y) = cv2.minMaxLoc(correlations)
                if MIN_COARSE_CORRELATION <= best < _MAX_CORRELATION:
                    corner = (x - _MARGIN) / COARSE_SIDE, (y - _MARGIN) / COARSE_SIDE
                    alignments.append(Alignment(best, is_first_inside, scale, corner))
    return tuple(sorted(alignments, key=lambda alignment: -alignment.correlation))


def register(first: RegistrationImage, second: RegistrationImage, starts: Sequence[Alignment]) -> float:
    """Return the similarity of two images in their overlap, -1 to 1; from about 0.9 one is a copy of the other.

    `starts` is the result of `find_alignments`. Swapping the images makes no significant difference.
    """
    best = (0.0, 0.0)
    refined = list[Alignment]()
    for start in starts:
        if len(refined) >= _MAX_REFINED or best[0] > _CERTAIN_CORRELATION:
            break
        if not any(start.is_near(other) for other in refined):
            refined.append(start)
            inner, outer = (first, second) if start.is_first_inside else (second, first)
            best = max(best, _refined_score(inner, outer, start))
    return best[1]


def _refined_score(inside: RegistrationImage, outside: RegistrationImage, start: Alignment) -> tuple[float, float]:
    """Return the plain correlation after refining an alignment, and the score with normalised contrast."""
    warp = _refined_warp(inside, outside, start)
    if warp is None:
        return 0.0, 0.0
    inner, outer = inside.levels[SIDE], outside.levels[SIDE]
    size, flags = inner.shape[::-1], cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(outer, warp, size, flags=cv2.INTER_LINEAR | flags)
    shared = cv2.warpAffine(np.ones(outer.shape, np.uint8), warp, size, flags=cv2.INTER_NEAREST | flags) > 0
    shared[:2] = shared[-2:] = shared[:, :2] = shared[:, -2:] = False  # where the band-pass filter extrapolated
    if shared.sum() < 0.4 * min(inner.size, outer.size):  # of the smaller image's area
        return 0.0, 0.0
    both = cv2.warpAffine(outside.valid, warp, size, flags=cv2.INTER_NEAREST | flags) & inside.valid
    exposed = shared & (both > 0)
    used = exposed if exposed.sum() >= shared.sum() / 2 else shared
    gain = np.sqrt(max(1e-9, float(inner[used].std())) / max(1e-9, float(moved[used].std())))
    noise = max(inside.noise, outside.noise)
    plain = _correlation(inner[used], moved[used])
    normalised = _normalise_contrast(inner / gain, noise), _normalise_contrast(moved * gain, noise)
    return plain, _correlation(normalised[0][used], normalised[1][used])


def _refined_warp(inside: RegistrationImage, outside: RegistrationImage, start: Alignment) -> np.ndarray | None:
    """Return the affine map (2, 3) from pixels of the inner image to the outer one, or None if ECC fails."""
    x, y = start.offset
    warp = np.array([[start.scale, 0, x * SIDE], [0, start.scale, y * SIDE]], np.float64)
    for size, steps in _ECC_STEPS.items():
        inner, outer = inside.levels[size], outside.levels[size]
        mask = np.full(outer.shape, 255, np.uint8)
        factor = np.diag([size / SIDE, size / SIDE])
        initial = np.hstack([warp[:, :2], factor @ warp[:, 2:]]).astype(np.float32)
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-4)
        try:
            correlation, refined = cv2.findTransformECC(inner, outer, initial, cv2.MOTION_AFFINE, criteria, mask, 3)
        except cv2.error:  # no convergence, or outside the image
            return None
        warp = np.hstack([refined[:, :2], refined[:, 2:] * (SIDE / size)]).astype(np.float64)
        is_invalid = not np.isfinite(warp).all() or not 0.4 < abs(np.linalg.det(warp[:, :2])) < 2.5
        if is_invalid or correlation < 0.7:  # planted copies have 0.88 or more already at half size
            return None
    return warp


def _normalise_contrast(band: np.ndarray, noise: float) -> np.ndarray:
    """Normalise the local contrast of a band-passed image, without amplifying contrast below `noise`."""
    energy = cv2.GaussianBlur(band * band, (0, 0), _CONTRAST_SIGMA)
    return band / np.sqrt(energy + noise**2)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / scale if scale > 1e-6 else 0.0  # BLAS (np.dot) would start threads


def _band(grey: np.ndarray, size: int) -> np.ndarray:
    """Apply the band-pass filter for this size to grey values."""
    fine, coarse = _BAND_SIGMAS[size]
    level = grey.astype(np.float32)
    return cv2.GaussianBlur(level, (0, 0), fine) - cv2.GaussianBlur(level, (0, 0), coarse)


def _resized(grey: np.ndarray, side: int) -> np.ndarray:
    factor = side / max(grey.shape)
    size = tuple(max(8, round(length * factor)) for length in grey.shape[::-1])
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
