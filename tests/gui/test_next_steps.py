"""The next step of an error is a button, and pressing it fixes the problem: no terminal is needed."""

from pathlib import Path
from typing import get_args

import pytest
from modal import answer
from PySide6.QtCore import Qt

from gui.app import PAGES
from gui.home.recovery import RestoreDialog
from gui.kit import dialogs
from gui.next_steps import STEPS
from gui.shell.window import MainWindow
from visionft.core.errors import Action, NextStep
from visionft.project.store import ProjectStore

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def refuse_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user think better of every question."""
    for name, reply in (("ask_folder", None), ("ask_files", []), ("ask_choice", None), ("ask_yes", False)):
        monkeypatch.setattr(dialogs, name, lambda *_args, reply=reply, **_options: reply)


def press(qtbot, window: MainWindow, action: Action) -> None:
    """Press the banner's button of a step."""
    button = window.toasts.newest.action_button
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
        monkeypatch.setattr(window.state.jobs, "run", lambda *_args, **_options: None)
    step = NextStep(action, backbone="resnet18", requirement="timm>=1", columns=("a", "b"))
    window.state.show_message("Something is wrong.", next_step=step)
    press(qtbot, window, action)
    assert window.current_page.name == STEPS[action].page
    finish()


def backed_up(project_dir: Path) -> None:
    with ProjectStore.open(project_dir) as project:
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
