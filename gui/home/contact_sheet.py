"""A few pictures of each class side by side: which they are. The picture grid shows them."""

from collections.abc import Sequence

from gui.kit.picture_model import Section, Tile
from gui.kit.theme import ClassColour
from visionft.data.types import Snapshot

SIDE_PX = 92
MAX_PICTURES = 24


def sheet(snapshot: Snapshot, colours: Sequence[ClassColour]) -> tuple[list[Tile], tuple[Section, ...]]:
    """Return a section per class that has pictures, with some taken evenly from all it has."""
    by_class: dict[int, list[Tile]] = {}
    for image in snapshot.images:
        for index in image.labels[:1]:
            by_class.setdefault(index, []).append(Tile(image_id=image.image_id, path=image.path))
    chosen = {index: tiles[:: max(1, len(tiles) // MAX_PICTURES)][:MAX_PICTURES] for index, tiles in by_class.items()}
    shown = sorted(chosen)
    sections = tuple(Section(snapshot.class_names[index], colours[index], len(chosen[index])) for index in shown)
    return [tile for index in shown for tile in chosen[index]], sections
