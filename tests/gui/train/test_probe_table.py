"""Backbones probed on the user's images: the table, the recommended row, its use in presets, when it expires."""

from collections.abc import Callable
from random import Random

import pytest
from PySide6.QtCore import Qt

from gui.train.train_choices import backbones_to_try, cost_of_stages, measured_backbone, preset_choices
from models.catalog import BACKBONES
from visionft.events import Progress
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.estimate import Estimate
from visionft.training.probing import Probe

LEFT = Qt.MouseButton.LeftButton
STAGE = "Trying Starter ResNet"
CIRCUMSTANCES = Circumstances(images=500, here=frozenset({"resnet18_in1k", "starter_resnet", "resnet18"}))


def probe(name: str, accuracy: float, milliseconds: float = 10) -> Probe:
    losses = [0.1] * round(400 * accuracy) + [2.0] * round(400 * (1 - accuracy))
    Random(name).shuffle(losses)  # another backbone is wrong on other images
    figures = {"accuracy": accuracy, "images": 400, "losses": tuple(losses)}
    return Probe(backbone=name, milliseconds=milliseconds, seconds=1, **figures)


PROBES = (probe("resnet18_in1k", 0.80), probe("starter_resnet", 0.90, 5), probe("starter_vit", 0.91, 50))


@pytest.fixture
def engine(monkeypatch):
    """Let the engine answer immediately, or wait for Stop when `waits` is filled; return its requests."""
    asked, waits = [], []

    def probe_backbones(project_dir, names, config, images, *, job):
        asked.append((tuple(names), config.device))
        job.report(Progress(stage=STAGE, done=0, total=0))
        while waits and not job.is_cancelled:
            pass
        return PROBES[:1] if job.is_cancelled else PROBES

    monkeypatch.setattr("visionft.training.probing.probe_backbones", probe_backbones)
    return asked, waits


@pytest.fixture
def try_them(qtbot, page, engine, finish) -> Callable[[], None]:
    """Return a function to press the button and wait."""
    return lambda: (qtbot.mouseClick(page.setup.probe_button, LEFT), finish())


def test_the_one_to_go_by_is_marked_and_used_with_all_other_settings_kept(qtbot, page, try_them):
    assert not page.setup.probes.isVisible()
    page.form.editor("epochs").setValue(7)
    try_them()
    table = page.setup.probes.table
    assert [table.item(line, 1).text() for line in range(3)] == ["80.0% (± 3.9%)", "90.0% (± 2.9%)", "91.0% (± 2.8%)"]
    assert [table.item(line, 0).font().bold() for line in range(3)] == [False, True, False]
    qtbot.mouseClick(page.setup.probes.use_button, LEFT)
    assert page.config().backbone == "starter_resnet" and page.config().epochs == 7
    assert page.setup.backbones.choice() == "starter_resnet"


def test_it_says_which_is_tried_and_stop_keeps_what_was_measured(qtbot, page, window, engine, finish):
    engine[1].append(True)
    qtbot.mouseClick(page.setup.probe_button, LEFT)
    qtbot.waitUntil(lambda: page.setup.probes.words.text() == STAGE)
    assert not page.setup.probe_button.isEnabled() and page.draft.why_not_probe()
    qtbot.mouseClick(window.job_bar.lines[0].stop_button, LEFT)
    finish()
    assert page.setup.probes.table.rowCount() == 1 and page.setup.probe_button.isEnabled()


def test_other_images_forget_what_was_measured(page, window, try_them):
    try_them()
    session = window.state.session
    assert session.probes == PROBES
    session.tasks.written.emit()
    assert session.probes == ()
    page.refresh()
    assert not page.setup.probes.isVisible()


def test_images_that_are_not_divided_yet_can_be_tried_on(window, make_project):
    window.state.open_project(make_project("unsplit", {"red": 10, "green": 8}))
    window.show_page("train")
    assert window.state.actions.why_not("run.probe") == ""
    assert window.page("train").setup.probe_button.isEnabled()


def test_a_preset_takes_the_best_of_its_own():
    best = (probe("resnet18_in1k", 0.95), probe("resnet18", 0.80), probe("starter_vit", 0.99))
    assert measured_backbone(CIRCUMSTANCES, best) == "resnet18_in1k"
    assert measured_backbone(CIRCUMSTANCES, best[:1]) == ""  # one alone is no choice
    badges = {choice.name: choice.badge for choice in preset_choices(CIRCUMSTANCES, lambda _config: None, best)}
    assert "95%" in badges["best"] and "95%" in badges["quick"] and badges["best"] != badges["quick"]


def test_the_time_of_a_preset_is_that_of_all_its_stages():
    seconds = {"quick": 20.0, "balanced": 300.0, "best": 900.0}
    estimates = {
        name: Estimate(
            seconds=each,
            memory_mb=1,
            device="CPU",
            micro_batch=32,
            fits_at_once=True,
            decoding_s=5.0,
        )
        for name, each in seconds.items()
    }
    configs = {name: preset_config(name, CIRCUMSTANCES) for name in seconds}
    known = {id(config): estimates[name] for name, config in configs.items()}
    costs = [cost_of_stages(name, configs, lambda config: known.get(id(config))) for name in configs]
    assert [each.seconds for each in costs] == [20.0, 300.0 + 15.0, 900.0 + 295.0 + 15.0]
    assert cost_of_stages("best", configs, lambda _config: None) is None


def test_at_most_five_are_tried_and_none_twice():
    everything = Circumstances(images=500, device="cuda", here=frozenset(BACKBONES))
    tried = backbones_to_try(everything)
    assert len(tried) == len(set(tried)) == 5 and "dinov2_base" in tried
    names = {"resnet18_in1k", "efficientnet_lite2_in1k", "hybrid_vit", "starter_resnet", "resnet18"}
    assert set(backbones_to_try(CIRCUMSTANCES)) == names
