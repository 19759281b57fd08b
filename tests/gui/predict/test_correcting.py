"""“Wrong, it is ...” and out-of-distribution images: by clicks and keys, with a tiny exported file."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage

from gui.kit import dialogs
from visionft.project.labelling import find_image
from visionft.project.queries import class_rows, find_images, image_rows
from visionft.project.store import ProjectStore

LEFT, ENTER = Qt.MouseButton.LeftButton, Qt.Key.Key_Return


def say(qtbot, window, page, name):
    page.panel.picker.setFocus()
    qtbot.keyClicks(page.panel.picker.lineEdit(), name)
    qtbot.keyClick(page.panel.picker.lineEdit(), ENTER)
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=20_000)


def labels(window, path: Path) -> tuple[str, ...]:
    project: ProjectStore = window.state.session.project
    return image_rows(project, (find_image(project, path),))[0].labels


def test_a_correction_goes_into_the_project_and_undo_reverts_it(qtbot, window, page, classify, draw_folder, tmp_path):
    new = draw_folder(tmp_path / "new", {"red": 1}) / "red" / "red_000.png"
    new.write_bytes(new.read_bytes() + b"another file")
    before = len(find_images(window.state.session.project))
    classify(new)
    say(qtbot, window, page, "green")
    assert labels(window, new) == ("green",) and len(find_images(window.state.session.project)) == before + 1
    assert "green" in page.grid.tile(1).mark and page.panel.picker.currentText() == ""
    assert "green" in window.toasts.message()
    qtbot.mouseClick(window.toasts.newest.action_button, LEFT)  # Undo
    assert len(find_images(window.state.session.project)) == before
    assert page.grid.tile(1).mark == ""


def test_a_pasted_image_is_copied_into_the_project(qtbot, window, page, finish):
    image = QImage(20, 20, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    QGuiApplication.clipboard().setImage(image)
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: bool(page.predictions), timeout=20_000)
    finish()
    page.grid.selection.set_current(0)
    say(qtbot, window, page, "blue")
    project = window.state.session.project
    (row,) = image_rows(project, (find_image(project, page.predictions[0].path),))
    assert row.labels == ("blue",) and row.path.is_relative_to(project.path / "images")


def test_a_class_that_the_project_lacks_is_asked_about(qtbot, window, page, classify, images, monkeypatch):
    asked = []
    monkeypatch.setattr(dialogs, "ask_yes", lambda _parent, title, *args, **kwargs: asked.append(title) or False)
    classify(images / "red" / "red_000.png")
    say(qtbot, window, page, "hand")
    assert len(asked) == 1 and "hand" in asked[0] and labels(window, images / "red" / "red_000.png") == ("red",)
    monkeypatch.setattr(dialogs, "ask_yes", lambda *args, **kwargs: True)
    say(qtbot, window, page, "hand")
    assert labels(window, images / "red" / "red_000.png") == ("hand",)
    assert "hand" in {row.name for row in class_rows(window.state.session.project)}
    say(qtbot, window, page, "GREEN")  # the class there is, however it is typed
    assert labels(window, images / "red" / "red_000.png") == ("green",)


def test_what_is_unlike_the_images_says_so_first(qtbot, window, page, classify, images, tmp_path, write_model):
    page.take_model(write_model(tmp_path / "far" / "model.onnx", border={}))
    classify(images)
    tiles = [page.grid.tile(image_id) for image_id in page.grid.images.ids]
    unlike = [tile for tile in tiles if tile.tone == "warn"]
    assert {tile.path.parent.name for tile in unlike} == {"red"} and not any(tile.aside for tile in unlike)
    assert len(unlike) == 10 and " 10" in page.panel.tally.text()
    page.panel.order_box.setCurrentIndex(3)
    page.panel.order_box.activated.emit(3)
    page.grid.selection.set_current(0)
    assert page.panel.card.unlike.isVisible()
    page.grid.selection.set_current(24)
    assert not page.panel.card.unlike.isVisible()
