"""Widgets by themselves: the checklist, readiness, the split bar's figures, durations, image view."""

import errno
import os

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from gui.kit.image_view import ImageView
from gui.kit.thumbnails import ThumbnailStore, Unreadable, load_image, load_thumbnail


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
