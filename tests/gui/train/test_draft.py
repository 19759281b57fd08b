"""The draft of a run: presets and Modified, costs on the cards, weights at hand, the preview, the rate finder."""

import threading

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from gui.train import augment_preview
from gui.train.network_search import MOST_SHOWN, NetworkSearch
from gui.train.train_choices import ELSEWHERE, HERE, WeightsFact, backbone_choices, command_line, run_details
from gui.train.train_page import TrainPage
from models.catalog import BACKBONES
from visionft.data.augment_preview import render
from visionft.errors import RunError
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts, StepCost, keep_cost
from visionft.training.preset_choice import preset_of_project
from visionft.training.run_settings import run_settings

LEFT = Qt.MouseButton.LeftButton
COST = StepCost(setup_s=1.0, step_s=2.0, look_s=0.1, decode_s=0.0, memory_mb=2048, device="CPU", micro_batch=8)


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


def test_a_network_that_is_clicked_is_trained_and_no_other(qtbot, page):
    assert page.config().try_networks
    qtbot.mouseClick(page.setup.backbones.tiles["starter_resnet"], LEFT)
    assert page.config().backbone == "starter_resnet" and not page.config().try_networks
    page.setup.reset_button.click()
    assert page.config().try_networks


@pytest.mark.parametrize("preset", ["quick", "best"])
def test_a_preset_gives_the_settings_that_the_command_line_trains_with(qtbot, page, window, preset):
    session = window.state.session
    qtbot.mouseClick(page.setup.presets.tiles[preset], LEFT)
    assert page.config() == run_settings(session.snapshot(), session.path, {}, preset=preset)


def test_a_preset_card_sets_everything_and_says_what(qtbot, page):
    tile = page.setup.presets.tiles["quick"]
    qtbot.mouseClick(tile, LEFT)
    assert page.config().method == "linear" and page.config().augmentation == "none"
    assert page.setup.methods.choice() == "linear"


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


def test_an_untouched_draft_follows_the_project_and_a_touched_one_stays(page, window, make_project):
    small = page.config().batch_size
    window.state.open_project(make_project("large", {"red": 120, "green": 120}))
    page = window.page("train")
    assert page.config().batch_size > small
    page.form.editor("epochs").setValue(3)
    window.state.close_project()
    assert window.page("train").config().epochs == 3


def facts(*here: str) -> dict[str, WeightsFact]:
    return {name: WeightsFact(is_here=name in here, size="45 MB") for name in BACKBONES}


def test_backbones_at_hand_come_first_and_few_others_until_all_are_wanted():
    few = backbone_choices(
        facts("resnet18_in1k", "starter_resnet", "resnet50"), has_gpu=False, chosen="vit_base", shows_all=False
    )
    assert [choice.group for choice in few] == [HERE] * 3 + [ELSEWHERE] * (len(few) - 3)
    names = [choice.name for choice in few]
    assert names[:3] == ["resnet18_in1k", "starter_resnet", "resnet50"] and "vit_base" in names and len(names) < 8
    assert few[0].badge and not few[1].badge and "45 MB" in few[2].facts and "45 MB" in few[-1].facts
    every = backbone_choices(facts("starter_resnet"), has_gpu=False, chosen="starter_resnet", shows_all=True)
    assert {choice.name for choice in every} == set(BACKBONES)
    assert [choice.name for choice in every][-2:] == ["test_resnet", "test_vit"]


def test_settings_from_elsewhere_bring_the_card_of_their_backbone(page):
    page.draft.take(TrainConfig(backbone="vit_base", method="prefix"))
    assert (page.config().backbone, page.config().method) == ("vit_base", "prefix")
    assert page.setup.backbones.choice() == "vit_base" and page.setup.methods.choice() == "prefix"


def test_a_run_is_described_by_its_epochs_and_changed_settings():
    config = TrainConfig(epochs=7, method="lora").with_settings(["lora.rank=4", "batch_size=8"])
    assert [part.split()[-1] for part in run_details(config).split(", ")] == ["epochs", "8", "4"]
    assert "--epochs" not in command_line(TrainConfig(method="linear"), "p")
    assert "--epochs 7" in command_line(TrainConfig(epochs=7), "p")


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
        if config.method == "prototype":
            raise RunError("Not even one image fits.")
        keep_cost(config, SetFacts.of(images), COST)
        return Estimate(seconds=9, memory_mb=1, device="", micro_batch=8, fits_at_once=True)

    monkeypatch.setattr("visionft.training.estimate.estimate_run", estimate_run)
    qtbot.mouseClick(page.setup.measure_button, LEFT)
    finish()
    assert asked == ["linear"] and "2.1 GB" in page.setup.cost.text()
    assert threads[0] is not threading.main_thread()
    asked.clear()
    qtbot.mouseClick(page.setup.measure_all_button, LEFT)
    qtbot.waitUntil(lambda: len(asked) == 2)
    assert window.job_bar.lines[0].stop_button.isVisible()
    qtbot.mouseClick(window.job_bar.lines[0].stop_button, LEFT)
    finish()
    assert asked == ["prototype", "knn"] and window.toasts.message() == ""  # the rest were not begun


def test_a_method_that_does_not_fit_is_named(qtbot, page, window, monkeypatch, finish):
    def estimate_run(config, images, **_hooks):
        raise RunError(f"{config.method}: 9 GB")

    monkeypatch.setattr("visionft.training.estimate.estimate_run", estimate_run)
    qtbot.mouseClick(page.setup.measure_all_button, LEFT)
    finish()
    assert "lora: 9 GB" in window.toasts.message() and "prefix" not in window.toasts.message()


@pytest.fixture
def drawn(monkeypatch) -> list:
    """Let the preview draw immediately, in this process; return the requests."""
    asked = []

    def render(self, request):
        asked.append(request)
        return [np.zeros((8, 8, 3), np.uint8)] * len(request.seeds)

    monkeypatch.setattr(augment_preview, "DEBOUNCE_MS", 5)
    monkeypatch.setattr(augment_preview.PreviewProcess, "render", render)
    return asked


def test_the_preview_follows_the_settings_on_the_users_own_image(qtbot, drawn, page, window):
    strip = page.setup.strip
    choose(page.form.editor("augmentation"), "light")
    qtbot.waitUntil(lambda: strip.shown() == 8)
    own = {image.path for image in window.state.session.snapshot().labelled("train")}
    assert {request.path for request in drawn} <= own
    choose(page.form.editor("augmentation"), "none")
    qtbot.waitUntil(lambda: strip.shown() == 1)
    choose(page.form.editor("augmentation"), "medium")
    page.form.editor("image_size").setValue(96)
    qtbot.waitUntil(lambda: strip.shown() == 8)
    assert (drawn[-1].augmentation, drawn[-1].preprocessing.shape) == ("medium", (96, 96))
    first, seeds = drawn[-1].path, drawn[-1].seeds
    qtbot.mouseClick(strip.others_button, LEFT)
    qtbot.waitUntil(lambda: drawn[-1].seeds not in (seeds, (0,)))
    assert drawn[-1].path == first
    qtbot.mouseClick(strip.next_button, LEFT)
    qtbot.waitUntil(lambda: drawn[-1].path != first)


@pytest.fixture
def here(monkeypatch) -> None:
    """Let the preview draw immediately, in this process."""
    monkeypatch.setattr(augment_preview, "DEBOUNCE_MS", 5)
    monkeypatch.setattr(augment_preview.PreviewProcess, "render", lambda self, request: render(request))


def test_a_vanished_image_is_named_in_place_of_the_variants(qtbot, here, page, window):
    for image in window.state.session.snapshot().images:
        image.path.unlink()
    qtbot.mouseClick(page.setup.strip.next_button, LEFT)
    waiting = page.setup.strip.words.text()
    qtbot.waitUntil(lambda: page.setup.strip.words.text() not in ("", waiting))
    assert page.setup.strip.shown() == 0


def test_settings_of_another_method_are_kept_while_choosing(qtbot, page):
    page.setup.method_form("lora").editor("rank").setValue(4)
    qtbot.mouseClick(page.setup.methods.tiles["adapter"], LEFT)
    qtbot.mouseClick(page.setup.methods.tiles["lora"], LEFT)
    assert page.config().methods["lora"].rank == 4
    page.draft.take(page.config().with_settings(["lora.rank=16"]))
    assert page.setup.method_form("lora").editor("rank").value() == 16


def test_a_network_is_found_by_parts_of_its_name_and_its_licence_accepted_for_each_anew(qtbot, page):
    dialog = NetworkSearch(page)
    qtbot.addWidget(dialog)
    assert dialog.table.rowCount() == MOST_SHOWN and dialog.choose_button.isEnabled()
    dialog.words.setText("dinov2 reg small")
    assert dialog.table.texts() == [["vit_small_patch14_reg4_dinov2.lvd142m", "ViT", "21.6 M", "224 px", "Apache-2.0"]]
    assert dialog.chosen().name == "dinov2_reg_small"
    dialog.words.setText("zzz")
    assert dialog.chosen() is None and not dialog.choose_button.isEnabled()
    dialog.words.setText("fb_swsl")
    assert not dialog.choose_button.isEnabled() and "CC-BY-NC-4.0" in dialog.licence_box.text()
    dialog.licence_box.setChecked(True)
    assert dialog.choose_button.isEnabled() and dialog.accepted_licence == "CC-BY-NC-4.0"
    dialog.table.selectRow(1)
    assert not dialog.choose_button.isEnabled()


def test_what_was_found_becomes_the_draft_with_a_card_of_its_own(qtbot, page, monkeypatch):
    def answer(dialog: NetworkSearch) -> int:
        dialog.words.setText("resnet18.fb_swsl")
        dialog.licence_box.setChecked(True)
        dialog.choose_button.click()
        return dialog.result()

    monkeypatch.setattr(NetworkSearch, "exec", answer)
    qtbot.mouseClick(page.setup.search_button, LEFT)
    name = "timm/resnet18.fb_swsl_ig1b_ft_in1k"
    assert (page.config().backbone, page.config().accept_licence) == (name, "CC-BY-NC-4.0")
    assert page.setup.backbones.choice() == name and not config_problems(page.config())
    choose(page.form.editor("accept_licence"), "")
    assert config_problems(page.config())[0].field == "accept_licence"
