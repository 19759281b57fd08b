"""The draft of a run: presets and Modified, costs on the cards, weights at hand, the preview, the rate finder."""

import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from gui.train.train_choices import ELSEWHERE, HERE, backbone_choices
from gui.train.train_page import TrainPage
from models.catalog import BACKBONES
from visionft.core.errors import RunError
from visionft.training.estimate import SetFacts, StepCost, keep_cost
from visionft.training.run_settings import preset_of_project, run_settings

LEFT = Qt.MouseButton.LeftButton
COST = StepCost(setup_s=1.0, step_s=2.0, inference_s=0.1, decode_s=0.0, memory_mb=2048, device="CPU", micro_batch=8)


def choose(box, name: str) -> None:
    box.setCurrentIndex(box.findData(name))


@pytest.fixture
def page(page: TrainPage) -> TrainPage:
    page.setup.more_button.click()
    return page


def test_a_fresh_draft_is_the_balanced_preset_of_this_project(page, window):
    session = window.state.session
    expected = preset_of_project("balanced", session.snapshot(), session.path)
    assert page.config() == expected and page.setup.presets.choice() == "balanced"
    assert not page.setup.modified_pill.isVisible() and not page.setup.reset_button.isVisible()


@pytest.mark.parametrize("preset", ["quick", "best"])
def test_a_preset_gives_the_settings_that_the_command_line_trains_with(qtbot, page, window, preset):
    session = window.state.session
    qtbot.mouseClick(page.setup.presets.tiles[preset], LEFT)
    assert page.config() == run_settings(session.snapshot(), session.path, {}, preset=preset)


def test_any_difference_shows_modified_and_reset_takes_it_back(qtbot, page):
    before = page.config()
    page.form.editor("epochs").setValue(before.epochs + 1)
    assert page.setup.modified_pill.isVisible()
    (caption,) = (label for label in page.form.findChildren(QLabel) if label.buddy() is page.form.editor("epochs"))
    assert caption.property("role") == "strong"
    page.form.editor("epochs").setValue(before.epochs)
    assert not page.setup.modified_pill.isVisible()
    qtbot.mouseClick(page.setup.methods.tiles["full"], LEFT)
    page.form.editor("ema_decay").setText("0.2")
    layers = page.setup.method_form("full").editor("layers")
    layers.setCurrentIndex(1 - layers.currentIndex())
    assert page.setup.modified_pill.isVisible() and "1 changed" in page.form.advanced_button.text()
    qtbot.mouseClick(page.setup.reset_button, LEFT)
    assert page.config() == before and not page.setup.modified_pill.isVisible()


SIZES = dict.fromkeys(BACKBONES, "45 MB")


def test_backbones_at_hand_come_first_and_few_others_until_all_are_wanted():
    here = ("resnet18_in1k", "starter_resnet", "resnet50")
    few = backbone_choices(here, SIZES, has_gpu=False, chosen="vit_base", shows_all=False)
    assert [choice.group for choice in few] == [HERE] * 3 + [ELSEWHERE] * (len(few) - 3)
    names = [choice.name for choice in few]
    assert names[:3] == ["resnet18_in1k", "starter_resnet", "resnet50"] and "vit_base" in names and len(names) < 8
    assert few[0].badge and not few[1].badge and "45 MB" in few[2].facts and "45 MB" in few[-1].facts
    every = backbone_choices(("starter_resnet",), SIZES, has_gpu=False, chosen="starter_resnet", shows_all=True)
    assert {choice.name for choice in every} == set(BACKBONES)
    assert [choice.name for choice in every][-2:] == ["test_resnet", "test_vit"]


def test_a_measured_cost_is_shown_on_the_summary_and_the_cards(page, window):
    def is_on(card: QWidget) -> bool:
        return any("2.1 GB" in label.text() for label in card.findChildren(QLabel) if not label.isHidden())

    unknown = page.setup.cost.text()
    keep_cost(page.config(), SetFacts.of(window.state.session.snapshot()), COST)
    page.draft.show()
    assert "2.1 GB" in page.setup.cost.text()
    assert is_on(page.setup.methods.tiles["linear"])  # Balanced's choice for so few images
    assert not is_on(page.setup.methods.tiles["full"])
    assert is_on(page.setup.presets.tiles["balanced"])
    page.form.editor("batch_size").setValue(page.config().batch_size + 1)
    assert page.setup.cost.text() == unknown


def test_measure_runs_beside_the_window_and_can_be_stopped(qtbot, page, window, monkeypatch, finish):
    asked, threads = [], []

    def estimate_run(config, images, *, job):
        threads.append(threading.current_thread())
        asked.append(config.method)
        while len(asked) == 2 and not job.is_cancelled:
            pass
        keep_cost(config, SetFacts.of(images), COST)

    monkeypatch.setattr("visionft.training.estimate.estimate_run", estimate_run)
    qtbot.mouseClick(page.setup.measure_button, LEFT)
    finish()
    assert asked == ["linear"] and "2.1 GB" in page.setup.cost.text()
    assert threads[0] is not threading.main_thread()
    qtbot.mouseClick(page.setup.measure_button, LEFT)
    qtbot.waitUntil(lambda: len(asked) == 2)
    assert window.job_bar.lines[0].stop_button.isVisible()
    qtbot.mouseClick(window.job_bar.lines[0].stop_button, LEFT)
    finish()
    assert window.toasts.message() == ""


def test_settings_that_do_not_fit_are_said(qtbot, page, window, monkeypatch, finish):
    def estimate_run(config, images, **_hooks):
        raise RunError(f"{config.method}: 9 GB")

    monkeypatch.setattr("visionft.training.estimate.estimate_run", estimate_run)
    qtbot.mouseClick(page.setup.measure_button, LEFT)
    finish()
    assert "linear: 9 GB" in window.toasts.message()
