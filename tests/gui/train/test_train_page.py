"""The train page: cards, invalid settings block the start, recorded events on the chart, Stop."""

import re
from collections.abc import Callable
from operator import attrgetter

import pytest
from PySide6.QtCore import Qt
from run_events import ended_run, epoch_done, started, step

from gui import runner
from gui.train.train_page import TrainPage
from visionft.core.errors import WeightsError
from visionft.core.events import Notice

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def page(page: TrainPage) -> TrainPage:
    page.setup.more_button.click()
    return page


@pytest.fixture
def scripted(monkeypatch):
    """Let Start run a script of events instead of the learning libraries; yield the requests."""
    asked, script = [], []

    def train_run(config, images, run_dir, *, budget, job):
        import time

        is_slow = "wait" in asked
        asked.append((config, images, run_dir))
        for item in script:
            if isinstance(item, Exception):
                raise item
            job.report(item)
        deadline = time.monotonic() + (5 if is_slow else 0)
        while time.monotonic() < deadline and not job.is_cancelled:
            time.sleep(0.005)
        return ended_run(best=epoch_done(epoch=2), stopped=job.is_cancelled)

    monkeypatch.setattr(runner, "train_and_evaluate", train_run)
    return asked, script


def choose_backbone(qtbot, page, name):
    if not page.setup.show_all_button.isChecked():
        qtbot.mouseClick(page.setup.show_all_button, LEFT)
    qtbot.mouseClick(page.setup.backbones.tiles[name], LEFT)


def test_a_method_that_the_backbone_cannot_take_says_why(qtbot, page):
    prefix = page.setup.methods.tiles["prefix"]
    refusal = prefix.toolTip()
    assert refusal and not prefix.isEnabled()
    choose_backbone(qtbot, page, "vit_tiny")
    assert page.config().backbone == "vit_tiny" and prefix.isEnabled() and not prefix.toolTip()
    qtbot.mouseClick(prefix, LEFT)
    assert page.config().method == "prefix"
    choose_backbone(qtbot, page, "resnet50")
    assert page.config().method == "lora"


@pytest.mark.parametrize("button", ["start_button", "setup.measure_button"])
def test_a_fault_is_shown_beside_its_field_and_nothing_starts(qtbot, page, window, scripted, button):
    editor = page.form.editor("learning_rate")
    editor.clear()
    qtbot.keyClicks(editor, "fast")
    attrgetter(button)(page).click()
    assert editor.property("fault") == "true"
    assert scripted[0] == [] and not window.state.jobs.pending


@pytest.fixture
def unsplit(make_project, open_page) -> Callable[..., TrainPage]:
    """Return a function for the train page of a project without splits."""

    def show(**counts: int) -> TrainPage:
        return open_page("train", make_project("unsplit", counts))

    return show


@pytest.mark.parametrize(("shares", "counts"), [((15, 15), [17, 4, 4]), ((40, 0), [15, 10, 0])])
def test_start_divides_the_images_as_it_said_and_trains(qtbot, unsplit, scripted, finish, shares, counts):
    page = unsplit(red=10, green=8, blue=7)
    card = page.setup.split_card
    card.val_spin.setValue(shares[0])
    card.test_spin.setValue(shares[1])
    said = [str(count) for count in counts]
    assert re.findall(r"\d+", card.words.text()) == said and card.again_button.isHidden()
    qtbot.mouseClick(page.start_button, LEFT)
    qtbot.waitUntil(lambda: bool(scripted[0]), timeout=10_000)
    finish()
    ((_, images, _),) = scripted[0]
    assert [len(images.labelled(split)) for split in ("train", "val", "test")] == counts
    page.show_view("setup")
    assert re.findall(r"\d+", card.words.text()) == said and not card.again_button.isHidden()
    kept = (card.val_spin.value(), card.test_spin.value())  # new images will fall in the same shares
    assert kept == pytest.approx(shares, abs=1)


def test_too_few_images_for_a_test_set_are_trained_without_one_and_it_is_said(window, unsplit, scripted, qtbot, finish):
    page, told = unsplit(red=2, blue=4), []
    window.state.jobs.reported.connect(lambda _job, event: told.append(event))
    qtbot.mouseClick(page.start_button, LEFT)
    qtbot.waitUntil(lambda: bool(scripted[0]), timeout=10_000)
    finish()
    assert any(isinstance(event, Notice) for event in told) and not scripted[0][0][1].labelled("test")


def test_control_enter_starts_and_the_chart_grows(qtbot, page, window, scripted, finish):
    asked, script = scripted
    script += [started(), step(epoch=1), epoch_done()]
    script += [epoch_done(epoch=2, val_accuracy=0.75), epoch_done(epoch=3, is_best=False)]
    drafted = page.config()
    qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    finish()
    ((config, images, run_dir),) = asked
    assert config == drafted and run_dir.parent.parent == window.state.path and images.labelled("train")
    assert (len(page.monitor.chart.steps), len(page.monitor.chart.epochs)) == (1, 3)
    assert page.monitor.tiles["best"].figure() == "2"
    assert page.monitor.state() == "Finished" and page.monitor.isVisible()
    qtbot.mouseClick(page.results_button, LEFT)
    assert window.current_page.name == "results"


def test_the_job_bar_shows_the_run_on_every_page_and_stops_it(qtbot, page, window, scripted, finish):
    asked, script = scripted
    asked.append("wait")
    script += [started(), step(epoch=2, step=2)]
    page.start()
    window.show_page("project")
    (line,) = window.job_bar.lines
    qtbot.waitUntil(lambda: "2 of 3" in line.words())
    assert line.words() and line.stop_button.isVisible()
    qtbot.mouseClick(line.job_button, LEFT)
    assert window.current_page is page and not line.stop_button.isVisible()
    window.show_page("project")
    qtbot.mouseClick(line.stop_button, LEFT)
    finish()
    assert not window.job_bar.lines and window.job_bar.idle.text()


@pytest.mark.parametrize("error", [WeightsError("The weights are not here."), KeyError("lost")])
def test_a_failure_is_a_toast_and_that_of_a_bug_has_details(page, window, scripted, finish, caplog, error):
    scripted[1].append(error)
    page.start()
    finish()
    assert str(error) in window.toasts.message()
    assert window.toasts.newest.details_button.isVisible() == isinstance(error, KeyError)
    assert page.monitor.state() == "Failed" and page.start_button.isEnabled()


def test_closing_while_a_job_runs_asks_and_stops_it(qtbot, page, window, scripted, monkeypatch):
    from gui.kit import dialogs

    scripted[0].append("wait")
    page.start()
    monkeypatch.setattr(dialogs, "ask_yes", lambda *args, **kwargs: False)
    window.close()
    assert window.isVisible() and window.state.jobs.pending
    monkeypatch.setattr(dialogs, "ask_yes", lambda *args, **kwargs: True)
    window.close()
    assert not window.isVisible() and not window.state.jobs.pending and window.state.session is None
