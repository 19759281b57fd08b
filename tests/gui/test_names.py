"""Names are shown as they are: never put into another language, and one that is no Unicode stops no page."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QComboBox, QLabel, QLineEdit, QWidget

from gui.app import PAGES as APP_PAGES
from gui.kit import i18n
from gui.predict.predicting import Answers
from gui.preferences import Settings, load_settings, save_settings
from gui.shell.window import MainWindow
from visionft.export.predictor import Prediction

Indexes = Callable[[QAbstractItemView], list[QModelIndex]]
NAME, COLOURS = "Zebra", ("red", "green", "blue")
PAGES = [page.name for page in APP_PAGES]
ROLES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole)


def all_texts(root: QWidget, indexes: Indexes) -> Iterator[str]:
    """Yield all that a window says, or would say to a screen reader or over a waiting pointer."""
    for widget in (root, *root.findChildren(QWidget)):
        yield from (widget.toolTip(), widget.accessibleName(), widget.accessibleDescription(), widget.windowTitle())
        yield from (action.text() for action in widget.actions())
        if isinstance(widget, QLabel | QAbstractButton | QLineEdit):
            yield widget.text()
        if isinstance(widget, QComboBox):
            yield from (widget.itemText(place) for place in range(widget.count()))
        if isinstance(widget, QAbstractItemView) and widget.model() is not None:
            yield from (str(index.data(role) or "") for index in indexes(widget) for role in ROLES)


@pytest.fixture
def speaks_of_zebras(tmp_path, monkeypatch) -> Iterator[None]:
    """Let the window speak a language that has a word for everything that something is called here."""
    files = [f"{NAME} {name} {number}.png" for name in COLOURS for number in range(9)]
    words = {name: f"WRONG {name}" for name in (NAME, f"{NAME} green", f"{NAME} red", *files)}
    (tmp_path / "xx.json").write_text(json.dumps(words))
    monkeypatch.setattr(i18n, "_FOLDER", tmp_path)
    i18n.use_language("xx")
    yield
    i18n.use_language(i18n.ENGLISH)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_translates_a_name(window, name_all, speaks_of_zebras, qtbot, indexes, name):
    assert window.state.open_project(name_all(folder_name=NAME, name=NAME, file_name=f"{NAME} {{}}.png"))
    i18n.use_language("xx")  # opening a project is kept in the settings, and they put English into force
    other = MainWindow(window.state, APP_PAGES, bottom_pages=("settings",))
    qtbot.addWidget(other)
    other.show()
    other.show_page(name)
    visit(other, name)
    texts = list(all_texts(other, indexes))
    assert any(NAME in words for words in texts)
    assert not [words for words in texts if "WRONG" in words]
    other.hide()


def visit(window: MainWindow, name: str) -> None:
    """Open what a page has behind its first view."""
    page: Any = window.page(name)
    QApplication.processEvents()
    if name == "label":
        page.grid.selection.set_current(0)
        page.labels.view(True)
        page.show_only((1, 2), NAME)
    if name == "train":
        page.queue_button.click()
    if name == "results":
        for button in page.view_buttons.buttons():
            button.click()
            QApplication.processEvents()
    if name == "try":
        path = next((window.state.path.parent / "source").rglob("*.png"))
        answer = Prediction(path=path, class_name=NAME, probability=0.9, top5=((NAME, 0.9), ("b", 0.1)), model_ms=1.0)
        page.offer_models([window.state.path / NAME / "model.onnx"])
        page.show_answers(Answers(answers=(answer,), class_names=(NAME, "b"), provider="CPU", milliseconds_each=1.0))
        page.grid.selection.set_current(0)
    QApplication.processEvents()


# -- names that are no Unicode ------------------------------------------------------------------------------------

BROKEN = os.fsdecode(b"caf\xe9 \xff")  # bytes of a Linux file name that are not UTF-8


@pytest.fixture
def broken_folder(tmp_path) -> Path:
    """Return a folder of class folders and pictures, all of whose names are not UTF-8; one picture cannot be read."""
    folder = tmp_path / BROKEN
    try:
        (folder / BROKEN).mkdir(parents=True)
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    Image.new("RGB", (30, 20), (200, 10, 10)).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(folder / BROKEN / f"{BROKEN}.png")
    (folder / BROKEN / f"broken {BROKEN}.png").write_bytes(b"no picture")
    return folder


def test_recent_projects_of_such_names_are_kept_and_shown(window, broken_folder, tmp_path):
    places = (str(broken_folder), str(tmp_path / "gone" / BROKEN))
    window.state.change_settings(recent_projects=places)
    window.show_page("project")
    window.grab()
    assert load_settings().recent_projects == places
    save_settings(Settings(weights_folder=BROKEN))
    assert load_settings().weights_folder == BROKEN


def test_an_import_of_such_names_is_previewed(qtbot, window, broken_folder, tmp_path):
    window.state.create_project(tmp_path / "p")
    window.show_page("project")
    page = window.page("project")
    page.take_source(broken_folder)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=20_000)
    window.grab()
    assert page.imports.panel.isVisible() and page.imports.panel.table.rowCount() == 2
    assert window.toasts.message() == ""


def test_answers_about_pictures_of_such_names_are_shown(qtbot, window, broken_folder):
    window.show_page("try")
    page = window.page("try")
    paths = sorted((broken_folder / BROKEN).iterdir())
    answers = [
        Prediction(path=path, class_name="red", probability=0.9, top5=(("red", 0.9),), model_ms=1.0, error=error)
        for path, error in zip(paths, ("cannot be read", ""), strict=True)
    ]
    page.offer_models([broken_folder / "model.onnx"])
    page.show_answers(Answers(answers=tuple(answers), class_names=("red",), provider="CPU", milliseconds_each=1.0))
    for place in range(len(answers)):
        page.grid.selection.set_current(place)
        qtbot.wait(100)  # the picture is read beside the window
        window.grab()
    assert page.model() == broken_folder / "model.onnx"
    assert page.grid.count() == 2
