"""Held-out images as a run sorts them into classes, while it is evaluated. Does not use the state."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gui.kit import theme
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Section, Tile
from gui.kit.parts import Card, column, text
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from visionft.core.events import ImagesClassified
from visionft.core.messages import Message

MOST_IMAGES = 600  # shown; further ones are counted


class SortedImages(Card):
    """The images under the class that the run assigns them, the wrong ones first, with their label."""

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.thumbnails = ThumbnailStore(self)
        self.grid = ImageGrid(
            self.thumbnails,
            name=Message("Images the run has sorted"),
            side_px=theme.scaled(84),
            lines=0,
            selectable=False,
        )
        self._answer = text(role="heading")
        self._answer.setAccessibleName(tr("Held-out images that are right"))
        explanation = text("Held-out images as the model sorts them; a wrong one shows its label.", "muted")
        self.body.addLayout(column(self._answer, explanation, spacing=theme.TIGHT))
        self.body.addWidget(self.grid, 1)
        self.start()

    def start(
        self, images: Callable[[], Mapping[int, Path]] = dict, colours: Callable[[], Mapping[str, ClassColour]] = dict
    ) -> None:
        """Clear the view for a run; `images` returns its files by id, `colours` those of the classes, when needed."""
        self._read_images, self._read_colours = images, colours
        self._paths: Mapping[int, Path] = {}
        self._colours: Mapping[str, ClassColour] = {}
        self._split = ""
        self._found: dict[int, tuple[str, str]] = {}  # image id: the assigned class, and the label of a wrong one
        self._show()

    def count(self) -> int:
        return len(self._found)

    def answer(self) -> str:
        """Return how many images are right, as it is shown."""
        return self._answer.text()

    def show_more(self, event: ImagesClassified) -> None:
        """Show more images; those of another split replace the earlier ones: the test comes last."""
        if not self._found:
            self._paths, self._colours = self._read_images(), self._read_colours()
        if event.split != self._split:
            self._split, self._found = event.split, {}
        for image_id, name, label in zip(event.image_ids, event.predicted, event.labels, strict=True):
            self._found[image_id] = (name, "" if name == label else label)
        self._show()

    def _show(self) -> None:
        right = sum(not label for _, label in self._found.values())
        self._answer.setText(tr("{right} of {count} right", right=f"{right:,}", count=f"{len(self._found):,}"))
        by_class: dict[str, list[tuple[int, str]]] = {name: [] for name in self._colours}
        for image_id, (name, label) in self._found.items():
            by_class.setdefault(name, []).append((image_id, label))
        tiles: list[Tile] = []
        sections: list[Section] = []
        for name, found in by_class.items():
            shown = sorted((each for each in found if each[0] in self._paths), key=lambda each: not each[1])
            shown = shown[: max(1, MOST_IMAGES // len(by_class))]
            if shown:
                wrong = sum(bool(label) for _, label in found)
                right = tr("{right} of {count} right", right=f"{len(found) - wrong:,}", count=f"{len(found):,}")
                sections.append(Section(name, self._colours.get(name), len(shown), right))
            for image_id, label in shown:
                tone = "bad" if label else ""
                tiles.append(Tile(image_id=image_id, path=self._paths[image_id], mark=label, tone=tone))
        self.grid.show_tiles(tiles, tuple(sections))

    def close_workers(self) -> None:
        self.thumbnails.close()
