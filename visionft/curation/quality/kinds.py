"""What may be wrong with a picture's quality: one judge for each kind, over what was measured of all pictures.

What is odd is flagged, never what is merely low: a set of night pictures or X-rays is dark on purpose. So most kinds
ask two things: how far a picture lies from its class and from the set, and whether it is bad at all by itself, so that
in a very even set the least good picture is not flagged for being the least.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from visionft.curation.quality.oddness import Peers, from_distance, ramp, rarity

GREY_LIMIT: Final = 0.02  # five of 255 levels: what rounding and JPEG leave between equal channels
_BLUR_LIMIT: Final = 3.0  # robust standard deviations
_GREY_SHARE: Final = 0.2  # of its class or of the set: no exception any more


@dataclass(frozen=True)
class Pictures:
    """What the judges see.

    Attributes:
        rows: (N,) of `measures.ROW`.
        peers: Which of them are of one class.
    """

    rows: np.ndarray
    peers: Peers

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a measure of all pictures: (N,) float64, NaN where it could not be taken."""
        return self.rows[name].astype(np.float64)

    def size(self, place: int) -> str:
        """Return a picture's size in words."""
        return f"{self.rows['width'][place]:.0f} x {self.rows['height'][place]:.0f}"


@dataclass(frozen=True)
class Judgement:
    """What a judge says of all pictures.

    Attributes:
        scores: (N,) 0 to 1.
        reason: Place of a picture -> why, as a sentence with the numbers.
    """

    scores: np.ndarray
    reason: Callable[[int], str]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One thing that may be wrong.

    Attributes:
        title: What people call it.
        judge: Says which pictures have it.
        hides: Kinds that say nothing more of a picture that has this one.
    """

    title: str
    judge: Callable[[Pictures], Judgement]
    hides: tuple[str, ...] = ()


def _damaged(pictures: Pictures) -> Judgement:
    painted = np.nan_to_num(pictures["painted"])
    reasons = pictures.rows["damage"]
    scores = np.where(reasons != b"", 1.0, np.where(painted > 0, np.maximum(0.6, ramp(painted, 0.0, 0.1)), 0.0))

    def reason(place: int) -> str:
        if text := bytes(reasons[place]).decode(errors="replace"):
            return f"Damaged: {text}."
        return f"Damaged: {painted[place]:.0%} of it are missing, one colour is in their place."

    return Judgement(scores, reason)


def _blank(pictures: Pictures) -> Judgement:
    return Judgement(ramp(pictures["deviation"], 0.016, 0.004), lambda _: "Blank: one colour all over.")


def _blur(pictures: Pictures) -> Judgement:
    """Judge sharpness.

    Either operator may find it by itself at the large scale: edges show what is far out of focus or was moved, the
    finest detail shows the slightest blur. At the small scale, where only strong blur is left to see, both have to.
    """
    peers = pictures.peers

    def soft(name: str, floor: float, sharp: float, blurred: float) -> np.ndarray:
        distance = peers.low(pictures[name], floor=floor)
        return np.minimum(from_distance(distance, _BLUR_LIMIT), ramp(pictures[name], sharp, blurred))

    edges, coarse_edges = (soft(name, 0.08, -0.5, -1.0) for name in ("edges_large", "edges_small"))
    fine, coarse_fine = (soft(name, 0.3, -3.2, -5.2) for name in ("fine_large", "fine_small"))
    scores = np.maximum(np.maximum(edges, fine), np.minimum(coarse_edges, coarse_fine))
    sharper_than = peers.shares_below(-scores)

    def reason(place: int) -> str:
        name = peers.name(place)
        others = f"“{name}”" if name else "those without a label"
        if not sharper_than[place]:
            return f"Blurred: the least sharp of {others}."
        return f"Blurred: sharper than only {sharper_than[place]:.1%} of {others}."

    return Judgement(scores, reason)


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _dark(pictures: Pictures) -> Judgement:
    light = pictures["light"]
    usual = _median(light)
    distance = pictures.peers.low(np.log(light + 0.05), floor=0.12)
    return Judgement(
        np.minimum(from_distance(distance, 3.5), ramp(light, 0.6, 0.4)),
        lambda place: f"Dark: 95 % of it are below {light[place]:.0%} of white, usual are {usual:.0%}.",
    )


def _bright(pictures: Pictures) -> Judgement:
    dark = pictures["dark"]
    usual = _median(dark)
    distance = pictures.peers.low(np.log(1.05 - dark), floor=0.12)
    return Judgement(
        np.minimum(from_distance(distance, 2.4), ramp(dark, 0.55, 0.75)),
        lambda place: f"Bright: 95 % of it are above {dark[place]:.0%} of white, usual are {usual:.0%}.",
    )


def _flat(pictures: Pictures) -> Judgement:
    """Judge contrast and information: either may be too low."""
    span, entropy = pictures["white"] - pictures["black"], pictures["entropy"]
    faint = np.minimum(from_distance(pictures.peers.low(np.log(span + 0.02), floor=0.15), 2.8), ramp(span, 0.25, 0.13))
    poor = np.minimum(from_distance(pictures.peers.low(entropy, floor=0.25), 4.0), ramp(entropy, 4.5, 3.0))
    return Judgement(
        np.maximum(faint, poor),
        lambda place: f"Flat: it spans {span[place]:.0%} from black to white and holds {entropy[place]:.1f} of 8 bits.",
    )


def _grey(pictures: Pictures) -> Judgement:
    is_grey = pictures["chroma"] <= GREY_LIMIT
    share, of_all = pictures.peers.greater_share(is_grey), is_grey.mean()
    return Judgement(
        np.where(is_grey, np.clip(1 - share / _GREY_SHARE / 2, 0.0, 1.0), 0.0),
        lambda _: f"Grey: without colour, as {of_all:.1%} of all pictures are.",
    )


def _shape(pictures: Pictures) -> Judgement:
    return Judgement(
        rarity(np.log(pictures["width"] / pictures["height"]), step=float(np.log(1.25))),
        lambda place: f"Odd shape: {pictures.size(place)} pixels; hardly another is as wide or as high.",
    )


def _size(pictures: Pictures) -> Judgement:
    return Judgement(
        rarity(np.log(pictures["width"] * pictures["height"]) / 2, step=float(np.log(2.0))),
        lambda place: f"Odd size: {pictures.size(place)} pixels; hardly another is as large or as small.",
    )


KINDS: Final[dict[str, Kind]] = {
    "damaged": Kind(title="Damaged", judge=_damaged, hides=("blank", "blur", "dark", "bright", "flat", "grey")),
    "blank": Kind(title="Blank", judge=_blank, hides=("blur", "dark", "bright", "flat", "grey")),
    "blur": Kind(title="Blurred", judge=_blur),
    "dark": Kind(title="Dark", judge=_dark, hides=("grey",)),
    "bright": Kind(title="Bright", judge=_bright, hides=("grey",)),
    "flat": Kind(title="Flat", judge=_flat),
    "grey": Kind(title="Grey", judge=_grey),
    "shape": Kind(title="Odd shape", judge=_shape),
    "size": Kind(title="Odd size", judge=_size),
}
