"""The data of an image on the label page: labels, suggestion, label conflict. Plain data."""

from dataclasses import dataclass

from gui.kit.image_model import Tile
from gui.kit.theme import ClassColour
from gui.kit.translation import tr

LEAST_LABELS = 10  # of a class: with fewer, a suggestion from the labels so far is a guess


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionBadge:
    """The suggestion of a run for an image: classes with their colours, the first one's probability, the best few."""

    names: tuple[tuple[str, ClassColour], ...]
    confidence: float
    ranked: tuple[tuple[str, float], ...] = ()
    is_guess: bool = False  # of too few labels for a probability

    def text(self) -> str:
        """Return the suggestion as a short text; the question mark distinguishes it from a label."""
        names = ", ".join(name for name, _ in self.names)
        return f"{names}? {tr('guess') if self.is_guess else f'{self.confidence:.0%}'}"

    def ranking(self) -> str:
        """Return the best few classes, with their probabilities unless it is a guess."""
        return ", ".join(name if self.is_guess else f"{name} {share:.0%}" for name, share in self.ranked)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBadge:
    """A class assigned to an image by one file, in conflict with others."""

    name: str
    colour: ClassColour
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(Tile):
    """An image to label. `labels` pairs a class name with its colour; the split is the tile's `aside`."""

    labels: tuple[tuple[str, ClassColour], ...]
    size: str = ""
    badge: SuggestionBadge | None = None
    candidates: tuple[CandidateBadge, ...] = ()
    is_put_off: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    why: str = ""

    def spoken(self) -> str:
        """Return all text about the image, with its note and the reason for its suggestion."""
        return "\n".join(filter(None, (Tile.spoken(self), self.why, self.note)))


def shortened(text: str, most: int) -> str:
    """Return a text cut to a number of characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
