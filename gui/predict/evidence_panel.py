"""The labelled images behind a prediction: for it, against it, and duplicates of the image. Depends on Qt and data."""

from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.image_model import Tile
from gui.kit.near_images import NearImages
from gui.kit.parts import column, row, text
from gui.kit.translation import tr
from visionft.export.index.memory_index import IndexEntry
from visionft.export.predictor import Prediction
from visionft.retrieval.evidence import Neighbour

SIDE_PX = 64
MOST_NOTES = 3

Places = Callable[[Mapping[int, IndexEntry]], Mapping[int, Path]]  # the files of these images in the project


class EvidencePanel(QWidget):
    """Small images for and against a prediction, and their notes; hidden where a prediction has none."""

    def __init__(self) -> None:
        super().__init__()
        self.supporting, self.contradicting = NearImages(side_px=SIDE_PX), NearImages(side_px=SIDE_PX)
        self.notes = text("", "small", wrap=True)
        sides = row(self.supporting, self.contradicting, spacing=theme.MEDIUM)
        for place in range(2):
            sides.setStretch(place, 1)
        self.setLayout(column(sides, self.notes, spacing=theme.SMALL))
        self.hide()

    def show_evidence(self, prediction: Prediction | None, images: Mapping[int, IndexEntry], places: Places) -> None:
        """Show the evidence for a prediction, from the images of the index and their files in the open project."""
        evidence = prediction.evidence if prediction is not None else None
        self.setVisible(evidence is not None)
        if evidence is None:
            return
        shown = (*evidence.supporting, *evidence.contradicting, *evidence.doubles)
        named = {each.image_id: images[each.image_id] for each in shown if each.image_id in images}
        paths = places(named)
        classes = ", ".join(evidence.classes) or tr("no label")
        own = [_tile(each, f"{each.similarity:.2f}", named, paths) for each in evidence.supporting]
        self.supporting.show_images(tr("For “{classes}”", classes=classes), own)
        others = [_tile(each, ", ".join(each.classes), named, paths) for each in evidence.contradicting]
        self.contradicting.show_images(tr("Against it"), others)
        self.contradicting.setVisible(bool(evidence.contradicting))
        lines: list[str] = []
        if names := ", ".join(named[each.image_id].name for each in evidence.doubles if each.image_id in named):
            lines.append(tr("The same image is in the index and was not used: {names}.", names=names))
        for each in [each for each in dict.fromkeys(named.values()) if each.note or each.tags][:MOST_NOTES]:
            remarks = " ".join(filter(None, (each.note, *(f"#{tag}" for tag in each.tags))))
            lines.append(f"{each.name}: {remarks}" if each.name else remarks)
        self.notes.setText("\n".join(lines))
        self.notes.setVisible(bool(lines))

    def close_workers(self) -> None:
        self.supporting.close_workers()
        self.contradicting.close_workers()


def _tile(each: Neighbour, title: str, named: Mapping[int, IndexEntry], paths: Mapping[int, Path]) -> Tile:
    image = named.get(each.image_id, IndexEntry("", ""))
    return Tile(
        image_id=each.image_id,
        path=paths.get(each.image_id, Path(image.name)),
        title=title,
        aside=tr("{classes}, similarity {n}", classes=", ".join(each.classes), n=f"{each.similarity:.2f}"),
        detail=" ".join(filter(None, (image.note, ", ".join(image.tags)))),
    )
