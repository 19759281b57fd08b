"""The labelled pictures behind an answer: those for it, those against it, the asked one itself. Knows Qt and data."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.near_pictures import NearPictures
from gui.kit.parts import column, row, text
from gui.kit.picture_model import Tile
from visionft.export.index.memory_index import Remembered
from visionft.export.predictor import Prediction
from visionft.retrieval.evidence import Neighbour

SIDE_PX = 64
MOST_NOTES = 3

Places = Callable[[Mapping[int, Remembered]], Mapping[int, Path]]  # where the project has these pictures


def nowhere(_pictures: Mapping[int, Remembered]) -> Mapping[int, Path]:
    """Return that no picture is at hand: no project is open."""
    return {}


class EvidencePanel(QWidget):
    """Small pictures for and against, and what was written about them; hidden where an answer has none."""

    def __init__(self) -> None:
        super().__init__()
        self.supporting, self.contradicting = NearPictures(side_px=SIDE_PX), NearPictures(side_px=SIDE_PX)
        self._notes = text("", "small", wrap=True)
        sides = row(self.supporting, self.contradicting, spacing=theme.MEDIUM)
        for place in range(2):
            sides.setStretch(place, 1)
        self.setLayout(column(sides, self._notes, spacing=theme.SMALL))
        self.hide()

    def show_evidence(
        self, answer: Prediction | None, pictures: Mapping[int, Remembered], places: Places = nowhere
    ) -> None:
        """Show what is behind an answer.

        Args:
            answer: Of the model.
            pictures: {number in the index: what the picture is called}.
            places: Finds the files of pictures in the open project.
        """
        said = answer.evidence if answer is not None else None
        self.setVisible(said is not None)
        if said is None:
            return
        shown = (*said.supporting, *said.contradicting, *said.doubles)
        named = {each.image_id: pictures[each.image_id] for each in shown if each.image_id in pictures}
        paths = places(named)
        classes = ", ".join(said.classes) or tr("no label")
        own = [_tile(each, f"{each.similarity:.2f}", named, paths) for each in said.supporting]
        self.supporting.show_pictures(tr("For “{classes}”", classes=classes), own)
        others = [_tile(each, ", ".join(each.classes), named, paths) for each in said.contradicting]
        self.contradicting.show_pictures(tr("Against it"), others)
        self.contradicting.setVisible(bool(said.contradicting))
        self._notes.setText("\n".join([*_same(said.doubles, named), *_remarks(shown, named)]))
        self._notes.setVisible(bool(self._notes.text()))

    def notes(self) -> str:
        """Return what is said of notes and tags."""
        return self._notes.text()

    def close_workers(self) -> None:
        """Wait for pictures that are being decoded."""
        self.supporting.close_workers()
        self.contradicting.close_workers()


def _tile(each: Neighbour, title: str, named: Mapping[int, Remembered], paths: Mapping[int, Path]) -> Tile:
    picture = named.get(each.image_id, Remembered("", ""))
    return Tile(
        image_id=each.image_id,
        path=paths.get(each.image_id, Path(picture.name)),
        title=title,
        aside=tr("{classes}, alike {similarity}", classes=", ".join(each.classes), similarity=f"{each.similarity:.2f}"),
        detail=" ".join(filter(None, (picture.note, ", ".join(picture.tags)))),
    )


def _same(doubles: Sequence[Neighbour], named: Mapping[int, Remembered]) -> list[str]:
    """Return a sentence on pictures that are the asked one."""
    names = ", ".join(named[each.image_id].name for each in doubles if each.image_id in named)
    return [tr("The same picture is labelled, and had no say: {names}.", names=names)] if names else []


def _remarks(shown: Sequence[Neighbour], named: Mapping[int, Remembered]) -> list[str]:
    """Return a line for each of the first pictures that have a note or a tag."""
    found = [named[each.image_id] for each in shown if each.image_id in named]
    told = [each for each in dict.fromkeys(found) if each.note or each.tags]
    return [
        ": ".join(filter(None, (each.name, " ".join(filter(None, (each.note, *(f"#{tag}" for tag in each.tags)))))))
        for each in told[:MOST_NOTES]
    ]
