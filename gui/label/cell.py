"""What the label page knows of a picture: labels, what is suggested, on what files disagree. Plain data."""

from dataclasses import dataclass
from pathlib import Path

from gui.kit.picture_model import Tile
from gui.kit.theme import ClassColour


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionBadge:
    """What a run suggests for a picture: classes with their colours, the first one's probability, the best few."""

    names: tuple[tuple[str, ClassColour], ...]
    confidence: float
    ranked: tuple[tuple[str, float], ...] = ()

    def text(self) -> str:
        """Return the suggestion in a few letters; the question mark tells it from a label."""
        return f"{', '.join(name for name, _ in self.names)}? {self.confidence:.0%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBadge:
    """A class that a file gives a picture which others give another one."""

    name: str
    colour: ClassColour
    origin: str

    def file(self) -> str:
        """Return the file that says so, short: with its folder, which may be what names the class."""
        return "/".join(Path(self.origin).parts[-2:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(Tile):
    """A picture to label. `labels` pairs a class name with its colour; the split is the tile's `aside`."""

    labels: tuple[tuple[str, ClassColour], ...]
    size: str = ""
    badge: SuggestionBadge | None = None
    candidates: tuple[CandidateBadge, ...] = ()
    is_put_off: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    why: str = ""

    def spoken(self) -> str:
        """Return all that is said of the picture, its note too, and why something is suggested for it."""
        return "\n".join(filter(None, (Tile.spoken(self), self.why, self.note)))
