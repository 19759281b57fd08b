"""Labelled images for and against a prediction, with their notes; the project has their files."""

from pathlib import Path

from PIL import Image

from gui.predict.predictions_panel import EvidencePanel
from visionft.export.predictor import IndexEntry, Prediction
from visionft.training.retrieval import Evidence, Neighbour

IMAGES = {
    1: IndexEntry("one.png", "1", "dawn", ("wet",)),
    2: IndexEntry("two.png", "2"),
    3: IndexEntry("three.png", "3", "", ("dry",)),
}


def answer(tmp_path: Path, *, contradicting: bool = True) -> Prediction:
    others = (Neighbour(2, ("bee",), 0.4, 0.1),) if contradicting else ()
    said = Evidence(
        ("ant",),
        (("ant", 0.9), ("bee", 0.1)),
        (Neighbour(1, ("ant",), 0.8, 0.9),),
        others,
        (Neighbour(3, ("ant",), 1.0, 0.0),),
    )
    return Prediction(path=tmp_path / "asked.png", class_name="ant", probability=0.9, top5=said.ranked, evidence=said)


def test_for_and_against_and_what_was_written(qtbot, tmp_path: Path):
    panel = EvidencePanel()
    qtbot.addWidget(panel)
    file = tmp_path / "one.png"
    Image.new("RGB", (8, 8)).save(file)
    panel.show_evidence(answer(tmp_path), IMAGES, lambda named: {key: file for key in named if key == 1})
    assert not panel.isHidden()
    assert "ant" in panel.supporting.words() and panel.contradicting.isVisibleTo(panel)
    (tile,) = panel.supporting.grid.images.tiles((1,))
    assert tile.path == file and tile.title == "0.80" and "dawn" in tile.spoken()
    first, *notes = panel.notes.text().splitlines()
    assert "three.png" in first and notes == ["one.png: dawn #wet", "three.png: #dry"]
    panel.close_workers()
