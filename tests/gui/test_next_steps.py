"""The next step of an error is a button, and pressing it fixes the problem: no terminal is needed."""

import shutil
import sys
from pathlib import Path
from typing import get_args

import pytest
from modal import answer
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication

from gui.app import PAGES
from gui.home.recovery import RestoreDialog
from gui.kit import dialogs
from gui.next_steps import STEPS, button_of
from gui.results import evaluation_controller
from gui.results.results_page import COMPARE
from gui.settings.weights_actions import WeightsDialog
from gui.shell.window import MainWindow
from models.errors import Action
from visionft.errors import NextStep
from visionft.installation import refusal
from visionft.project.store import Project

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def refuse_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user think better of every question."""
    for name, reply in (("ask_folder", None), ("ask_files", []), ("ask_choice", None), ("ask_yes", False)):
        monkeypatch.setattr(dialogs, name, lambda *_args, reply=reply, **_options: reply)


def press(qtbot, window: MainWindow, action: Action) -> None:
    """Press the banner's button of a step."""
    button = window.toasts.newest.way_button
    assert button.isVisible() and button.text() == STEPS[action].title, window.toasts.message()
    qtbot.mouseClick(button, LEFT)


def test_every_action_has_a_button_on_a_page_of_the_window():
    assert set(STEPS) == set(get_args(Action))
    assert {button.page for button in STEPS.values()} <= {entry.name for entry in PAGES}


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("action", get_args(Action))
def test_every_step_leads_to_its_page_also_without_facts(
    qtbot, window, project_dir, refuse_all, monkeypatch, action, is_open, finish
):
    monkeypatch.setenv("VISIONFT_OFFLINE", "1")
    if is_open:
        window.state.open_project(project_dir)
    if action in ("create_project", "list_weights") or (action == "restore" and is_open):
        answer(object, lambda dialog: dialog.reject())
    if action in ("fetch_weights", "diagnose", "find_issues"):
        monkeypatch.setattr(window.state.tasks, "run", lambda *_args, **_options: None)
    step = NextStep(action, backbone="resnet18", requirement="timm>=1", columns=("a", "b"))
    window.state.say("Something is wrong.", next_step=step)
    press(qtbot, window, action)
    assert window.current_page.name == STEPS[action].page
    finish()


def test_a_class_with_too_few_images_for_a_test_set_is_split_without(qtbot, window, make_project, finish):
    window.state.open_project(make_project("few", {"red": 6, "blue": 2}))
    window.take_step(NextStep("split"))
    finish()
    press(qtbot, window, "split_without_test")
    finish()
    splits = window.state.session.project.summary().splits
    assert splits["val"] > 0 and splits["test"] == 0


def backed_up(project_dir: Path) -> None:
    with Project.open(project_dir) as project:
        project.back_up()


def test_a_damaged_project_is_restored_from_the_banner(qtbot, window, project_dir, finish):
    backed_up(project_dir)
    (project_dir / "project.db").write_bytes(b"rubbish" * 1000)
    assert not window.state.open_project(project_dir)
    answer(RestoreDialog, lambda dialog: dialog.accept())
    press(qtbot, window, "restore")
    finish()
    qtbot.waitUntil(lambda: window.state.path == project_dir, timeout=20_000)
    assert window.state.session.project.summary().images == 25
    assert window.toasts.newest.tone == "good"


def test_a_restored_open_project_is_closed_first_and_a_refusal_changes_nothing(qtbot, window, project_dir, finish):
    backed_up(project_dir)
    window.state.open_project(project_dir)
    session = window.state.session
    answer(RestoreDialog, lambda dialog: dialog.reject())
    window.take_step(NextStep("restore"))
    assert window.state.session is session
    shutil.rmtree(project_dir / "images")
    answer(RestoreDialog, lambda dialog: dialog.accept())
    window.take_step(NextStep("restore"))
    finish()
    qtbot.waitUntil(lambda: window.state.session not in (None, session), timeout=20_000)
    assert window.state.path == project_dir


def test_a_project_that_another_program_changed_says_so_and_is_checked(qtbot, window, project_dir, finish):
    import sqlite3

    connection = sqlite3.connect(project_dir / "project.db", isolation_level=None)
    connection.execute("UPDATE image SET width = 9 WHERE id = 3")
    connection.close()
    window.state.open_project(project_dir)
    press(qtbot, window, "check")
    finish()
    assert window.toasts.newest.way_button.text() == STEPS["restore"].title


def test_images_that_were_moved_are_missed_and_found_again(
    qtbot, window, project_dir, images, tmp_path, monkeypatch, finish
):
    window.state.open_project(project_dir)
    images.rename(tmp_path / "elsewhere")
    window.take_step(NextStep("check"))
    finish()
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args, **_options: tmp_path / "elsewhere")
    press(qtbot, window, "relink")
    finish()
    assert "25" in window.toasts.message()
    assert all(image.path.is_file() for image in window.state.session.snapshot().images)


def table_of(images: Path) -> Path:
    """Return a folder of images with a table with unguessable column names."""
    files = sorted(images.rglob("*.png"))
    names = (file.relative_to(images).as_posix() for file in files)
    rows = "".join(f"{name},{'ab'[number % 2]},{'xyz'[number % 3]}\n" for number, name in enumerate(names))
    (images / "list.csv").write_text(f"file,kindness,shape\n{rows}")
    return images / "list.csv"


@pytest.mark.parametrize("is_labelled", [True, False])
def test_labels_that_were_not_understood_are_asked_for(qtbot, window, images, tmp_path, is_labelled, finish):
    window.state.create_project(tmp_path / "p")
    action = "choose_columns" if is_labelled else "import_unlabelled"
    window.take_step(NextStep(action, path=table_of(images), columns=("file", "kindness", "shape")))
    finish()
    panel = window.page("project").imports.panel
    if is_labelled:
        assert not panel.import_button.isEnabled() and panel.choice.fault()  # first the user decides the meaning
        header = panel.choice.table.horizontalHeader()
        where = QPoint(header.sectionViewportPosition(1) + 5, header.height() // 2)
        qtbot.mouseClick(header.viewport(), LEFT, pos=where)
        finish()
    qtbot.mouseClick(panel.import_button, LEFT)
    finish()
    summary = window.state.session.project.summary()
    assert summary.images == 25 and summary.labelled == (25 if is_labelled else 0)


def test_a_run_that_cannot_be_compared_is_evaluated_from_there(qtbot, window, image_ids, monkeypatch, finish):
    asked = []

    def evaluate(run_dir: Path, _images, split: str, **_hooks) -> None:
        asked.append((run_dir.name, split))

    monkeypatch.setattr(evaluation_controller, "evaluate", evaluate)
    window.show_page("results")
    page = window.page("results")
    (window.state.path / "runs" / "001-resnet18-lora" / "evaluation-val.json").unlink(missing_ok=True)
    page.mark_stale()
    qtbot.mouseClick(page.view_buttons.button(COMPARE), LEFT)
    button = page.images.comparison.empty.button
    assert button.isVisible()
    qtbot.mouseClick(button, LEFT)
    finish()
    assert asked == [("001-resnet18-lora", "val")]


def test_weights_that_cannot_be_fetched_are_imported_from_a_file(qtbot, window, tmp_path, monkeypatch, finish):
    from safetensors.numpy import save_file

    from models.catalog import BACKBONES

    monkeypatch.setenv("VISIONFT_OFFLINE", "1")
    monkeypatch.setenv("VISIONFT_WEIGHTS", str(tmp_path / "weights"))
    window.take_step(NextStep("fetch_weights", backbone="test_vit"))
    finish()
    from models.networks import build_network

    state = build_network(BACKBONES["test_vit"], classes=0, shape=BACKBONES["test_vit"].input_shape()).state_dict()
    save_file({name: value.numpy() for name, value in state.items()}, tmp_path / "brought.safetensors")
    monkeypatch.setattr(dialogs, "ask_files", lambda *_args, **_options: [tmp_path / "brought.safetensors"])
    press(qtbot, window, "import_weights")
    finish()
    assert (tmp_path / "weights" / "test_vit.safetensors").is_file()
    monkeypatch.setattr(dialogs, "ask_yes", lambda *_args, **_options: True)
    window.take_step(NextStep("remove_weights", backbone="test_vit"))
    assert not (tmp_path / "weights" / "test_vit.safetensors").exists()


def test_the_weights_can_be_looked_at_and_acted_on(qtbot, window, monkeypatch):
    seen = []
    monkeypatch.setattr(dialogs, "ask_files", lambda *_args, **_options: seen.append("asked") or [])

    def look(dialog: WeightsDialog) -> None:
        rows = [dialog.table.item(line, 0).text() for line in range(dialog.table.rowCount())]
        seen.append("resnet18" in rows and "starter_vit" in rows)
        dialog.table.selectRow(rows.index("starter_vit"))
        seen.append(dialog.fetch_button.isEnabled() or dialog.remove_button.isEnabled())
        qtbot.mouseClick(dialog.import_button, LEFT)

    answer(WeightsDialog, look)
    window.show_page("settings")
    qtbot.mouseClick(window.page("settings").show_weights_button, LEFT)
    assert seen == [True, False, "asked"]


def test_what_a_check_of_the_computer_finds_has_buttons(qtbot, window, monkeypatch, finish):
    found = ("VisionFT works offline.", (NextStep("install", requirement="timm>=1.0"), NextStep("import_weights")))
    monkeypatch.setattr("gui.settings.settings_page.check_computer", lambda **_hooks: found)
    window.take_step(NextStep("diagnose"))
    finish()
    page = window.page("settings")
    buttons = [page.step_row.itemAt(place).widget() for place in range(2)]
    assert [button.text() for button in buttons] == [STEPS["install"].title, STEPS["import_weights"].title]
    qtbot.mouseClick(buttons[0], LEFT)
    copied = QGuiApplication.clipboard().text()
    assert "pip install" in copied and "timm>=1.0" in copied


def test_a_program_without_python_offers_no_command(qtbot, window, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    QGuiApplication.clipboard().clear()
    step = NextStep("install", requirement="visionft[zero-shot]")
    window.state.say("open_clip is not installed.", next_step=step)
    assert button_of(step).title != STEPS["install"].title
    qtbot.mouseClick(window.toasts.newest.way_button, LEFT)
    assert window.toasts.message() == refusal(step.requirement).message
    assert QGuiApplication.clipboard().text() == ""
