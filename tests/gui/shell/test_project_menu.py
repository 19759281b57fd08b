"""The project menu on a real project; every verb of the command line has its place in the window."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from modal import answer
from PySide6.QtCore import QFile, QPoint, Qt

from gui.kit import dialogs
from gui.kit.thumbnail_cache import shown_reading
from gui.kit.thumbnails import load_thumbnail
from gui.shell.project_care import HistoryDialog, LabelExportDialog, RemovedDialog
from gui.shell.window_dialog import WindowDialog
from visionft.cli import COMMANDS
from visionft.data.image_reading import AS_STORED
from visionft.project.edits.changes import AddClass, RemoveImages
from visionft.project.formats.registry import FORMATS
from visionft.project.importing.importer import import_source
from visionft.project.safety.backups import list_backups
from visionft.project.store import ProjectStore

LEFT = Qt.MouseButton.LeftButton


def run(window, name: str) -> None:
    window.commands.action(name).trigger()


@pytest.fixture
def agrees(monkeypatch) -> list[tuple[str, str]]:
    """Let the user agree to every question; return the questions (title, text)."""
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(dialogs, "ask_yes", lambda _parent, *words, **_options: asked.append(words) or True)
    return asked


@pytest.fixture
def opened(window, project_dir):
    window.state.open_project(project_dir)
    return window


def test_the_history_goes_back_to_a_point_and_forward_again(qtbot, opened):
    session = opened.state.session
    for name in ("one", "two"):
        session.apply(AddClass(name))
    told = []

    def choose(place: int) -> Callable[[HistoryDialog], None]:
        def act(dialog: HistoryDialog) -> None:
            assert not dialog.go_button.isEnabled()  # the mark begins where the project is
            dialog.table.selectRow(place)
            told.append(re.findall(r"\d+", dialog.effect.text()))
            qtbot.mouseClick(dialog.go_button, LEFT)

        return act

    answer(HistoryDialog, choose(2))
    run(opened, "project.history")
    assert session.snapshot().class_names == ("blue", "green", "red")
    answer(HistoryDialog, choose(0))
    run(opened, "project.history")
    assert session.snapshot().class_names == ("blue", "green", "red", "one", "two")
    assert told == [["2"], ["2"]]


def test_a_backup_is_made_and_stays(opened, finish):
    run(opened, "project.back_up")
    finish()
    assert opened.toasts.newest.tone == "good"
    assert list_backups(opened.state.path)[0].is_own


@pytest.mark.parametrize("kind", ["csv", "jsonl", "folders", "coco", "label_studio", "huggingface"])
def test_labels_are_exported_and_come_in_again(qtbot, opened, finish, tmp_path, monkeypatch, kind):
    file = f"labels{(FORMATS[kind].suffixes or ('',))[0]}"
    monkeypatch.setattr(dialogs, "ask_save_file", lambda *_args, **_options: tmp_path / file)
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args, **_options: tmp_path / "out")
    (tmp_path / "out").mkdir()

    def act(dialog: LabelExportDialog) -> None:
        dialog.tiles[kind].click()
        assert not dialog.export_button.isEnabled()
        qtbot.mouseClick(dialog.place_button, LEFT)
        qtbot.mouseClick(dialog.export_button, LEFT)

    answer(LabelExportDialog, act)
    run(opened, "project.export_labels")
    finish()
    assert "25" in opened.toasts.message()
    source = tmp_path / file if FORMATS[kind].is_file else tmp_path / "out" / "project"
    with ProjectStore.create(tmp_path / "again") as again:
        assert import_source(again, source).classes == {"blue": 7, "green": 8, "red": 10}


def test_images_that_were_taken_out_come_back(qtbot, opened):
    actions, session = opened.state.actions, opened.state.session
    assert actions.why_not("project.restore_images")
    session.apply(RemoveImages((1, 2, 3)))

    def act(dialog: RemovedDialog) -> None:
        assert dialog.table.rowCount() == 3 and "3" in dialog.restore_button.text()
        dialog.table.selectRow(1)
        qtbot.mouseClick(dialog.restore_button, LEFT)

    answer(RemovedDialog, act)
    run(opened, "project.restore_images")
    assert {image.image_id for image in session.snapshot().images} & {1, 2, 3} == {2}
    qtbot.mouseClick(opened.toasts.newest.action_button, LEFT)
    assert len(session.snapshot().images) == 22


def test_a_duplicate_is_offered_and_opened(qtbot, opened, finish, tmp_path, monkeypatch):
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args, **_options: tmp_path)
    run(opened, "project.duplicate")
    finish()
    qtbot.mouseClick(opened.toasts.newest.action_button, LEFT)
    assert opened.state.path == tmp_path / "project copy"
    assert opened.state.session.project.summary().images == 25


@pytest.fixture
def trash(monkeypatch, tmp_path) -> Path:
    """Return a folder in place of the system's trash."""
    folder = tmp_path / "trash"
    folder.mkdir()
    monkeypatch.setattr(QFile, "moveToTrash", lambda name: bool(Path(name).rename(folder / Path(name).name)))
    return folder


def test_a_project_goes_to_the_trash_and_its_images_stay(opened, images, trash, agrees):
    path = opened.state.path
    run(opened, "project.delete")
    assert "project" in agrees[0][0] and "25" in agrees[0][1]
    assert opened.state.session is None and not path.exists()
    assert (trash / "project" / "project.db").is_file() and len(list(images.rglob("*.png"))) == 25
    assert str(path) not in opened.state.settings.recent_projects
    assert "project" in opened.toasts.message()


def test_what_is_not_the_program_s_stays_in_the_folder(opened, trash, agrees):
    path = opened.state.path
    for name in ("features", "curation", "retrieval", "external", "jobs"):
        (path / name).mkdir()
    (path / "recommendation.json").write_text("{}")
    (path / "holiday.jpg").write_bytes(b"mine")
    run(opened, "project.delete")
    assert [each.name for each in path.iterdir()] == ["holiday.jpg"]
    assert any(each.name == "project.db" for each in trash.rglob("*"))


def test_without_a_trash_nothing_happens(opened, agrees, monkeypatch):
    path = opened.state.path
    (path / "holiday.jpg").write_bytes(b"mine")
    monkeypatch.setattr(QFile, "moveToTrash", lambda _name: False)
    run(opened, "project.delete")
    assert str(path) in opened.toasts.message()
    with ProjectStore.open(path) as project:
        assert project.summary().images == 25


@pytest.fixture
def microscope(window, tmp_path) -> Path:
    """Return a project of images of 16 bits, open in the window; their values are 400 to 1,300."""
    (tmp_path / "deep").mkdir()
    values = np.linspace(400, 1300, 40 * 50).reshape(40, 50).astype(np.uint16)
    for number in range(3):
        tifffile.imwrite(tmp_path / "deep" / f"{number}.tif", np.roll(values, number))
    with ProjectStore.create(tmp_path / "microscope") as project:
        import_source(project, tmp_path / "deep")
    window.state.open_project(tmp_path / "microscope")
    return tmp_path / "microscope"


def test_the_window_of_the_images_is_seen_and_changed(qtbot, window, microscope, project_dir):
    image = microscope.parent / "deep" / "0.tif"
    assert load_thumbnail(image).constBits() is not None
    before = load_thumbnail(image).pixelColor(0, 0).red(), load_thumbnail(image).pixelColor(49, 39).red()
    assert before[0] < 5 and before[1] > 250

    shown = []

    def narrow(dialog: WindowDialog) -> None:
        shown.append((dialog.low_box.value(), dialog.high_box.value()))
        qtbot.waitUntil(lambda: not dialog.pictures[0].pixmap().isNull())
        dialog.histogram.resize(500, 100)
        qtbot.mouseClick(dialog.histogram, LEFT, pos=QPoint(200, 50))
        shown.append(dialog.low_box.value())
        qtbot.mouseClick(dialog.use_button, LEFT)

    answer(WindowDialog, narrow)
    run(window, "project.window")
    assert shown[0] == pytest.approx((400, 1300), abs=2) and 750 < shown[1] < 770
    choice = window.state.session.project.window
    assert choice.is_own and 750 < choice.reading.windows[0][0] < 770
    assert window.state.session.snapshot().image_reading == choice.reading
    # The grid's images are read so at once.
    middle = load_thumbnail(image)
    assert middle.pixelColor(25, 10).red() < 5 and middle.pixelColor(49, 39).red() > 250
    for path, expected in ((project_dir, AS_STORED), (microscope, choice.reading)):
        window.state.open_project(path)
        assert shown_reading() == expected
    answer(WindowDialog, lambda dialog: (dialog.stored_button.click(), dialog.use_button.click()))
    run(window, "project.window")
    assert window.state.session.project.window is None and load_thumbnail(image).pixelColor(49, 39).red() < 10
    run(window, "edit.undo")
    assert window.state.session.project.window == choice and shown_reading() == choice.reading
    assert load_thumbnail(image).pixelColor(49, 39).red() > 250


# Place of each verb of the command line in the window: a command, or an element of its page.
PLACES = {
    "project new": "file.new", "import": "file.import", "label set": "page.label", "split": "project.split",
    "project info": "page.project", "train": "run.start", "evaluate": "run.evaluate",
    "project set": "project.window",
    "model export": "run.export", "model verify": "page.export", "predict": "page.try",
    "model index": "page.export", "label prompts": "run.prompts",
    "run combine": "run.combine", "run list": "page.results", "run compare": "page.results",
    "label suggest": "page.label",
    "recommend": "run.advise",
    "curate check": "page.curate", "curate report": "page.curate", "weights list": "page.train",
    "project undo": "edit.undo", "project history": "project.history",
    "project check": "project.check", "project backup": "project.back_up", "project restore": "project.restore",
    "project relink": "project.relink", "project copy": "project.duplicate", "label export": "project.export_labels",
    "doctor": "run.check", "demo": "file.sample",
    "weights fetch": "run.weights", "weights import": "run.weights", "weights remove": "run.weights",
    "app": "page.project", "help": "help.manual",
    "job pack": "run.pack_job", "job run": "run.pack_job", "job import": "run.import_result",
}  # fmt: skip


# The window sends nothing to anybody.
COMMAND_LINE_ALONE = {"model push"}


def test_every_verb_of_the_command_line_has_its_place(window):
    assert set(COMMANDS) == set(PLACES) | COMMAND_LINE_ALONE
    known = {action.id for action in window.state.actions}
    assert not [place for place in PLACES.values() if place not in known]
