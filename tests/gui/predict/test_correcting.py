"""“Wrong, it is ...” and out-of-distribution images: by clicks and keys, with a tiny exported file."""

import threading
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage

from gui.kit import dialogs
from gui.predict.prediction_card import PredictionCard
from gui.tasks import Lane, Task
from visionft.data.depth import FIRST_PLANE
from visionft.export.predictor import Prediction
from visionft.project.labelling import find_image
from visionft.project.queries import class_rows, count_images, image_rows
from visionft.project.store import Project

LEFT, ENTER = Qt.MouseButton.LeftButton, Qt.Key.Key_Return


def say(qtbot, window, page, name):
    page.panel.picker.setFocus()
    qtbot.keyClicks(page.panel.picker.lineEdit(), name)
    qtbot.keyClick(page.panel.picker.lineEdit(), ENTER)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=20_000)


def labels(window, path: Path) -> tuple[str, ...]:
    project: Project = window.state.session.project
    return image_rows(project, (find_image(project, path),))[0].labels


def test_a_correction_goes_into_the_project_and_undo_reverts_it(qtbot, window, page, classify, draw_folder, tmp_path):
    new = draw_folder(tmp_path / "new", {"red": 1}) / "red" / "red_000.png"
    new.write_bytes(new.read_bytes() + b"another file")
    before = count_images(window.state.session.project)
    classify(new)
    say(qtbot, window, page, "green")
    assert labels(window, new) == ("green",) and count_images(window.state.session.project) == before + 1
    assert "green" in page.grid.tile(1).mark and page.panel.picker.currentText() == ""
    assert "green" in window.toasts.message()
    qtbot.mouseClick(window.toasts.newest.way_button, LEFT)  # Undo
    assert count_images(window.state.session.project) == before
    assert page.grid.tile(1).mark == ""


def test_several_images_at_once_found_by_a_part_of_the_name(qtbot, window, page, classify, images, finish):
    classify(images / "red")
    page.grid.selection.select_all()
    assert "10" in page.panel.picker.lineEdit().placeholderText()
    picker = page.panel.picker
    picker.setFocus()
    qtbot.keyClicks(picker.lineEdit(), "lu")
    popup = picker.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    popup.setCurrentIndex(picker.completer().completionModel().index(0, 0))
    qtbot.keyClick(popup, ENTER)
    finish()
    assert labels(window, images / "red" / "red_003.png") == ("blue",)
    assert "10" in window.toasts.message() and "blue" in window.toasts.message()
    window.state.session.undo()
    assert labels(window, images / "red" / "red_003.png") == ("red",)


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


def test_files_on_the_clipboard_are_tried(qtbot, window, page, images, finish):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in sorted((images / "red").iterdir())[:3]])
    QGuiApplication.clipboard().setMimeData(data)
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(page.predictions) == 3, timeout=20_000)
    finish()


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


def test_an_export_of_another_project_says_so(qtbot, window, page, classify, images, tmp_path, write_model):
    page.take_model(write_model(tmp_path / "foreign" / "model.onnx", names=["cat", "dog", "cow"]))
    classify(images / "red" / "red_000.png")
    assert "cat" in page.panel.note.text()
    say(qtbot, window, page, "blue")
    assert labels(window, images / "red" / "red_000.png") == ("blue",)


def test_without_a_project_there_is_a_reason(qtbot, window, tmp_path, images, write_model, finish):
    window.show_page("try")
    page = window.page("try")
    page.take_model(write_model(tmp_path / "alone" / "model.onnx"))
    page.classify([images / "red" / "red_000.png"])
    finish()
    assert not page.panel.picker.isEnabled()
    assert page.panel.picker.toolTip() == page.panel.note.text() == page.corrections.why_not() != ""


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


def test_images_taken_with_the_camera_are_there_when_it_stops(qtbot, window, page, tmp_path, write_video, finish):
    page.start_camera(write_video(tmp_path / "green.avi", frames=200))
    qtbot.waitUntil(lambda: not page.camera.view.image.isNull(), timeout=20_000)
    for _ in range(2):
        qtbot.mouseClick(page.camera.take_button, LEFT)
    qtbot.mouseClick(page.camera_button, LEFT)
    qtbot.waitUntil(lambda: len(page.predictions) == 2, timeout=20_000)
    finish()
    page.grid.selection.set_current(0)
    say(qtbot, window, page, "blue")
    assert labels(window, page.predictions[0].path) == ("blue",)


def test_the_page_has_one_primary_button(qtbot, window, page, classify, images):
    def primary():
        buttons = (page.files_button, page.drop_zone.choose_button, page.empty.button, page.camera.take_button)
        return [each for each in buttons if each.isVisible() and each.property("role") == "primary"]

    assert primary() == [page.drop_zone.choose_button]
    classify(images / "red" / "red_000.png")
    assert primary() == [page.files_button]


def test_it_works_while_a_run_trains(qtbot, window, page, images, finish):
    is_over = threading.Event()

    def train(*, job):
        is_over.wait(60)

    run = Task(title="Training", work=train, lane=Lane.TRAINING, page="train", device=True)
    handle = window.state.tasks.run(run, owner=page, on_done=lambda _result: None)
    page.classify([images / "red" / "red_000.png"])
    qtbot.waitUntil(lambda: len(page.predictions) == 1, timeout=20_000)
    page.grid.selection.set_current(0)
    page.panel.picker.class_named.emit("blue")
    qtbot.waitUntil(lambda: labels(window, images / "red" / "red_000.png") == ("blue",), timeout=20_000)
    assert handle.is_running
    is_over.set()
    finish()


def test_a_film_does_not_jump_when_it_shows_something_unlike(qtbot):
    card = PredictionCard(keeps_room=True)
    qtbot.addWidget(card)
    places = []
    for distance in (0.5, 3.0):
        answer = Prediction(path=Path(), class_name="red", probability=1.0, top5=(("red", 1.0),), distance=distance)
        card.show_prediction(answer, "red", ())
        card.resize(320, 400)
        card.show()
        qtbot.waitExposed(card)
        places.append((card.unlike.isVisible(), card.bars.y()))
    assert [shown for shown, _ in places] == [False, True] and places[0][1] == places[1][1]


def test_what_is_lost_of_an_image_is_said(qtbot, window, page, classify, tmp_path):
    frames = [Image.new("L", (40, 40), 60 * place) for place in range(3)]
    frames[0].save(tmp_path / "planes.tif", save_all=True, append_images=frames[1:])
    classify(tmp_path / "planes.tif")
    assert FIRST_PLANE in page.panel.card.facts.text() and page.grid.tile(1).tone == "warn"
