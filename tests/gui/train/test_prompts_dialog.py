"""Class descriptions in the window: applied in one step, cancelled."""

from collections.abc import Callable
from pathlib import Path

import pytest
from projects import project_of
from PySide6.QtCore import Qt

from gui.kit.translation import tr
from gui.shell.window import MainWindow
from gui.train.prompts_dialog import PromptsDialog
from gui.train.train_choices import suited_backbone
from gui.train.train_page import TrainPage
from visionft.training.config.train_config import TrainConfig

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dialog(qtbot) -> PromptsDialog:
    made = PromptsDialog(("cat", "dog", "wolf"), (("a pet",), (), ()), "photo")
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def write(qtbot, dialog: PromptsDialog, place: int, words: str) -> None:
    dialog.classes.selectRow(place)
    dialog.editor.clear()
    qtbot.keyClicks(dialog.editor, words)


def test_each_class_shows_its_words_or_its_name_and_what_is_read(qtbot, dialog) -> None:
    assert [row[1] for row in dialog.classes.texts()] == ["a pet", tr("its name"), tr("its name")]
    assert dialog.class_title.text() == "cat" and "a pet." in dialog.read_as.text()
    write(qtbot, dialog, 1, "one {}")
    assert dialog.class_title.text() == "dog" and "“one dog”" in dialog.read_as.text()
    assert dialog.changed() == {"dog": ("one {}",)}
    dialog.templates.setCurrentIndex(1)
    dialog.classes.selectRow(0)
    assert dialog.read_as.text().count("pet") == 3 and dialog.template_set == "seven"


@pytest.fixture
def project(planted: Path, tmp_path: Path) -> Path:
    return project_of(tmp_path / "project", planted)


@pytest.fixture
def page(project: Path, tiny_clip: str, open_page) -> TrainPage:
    page = open_page("train", project)
    page.draft.take(TrainConfig(backbone=tiny_clip, method="zero_shot"))
    return page


@pytest.fixture
def in_dialog(monkeypatch) -> Callable[[Callable[[PromptsDialog], object]], None]:
    """Return a function to set the user's actions in the dialog."""

    def prepare(act: Callable[[PromptsDialog], object]) -> None:
        def answer(dialog: PromptsDialog) -> int:
            dialog.show()
            act(dialog)
            dialog.close()
            return dialog.result()

        monkeypatch.setattr(PromptsDialog, "exec", answer)

    return prepare


def test_words_are_taken_over_in_one_step_of_undo(qtbot, page: TrainPage, window: MainWindow, in_dialog) -> None:
    page.setup.more_button.setChecked(True)

    def act(found: PromptsDialog) -> None:
        write(qtbot, found, 0, "the sky")
        write(qtbot, found, 2, "a tomato")
        found.templates.setCurrentIndex(2)
        qtbot.mouseClick(found.save_button, LEFT)

    in_dialog(act)
    assert page.setup.prompts_button.isVisible() and page.setup.prompts_button.isEnabled()
    page.setup.prompts_button.click()
    assert window.state.session
    assert window.state.session.project.snapshot().prompts == (("the sky",), (), ("a tomato",))
    assert page.config().method_row.templates(page.config().method_options) == "none"
    window.state.session.undo()
    assert window.state.session.project.snapshot().prompts == ()


def test_cancelled_words_leave_nothing(qtbot, page: TrainPage, window: MainWindow, in_dialog) -> None:
    in_dialog(lambda found: write(qtbot, found, 0, "the sky"))
    page.draft.edit_prompts()
    assert window.state.session and window.state.session.project.snapshot().prompts == ()


def test_choosing_zero_shot_brings_a_network_that_reads(page: TrainPage) -> None:
    assert suited_backbone("zero_shot", "resnet18") == "pe_core_s"
    assert suited_backbone("zero_shot", "siglip2_b") == "siglip2_b"
    assert suited_backbone("lora", "resnet18") == "resnet18"
    page.setup.more_button.setChecked(True)
    page.draft.take(TrainConfig(backbone="resnet18", method="lora"))
    assert not page.setup.prompts_button.isVisibleTo(page.setup)
    page.setup.methods.chosen.emit("zero_shot")
    assert (page.config().method, page.config().backbone) == ("zero_shot", "pe_core_s")
    assert page.setup.prompts_button.isVisibleTo(page.setup)
