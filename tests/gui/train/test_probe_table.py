"""Backbones probed on the user's images: the table, the recommended row, its use in presets, when it expires."""

from collections.abc import Callable
from random import Random

import pytest
from PySide6.QtCore import Qt

from visionft.core.events import Progress
from visionft.training.probing import Probe

LEFT = Qt.MouseButton.LeftButton
STAGE = "Trying Starter ResNet"


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
