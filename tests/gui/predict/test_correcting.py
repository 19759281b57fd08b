"""“Wrong, it is ...”, and what is unlike the pictures of training: by clicks and keys, under a tiny exported file."""

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage

from gui.kit import dialogs
from gui.predict.answer_card import AnswerCard
from gui.tasks import Lane, Task
from visionft.export.predictor import Prediction
from visionft.project.labelling import find_image
from visionft.project.queries import class_rows, count_images, image_rows
from visionft.project.store import Project

LEFT, ENTER = Qt.MouseButton.LeftButton, Qt.Key.Key_Return


@pytest.fixture
def page(window, project_dir, write_model):
    write_model(project_dir / "exports" / "001-run" / "model.onnx")
    window.state.open_project(project_dir)
    window.show_page("try")
    return window.page("try")


def settle(qtbot, window):
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=20_000)


def try_pictures(qtbot, window, page, sources):
    page.classify(sources)
    settle(qtbot, window)
    page.grid.selection.set_current(0)


def say(qtbot, window, page, name):
    page.panel.picker.setFocus()
    qtbot.keyClicks(page.panel.picker.lineEdit(), name)
    qtbot.keyClick(page.panel.picker.lineEdit(), ENTER)
    settle(qtbot, window)


def labels(window, path: Path) -> tuple[str, ...]:
    project: Project = window.state.session.project
    return image_rows(project, (find_image(project, path),))[0].labels


def test_a_wrong_answer_goes_into_the_project_and_undo_takes_it_back(qtbot, window, page, draw_folder, tmp_path):
    new = draw_folder(tmp_path / "new", {"red": 1}) / "red" / "red_000.png"
    new.write_bytes(new.read_bytes() + b"another file")
    before = count_images(window.state.session.project)
    try_pictures(qtbot, window, page, [new])
    say(qtbot, window, page, "green")
    assert labels(window, new) == ("green",) and count_images(window.state.session.project) == before + 1
    assert page.grid.tile(1).mark == "now “green”" and page.panel.picker.currentText() == ""
    assert "is in the project as “green”" in window.toasts.message()
    qtbot.mouseClick(window.toasts.newest.way_button, LEFT)  # Undo
    assert count_images(window.state.session.project) == before
    assert page.grid.tile(1).mark == ""


def test_several_pictures_at_once_found_by_a_part_of_the_name(qtbot, window, page, pictures):
    try_pictures(qtbot, window, page, [pictures / "red"])
    page.grid.selection.select_all()
    assert page.panel.picker.lineEdit().placeholderText() == "10 pictures: say what they are"
    picker = page.panel.picker
    picker.setFocus()
    qtbot.keyClicks(picker.lineEdit(), "lu")
    popup = picker.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    popup.setCurrentIndex(picker.completer().completionModel().index(0, 0))
    qtbot.keyClick(popup, ENTER)
    settle(qtbot, window)
    assert labels(window, pictures / "red" / "red_003.png") == ("blue",)
    assert "10 pictures are in the project as “blue”" in window.toasts.message()
    window.state.session.undo()
    assert labels(window, pictures / "red" / "red_003.png") == ("red",)


def test_a_pasted_picture_is_copied_into_the_project(qtbot, window, page):
    image = QImage(20, 20, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    QGuiApplication.clipboard().setImage(image)
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: bool(page.answers), timeout=20_000)
    settle(qtbot, window)
    page.grid.selection.set_current(0)
    say(qtbot, window, page, "blue")
    project = window.state.session.project
    (row,) = image_rows(project, (find_image(project, page.answers[0].path),))
    assert row.labels == ("blue",) and row.path.is_relative_to(project.path / "images")


def test_files_on_the_clipboard_are_tried(qtbot, window, page, pictures):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in sorted((pictures / "red").iterdir())[:3]])
    QGuiApplication.clipboard().setMimeData(data)
    qtbot.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(page.answers) == 3, timeout=20_000)
    settle(qtbot, window)


def test_a_class_that_the_project_lacks_is_asked_about(qtbot, window, page, pictures, monkeypatch):
    asked = []
    monkeypatch.setattr(dialogs, "ask_yes", lambda _parent, title, *args, **kwargs: asked.append(title) or False)
    try_pictures(qtbot, window, page, [pictures / "red" / "red_000.png"])
    say(qtbot, window, page, "hand")
    assert asked == ["Add the class “hand”?"] and labels(window, pictures / "red" / "red_000.png") == ("red",)
    monkeypatch.setattr(dialogs, "ask_yes", lambda *args, **kwargs: True)
    say(qtbot, window, page, "hand")
    assert labels(window, pictures / "red" / "red_000.png") == ("hand",)
    assert "hand" in {row.name for row in class_rows(window.state.session.project)}
    say(qtbot, window, page, "GREEN")  # the class there is, however it is typed
    assert labels(window, pictures / "red" / "red_000.png") == ("green",)


def test_an_export_of_another_project_says_so(qtbot, window, page, pictures, tmp_path, write_model):
    page.take_model(write_model(tmp_path / "foreign" / "model.onnx", names=["cat", "dog", "cow"]))
    try_pictures(qtbot, window, page, [pictures / "red" / "red_000.png"])
    assert "This file is not of this project, which has no “cat”" in page.panel.note()
    say(qtbot, window, page, "blue")
    assert labels(window, pictures / "red" / "red_000.png") == ("blue",)


def test_without_a_project_there_is_a_reason(qtbot, window, tmp_path, pictures, write_model):
    window.show_page("try")
    page = window.page("try")
    page.take_model(write_model(tmp_path / "alone" / "model.onnx"))
    try_pictures(qtbot, window, page, [pictures / "red" / "red_000.png"])
    assert not page.panel.picker.isEnabled() and "Open a project first" in page.panel.picker.toolTip()
    assert "Open a project first" in page.panel.note()


def test_what_is_unlike_the_pictures_says_so_first(qtbot, window, page, pictures, tmp_path, write_model):
    page.take_model(write_model(tmp_path / "far" / "model.onnx", border={}))
    try_pictures(qtbot, window, page, [pictures])
    tiles = [page.grid.tile(image_id) for image_id in page.grid.pictures.ids]
    unlike = [tile for tile in tiles if tile.title == "unlike your pictures"]
    assert {tile.path.parent.name for tile in unlike} == {"red"} and not any(tile.aside for tile in unlike)
    assert "unlike your pictures 10" in page.panel.tally()
    page.panel.order_box.setCurrentIndex(3)
    page.panel.order_box.activated.emit(3)
    page.grid.selection.set_current(0)
    assert page.panel.card.unlike.isVisible() and "from 1.00 on it is unlike them" in page.panel.card.facts()
    page.grid.selection.set_current(24)
    assert not page.panel.card.unlike.isVisible()


def test_a_rough_border_and_a_file_of_an_earlier_version_are_told_apart(
    qtbot, window, page, pictures, tmp_path, write_model
):
    try_pictures(qtbot, window, page, [pictures / "red" / "red_000.png"])
    assert "Distance" not in page.panel.card.facts() and not page.panel.card.unlike.isVisible()
    page.take_model(write_model(tmp_path / "rough" / "model.onnx", border={"split": "train"}))
    try_pictures(qtbot, window, page, [pictures / "red" / "red_000.png"])
    assert "That border is rough" in page.panel.card.facts()


def test_pictures_taken_with_the_camera_are_there_when_it_stops(qtbot, window, page, tmp_path, write_video):
    page.start_camera(write_video(tmp_path / "green.avi", frames=200))
    qtbot.waitUntil(lambda: not page.camera.view.image().isNull(), timeout=20_000)
    for _ in range(2):
        qtbot.mouseClick(page.camera.take_button, LEFT)
    qtbot.mouseClick(page.camera_button, LEFT)
    qtbot.waitUntil(lambda: len(page.answers) == 2, timeout=20_000)
    settle(qtbot, window)
    page.grid.selection.set_current(0)
    say(qtbot, window, page, "blue")
    project = window.state.session.project
    assert image_rows(project, (find_image(project, page.answers[0].path),))[0].labels == ("blue",)


def test_the_page_has_one_primary_button(qtbot, window, page, pictures):
    def primary():
        buttons = (page.files_button, page.drop_zone.choose_button, page.empty.button, page.camera.take_button)
        return [each.text() for each in buttons if each.isVisible() and each.property("role") == "primary"]

    assert primary() == ["Choose pictures"]
    try_pictures(qtbot, window, page, [pictures / "red" / "red_000.png"])
    assert primary() == ["Pictures"]


def test_it_works_while_a_run_trains(qtbot, window, page, pictures):
    is_over = threading.Event()

    def train(*, on_event, should_stop):
        is_over.wait(60)

    run = Task(title="Training", work=train, lane=Lane.TRAINING, page="train", device=True)
    handle = window.state.tasks.run(run, owner=page, on_done=lambda _result: None)
    page.classify([pictures / "red" / "red_000.png"])
    qtbot.waitUntil(lambda: len(page.answers) == 1, timeout=20_000)
    page.grid.selection.set_current(0)
    page.panel.picker.class_named.emit("blue")
    qtbot.waitUntil(lambda: labels(window, pictures / "red" / "red_000.png") == ("blue",), timeout=20_000)
    assert handle.is_running
    is_over.set()
    settle(qtbot, window)


def test_a_film_does_not_jump_when_it_shows_something_unlike(qtbot):
    card = AnswerCard(keeps_room=True)
    qtbot.addWidget(card)
    places = []
    for distance in (0.5, 3.0):
        answer = Prediction(path=Path(), class_name="red", probability=1.0, top5=(("red", 1.0),), distance=distance)
        card.show_answer(answer, "red", ())
        card.resize(320, 400)
        card.show()
        qtbot.waitExposed(card)
        places.append((card.unlike.isVisible(), card.bars.y()))
    assert [shown for shown, _ in places] == [False, True] and places[0][1] == places[1][1]


def test_another_model_answers_for_the_same_pictures(qtbot, window, page, pictures, tmp_path, write_model):
    picture = pictures / "red" / "red_000.png"
    try_pictures(qtbot, window, page, [picture])
    assert page.panel.tally() == "1 picture: red 1"
    page.take_model(write_model(tmp_path / "other" / "model.onnx", names=["rose", "leaf", "sky"]))
    page.choice.model_box.activated.emit(page.choice.model_box.currentIndex())
    settle(qtbot, window)
    assert [(answer.path, answer.class_name) for answer in page.answers] == [(picture, "rose")]
