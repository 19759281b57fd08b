"""Names are shown unchanged: never translated, and a name with invalid Unicode breaks no page."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from named_project import name_all
from PIL import Image
from PySide6.QtWidgets import QApplication
from translations import as_mo

from gui.app import PAGES as APP_PAGES
from gui.home.import_report import LeftOutDialog
from gui.kit import translation
from gui.predict.predicting import PredictionBatch
from gui.preferences import Settings, load_settings, save_settings
from gui.shell.window import MainWindow
from models import languages
from visionft.export.predictor import Prediction

NAME, COLOURS = "Zebra", ("red", "green", "blue")
PAGES = [page.name for page in APP_PAGES]


@pytest.fixture
def speaks_of_zebras(tmp_path, monkeypatch) -> Iterator[None]:
    """Set a window language with a translation for every name in use here."""
    files = [f"{NAME} {name} {number}.png" for name in COLOURS for number in range(9)]
    words = {name: f"WRONG {name}" for name in (NAME, f"{NAME} green", f"{NAME} red", *files)}
    (tmp_path / "xx/LC_MESSAGES").mkdir(parents=True)
    messages = {("", ""): ["Content-Type: text/plain; charset=utf-8\n"]} | {
        (name, ""): [it] for name, it in words.items()
    }
    (tmp_path / "xx/LC_MESSAGES/visionft.mo").write_bytes(as_mo(messages))
    monkeypatch.setattr(languages, "FOLDER", tmp_path)
    translation.use_language("xx")
    yield
    translation.use_language(translation.ENGLISH)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_translates_a_name(window, tmp_path, speaks_of_zebras, qtbot, texts_of, name):
    assert window.state.open_project(name_all(tmp_path, folder_name=NAME, name=NAME, file_name=f"{NAME} {{}}.png"))
    translation.use_language("xx")  # opening a project is stored in the settings, and applies English
    other = MainWindow(window.state, APP_PAGES, bottom_pages=("settings",))
    qtbot.addWidget(other)
    other.show()
    other.show_page(name)
    visit(other, name)
    texts = list(texts_of(other))
    assert any(NAME in words for words in texts)
    assert not [words for words in texts if "WRONG" in words]
    other.hide()


def visit(window: MainWindow, name: str) -> None:
    """Open the further views of a page."""
    page: Any = window.page(name)
    QApplication.processEvents()
    if name == "label":
        page.grid.selection.set_current(0)
        page.labels.view(True)
        page.show_only((1, 2), NAME)
    if name == "train":
        page.switch.buttons["queue"].click()
    if name == "results":
        for button in page.view_buttons.buttons():
            button.click()
            QApplication.processEvents()
    if name == "try":
        path = next((window.state.path.parent / "source").rglob("*.png"))
        answer = Prediction(path=path, class_name=NAME, probability=0.9, top5=((NAME, 0.9), ("b", 0.1)), model_ms=1.0)
        page.offer_models([window.state.path / NAME / "model.onnx"])
        batch = PredictionBatch(predictions=(answer,), class_names=(NAME, "b"), provider="CPU")
        page.show_predictions(batch)
        page.grid.selection.set_current(0)
    QApplication.processEvents()


# -- names with invalid Unicode -----------------------------------------------------------------------------------

BROKEN = os.fsdecode(b"caf\xe9 \xff")  # bytes of a Linux file name, invalid in UTF-8


@pytest.fixture
def broken_folder(tmp_path) -> Path:
    """Return class folders and images, all with names invalid in UTF-8; one image is unreadable."""
    folder = tmp_path / BROKEN
    try:
        (folder / BROKEN).mkdir(parents=True)
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    Image.new("RGB", (30, 20), (200, 10, 10)).save(tmp_path / "image.png")
    (tmp_path / "image.png").rename(folder / BROKEN / f"{BROKEN}.png")
    (folder / BROKEN / f"broken {BROKEN}.png").write_bytes(b"no image")
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
    assert page.imports.panel.isVisible()
    page.imports.panel.left_out.show_button.click()
    files = page.imports.panel.findChild(LeftOutDialog)
    assert files.table.rowCount() == 2
    files.close()
    assert window.toasts.message() == ""


def test_answers_about_images_of_such_names_are_shown(qtbot, window, broken_folder):
    window.show_page("try")
    page = window.page("try")
    paths = sorted((broken_folder / BROKEN).iterdir())
    answers = [
        Prediction(path=path, class_name="red", probability=0.9, top5=(("red", 0.9),), model_ms=1.0, error=error)
        for path, error in zip(paths, ("cannot be read", ""), strict=True)
    ]
    page.offer_models([broken_folder / "model.onnx"])
    batch = PredictionBatch(predictions=tuple(answers), class_names=("red",), provider="CPU")
    page.show_predictions(batch)
    for place in range(len(answers)):
        page.grid.selection.set_current(place)
        qtbot.wait(100)  # the image is read in the background
        window.grab()
    assert page.model() == broken_folder / "model.onnx"
    assert page.grid.count() == 2
