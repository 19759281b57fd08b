"""Widgets by themselves: the checklist, readiness, the split bar's figures, durations, image view."""

import errno
import os
import threading
from collections import Counter

import numpy as np
import pytest
from cut_texts import is_cut
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel

from gui.home.readiness import class_rows, conditions
from gui.kit import thumbnails as thumbnails_module
from gui.kit.empty_state import EmptyState
from gui.kit.image_view import ImageView
from gui.kit.thumbnail_cache import show_images_as
from gui.kit.thumbnails import ThumbnailStore, Unreadable, load_image, load_thumbnail
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.project.summary import ProjectSummary


@pytest.mark.parametrize(
    ("labels", "met"),
    [
        ([], [False, False, False, False]),
        ([(-1, "unassigned")], [True, False, False, False]),
        ([(0, "train"), (0, "val")], [True, True, False, True]),
        ([(0, "train"), (1, "train"), (0, "val")], [True, True, True, False]),
        ([(0, "train"), (1, "train"), (0, "val"), (1, "val")], [True, True, True, True]),
        ([(0, "train"), (1, "train"), (0, "val"), (1, "val"), (0, "unassigned")], [True, True, True, True]),
    ],
)
def test_what_is_missing_before_training(labels, met):
    splits = {name: Counter(split for label, split in labels if label == at) for at, name in enumerate("ab")}
    counts = {"unassigned": 0} | Counter(split for _, split in labels)
    labelled = sum(label >= 0 for label, _ in labels)
    of = ProjectSummary(task="single", images=len(labels), labelled=labelled, classes={}, splits=counts, runs=())
    found = conditions(of, class_rows(splits, {}))
    assert [each.is_met for each in found] == met and [each.action for each in found[2:]] == ["label", "split"]


def test_thumbnails_are_upright_small_and_the_same_from_disk(qapp, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((300, 900, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    first = load_thumbnail(tmp_path / "turned.jpg")
    assert (first.height(), first.width()) == (256, 85)
    again = load_thumbnail(tmp_path / "turned.jpg")
    assert again.size() == first.size()


def test_what_cannot_be_decoded_says_why(qapp, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"not an image")
    for load in (load_thumbnail, load_image):
        assert isinstance(result := load(tmp_path / "x.jpg"), Unreadable) and result.reason
    assert load_thumbnail(tmp_path / "absent.jpg").reason == os.strerror(errno.ENOENT)


def test_the_wheel_zooms_at_the_pointer_and_stays_inside(qtbot, tmp_path):
    Image.fromarray(np.zeros((800, 1200, 3), np.uint8)).save(tmp_path / "large.png")
    thumbnails = ThumbnailStore()
    view = ImageView(thumbnails)
    qtbot.addWidget(view)
    view.resize(600, 400)
    view.show()
    view.show_image(tmp_path / "large.png", neighbours=[])
    qtbot.waitUntil(view.is_sharp)
    assert view.scale() == pytest.approx(0.5)
    wheel(view, up=True)
    assert view.scale() == pytest.approx(0.6)
    for _ in range(30):
        wheel(view, up=True)
    assert view.scale() == pytest.approx(16.0)
    for _ in range(60):
        wheel(view, up=False)
    assert view.scale() == pytest.approx(0.5)
    view.close_reader()
    thumbnails.close()


def wheel(view: ImageView, *, up: bool) -> None:
    event = QWheelEvent(
        QPointF(20, 20),
        view.mapToGlobal(QPointF(20, 20)),
        QPoint(),
        QPoint(0, 120 if up else -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def test_a_thumbnail_is_made_of_what_training_has_decoded(qapp, tmp_path, monkeypatch):
    from gui.kit import thumbnails
    from visionft.data import image_cache

    monkeypatch.setattr(image_cache, "SETTLED_NS", -1)
    Image.linear_gradient("L").resize((1200, 900)).convert("RGB").save(tmp_path / "a.jpg")
    direct = load_thumbnail(tmp_path / "a.jpg")
    thumbnails.file_of(tmp_path / "a.jpg", AS_STORED).unlink()
    image_cache.ImageCache.usual().load(tmp_path / "a.jpg", 448)

    def refuse(*_args, **_given):
        raise AssertionError("it was decoded again")

    monkeypatch.setattr(thumbnails, "decode", refuse)
    made = load_thumbnail(tmp_path / "a.jpg")
    assert (made.width(), made.height()) == (direct.width(), direct.height()) == (256, 192)
    for x, y in ((5, 5), (128, 96), (250, 180)):
        assert abs(made.pixelColor(x, y).red() - direct.pixelColor(x, y).red()) <= 3


@pytest.fixture
def slow_decode(monkeypatch):
    """Decode black squares, white ones for another reading than the stored one; return the event that lets it go on."""
    may_go_on = threading.Event()

    def decode(_path, *, max_side, reading):
        assert may_go_on.wait(10)
        return np.full((8, 8, 3), 0 if reading == AS_STORED else 255, np.uint8)

    monkeypatch.setattr(thumbnails_module, "decode", decode)
    yield may_go_on
    may_go_on.set()
    show_images_as(AS_STORED)


def test_an_image_requested_before_its_reading_changed_is_shown_as_it_is_read_now(qtbot, tmp_path, slow_decode):
    path = tmp_path / "deep.tif"
    path.write_bytes(b"read by the fixture")
    thumbnails = ThumbnailStore()
    thumbnails.set_side(8)
    view = ImageView(thumbnails)
    qtbot.addWidget(view)
    for reading in (AS_STORED, ImageReading(window="400,1300")):
        show_images_as(reading)
        thumbnails.prefetch([path])
        view.show_image(path)
    slow_decode.set()
    qtbot.waitUntil(lambda: view.is_sharp() and thumbnails.get(path) is not None)
    for shown in (view.image(), thumbnails.get(path)):
        assert shown.toImage().pixelColor(4, 4).red() == 255
    view.close_reader()
    thumbnails.close()


def test_a_new_text_of_an_empty_state_has_its_room_before_the_next_paint(qtbot, styled):
    empty = EmptyState("info", "", "")
    qtbot.addWidget(empty)
    empty.resize(700, 400)
    empty.show()
    QApplication.processEvents()
    empty.show_words("No images of this class yet", "Import some, and they are shown here.", "")
    assert not [each.text() for each in empty.findChildren(QLabel) if is_cut(each)]
