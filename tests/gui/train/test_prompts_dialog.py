"""Class descriptions in the window: applied in one step, refused, measured, cancelled."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from projects import project_of
from PySide6.QtCore import Qt

from gui.kit.translation import tr
from gui.shell.window import MainWindow
from gui.train.prompts_dialog import PromptsDialog
from gui.train.train_choices import suited_backbone
from gui.train.train_page import TrainPage
from visionft.evaluation.prompt_evaluation import ClassPromptScore, LineScore, PromptReport
from visionft.project.edits.changes import UnlabelImages
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
    assert [row[3] for row in dialog.classes.texts()] == ["a pet", tr("its name"), tr("its name")]
    assert dialog.class_title.text() == "cat" and "a pet." in dialog.read_as.text()
    write(qtbot, dialog, 1, "one {}")
    assert dialog.class_title.text() == "dog" and "“one dog”" in dialog.read_as.text()
    assert dialog.changed() == {"dog": ("one {}",)}
    dialog.templates.setCurrentIndex(1)
    dialog.classes.selectRow(0)
    assert dialog.read_as.text().count("pet") == 3 and dialog.template_set == "seven"


def test_an_empty_line_is_refused_and_the_same_words_are_warned_of(qtbot, dialog) -> None:
    dialog.editor.setPlainText("a pet\n\na tom")
    assert "“cat”" in dialog.fault.text() and not dialog.save_button.isEnabled()
    dialog.editor.setPlainText("a pet\n")
    assert dialog.save_button.isEnabled() and not dialog.fault.isVisible()
    write(qtbot, dialog, 2, "A pet")
    assert "cat, wolf" in dialog.fault.text() and dialog.save_button.isEnabled()


def test_few_images_are_told_as_a_count_and_not_as_a_share(dialog) -> None:
    def scored(name: str, images: int, recall: float) -> ClassPromptScore:
        lines = tuple(LineScore(line=line, accuracy=recall, recall=recall) for line in (name, "it"))
        return ClassPromptScore(
            class_name=name, is_name_alone=False, images=images, recall=recall, confused_with="", lines=lines
        )

    classes = scored("cat", 1, 1.0), scored("dog", 40, 0.95), scored("wolf", 2, 0.5)
    report = PromptReport(
        backbone="b",
        templates="photo",
        metric="accuracy",
        images=43,
        accuracy=0.9,
        interval=(0.8, 0.95),
        by_names=0.9,
        classes=classes,
    )
    dialog.show_report(report)
    assert [row[1] for row in dialog.classes.texts()] == ["1 of 1", "95%", "1 of 2"]
    assert dialog.lines.texts()[0][1] == "1 of 1"
    dialog.show_report(replace(report, metric="average precision", interval=None))
    assert dialog.classes.texts()[0][1] == "100%"  # it counts no images


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


def test_which_prompt_helps_is_measured_and_forgotten_with_the_words(qtbot, page: TrainPage, in_dialog) -> None:
    def act(found: PromptsDialog) -> None:
        found.classes.selectRow(2)
        found.editor.setPlainText("red\nblue")
        qtbot.mouseClick(found.evaluate_button, LEFT)
        qtbot.waitUntil(lambda: "100.0%" in found.summary.text(), timeout=60_000)
        assert found.evaluate_button.isEnabled()
        assert found.lines.texts()[0][:2] == ["red", "8 of 8"] and found.lines.texts()[1][:2] == ["blue", "0 of 8"]
        found.editor.setPlainText("red")
        assert not found.summary.isVisible() and not found.lines.isVisible()

    in_dialog(act)
    page.draft.edit_prompts()


def test_without_labels_nothing_is_measured_but_a_run_may_start(page: TrainPage, window, in_dialog) -> None:
    session = window.state.session
    session.apply(UnlabelImages(tuple(image.image_id for image in session.snapshot().images)))
    assert page.draft.is_divided and page.draft.is_ready()
    enabled: list[bool] = []
    in_dialog(lambda found: enabled.append(found.evaluate_button.isEnabled()))
    page.draft.edit_prompts()
    assert enabled == [False]


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
