"""The region: drawn with the mouse, moved and resized with the keys; its values in pixels; refused regions."""

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt

from gui.train.region_dialog import RegionDialog
from visionft.training.config.train_config import TrainConfig

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Return images of 1000 x 500 and of 100 x 50 pixels, and a damaged one."""
    files = [tmp_path / name for name in ("large.png", "small.png", "damaged.png")]
    Image.new("RGB", (1000, 500), "grey").save(files[0])
    Image.new("RGB", (100, 50), "grey").save(files[1])
    files[2].write_bytes(b"no image")
    return files


@pytest.fixture
def dialog(qtbot, paths) -> RegionDialog:
    made = RegionDialog(None, paths, config=TrainConfig(image_size=224))
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: not made.canvas.target().isEmpty())
    yield made
    made.close()


def point(dialog: RegionDialog, across: float, down: float) -> QPoint:
    """Return the point of the canvas at shares of the image's sides."""
    target = dialog.canvas.target()
    return QPointF(target.left() + across * target.width(), target.top() + down * target.height()).toPoint()


def drag(qtbot, dialog: RegionDialog, start: tuple[float, float], end: tuple[float, float]) -> None:
    qtbot.mousePress(dialog.canvas, LEFT, pos=point(dialog, *start))
    qtbot.mouseMove(dialog.canvas, point(dialog, *end))
    qtbot.mouseRelease(dialog.canvas, LEFT, pos=point(dialog, *end))


def sides(dialog: RegionDialog) -> list[float]:
    return [float(side) for side in dialog.region().split(",")]


def test_a_drag_draws_and_its_size_is_shown_in_pixels_of_the_image(qtbot, dialog):
    assert not dialog.use_button.isEnabled() and dialog.region() == ""
    drag(qtbot, dialog, (0.8, 0.9), (0.2, 0.1))
    assert sides(dialog) == pytest.approx([0.2, 0.1, 0.8, 0.9], abs=0.004)
    width, _, height, *_ = dialog.values.text().split()
    assert (int(width), int(height)) == (pytest.approx(600, abs=4), pytest.approx(400, abs=4))
    assert "2.1" in dialog.words.text()  # 600 x 400 pixels on an input of 288 x 192
    qtbot.mouseClick(dialog.use_button, LEFT)
    assert dialog.result() == RegionDialog.DialogCode.Accepted


def test_keys_draw_move_and_resize_and_escape_takes_a_drag_back(qtbot, dialog):
    qtbot.keyClick(dialog.canvas, Qt.Key.Key_Right)
    qtbot.keyClick(dialog.canvas, Qt.Key.Key_Right)
    qtbot.keyClick(dialog.canvas, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert sides(dialog) == [0.255, 0.25, 0.755, 0.745]
    qtbot.mousePress(dialog.canvas, LEFT, pos=point(dialog, 0.5, 0.5))
    qtbot.mouseMove(dialog.canvas, point(dialog, 0.6, 0.6))
    qtbot.keyClick(dialog.canvas, Qt.Key.Key_Escape)
    qtbot.mouseRelease(dialog.canvas, LEFT, pos=point(dialog, 0.6, 0.6))
    assert sides(dialog) == [0.255, 0.25, 0.755, 0.745] and dialog.isVisible()
    qtbot.keyClick(dialog.canvas, Qt.Key.Key_Escape)
    assert not dialog.isVisible() and dialog.result() == RegionDialog.DialogCode.Rejected


def test_an_empty_region_is_none_and_one_smaller_than_a_patch_is_refused(qtbot, dialog):
    drag(qtbot, dialog, (0.2, 0.1), (0.8, 0.9))
    before = dialog.region()
    qtbot.mouseClick(dialog.canvas, LEFT, pos=point(dialog, 0.05, 0.05))
    assert dialog.region() == before
    drag(qtbot, dialog, (0.9, 0.92), (0.99, 0.945))  # 12 pixels high
    assert not dialog.use_button.isEnabled() and "16" in dialog.words.text()
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.isVisible()
