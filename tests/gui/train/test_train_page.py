"""The train page: cards, invalid settings block the start, recorded events on the chart, Stop, the copied command."""

import shlex
from operator import attrgetter

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from gui import runner
from gui.train.train_page import TrainPage
from visionft.errors import WeightsError
from visionft.evaluation.trained_run import TrainedRun
from visionft.events import EpochDone, Notice, RunStarted, StepDone
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import TrainResult

LEFT = Qt.MouseButton.LeftButton


def started(epochs: int = 3) -> RunStarted:
    return RunStarted(
        run="001-resnet18-lora", backbone="resnet18", method="lora", epochs=epochs, first_epoch=1, steps_per_epoch=4,
        train_images=17, val_images=4, trainable_parameters=10, total_parameters=1000, device="CPU", precision="fp32",
    )  # fmt: skip


def step(epoch: int, number: int) -> StepDone:
    return StepDone(
        epoch=epoch, step=number, steps=4, loss=1 / (epoch + number), learning_rate=1e-3, images_per_second=50, eta_s=75
    )


def epoch_done(epoch: int, *, is_best: bool, top1: float = 0.5) -> EpochDone:
    return EpochDone(
        epoch=epoch, epochs=3, train_loss=1 / epoch, train_accuracy=0.6, val_loss=1.2 / epoch, val_accuracy=top1,
        learning_rate=1e-3, seconds=2, images_per_second=50, is_best=is_best,
    )  # fmt: skip


@pytest.fixture
def page(page: TrainPage) -> TrainPage:
    page.setup.more_button.click()
    return page


@pytest.fixture
def scripted(monkeypatch):
    """Let Start run a script of events instead of the learning libraries; yield the requests."""
    asked, script = [], []

    def train_run(config, images, run_dir, *, job):
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
        result = TrainResult(
            run="001-resnet18-lora", best=epoch_done(2, is_best=True), seconds=6.0, stopped=job.is_cancelled,
            trainable_parameters=10, total_parameters=1000, device="CPU", precision="fp32",
        )  # fmt: skip
        return TrainedRun(result=result, evaluations={})

    monkeypatch.setattr(runner, "train_and_evaluate", train_run)
    return asked, script


def wait_for_job(qtbot, window):
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=10_000)


def choose_backbone(qtbot, page, name):
    if not page.setup.show_all_button.isChecked():
        qtbot.mouseClick(page.setup.show_all_button, LEFT)
    qtbot.mouseClick(page.setup.backbones.tiles[name], LEFT)


def test_a_click_on_a_card_chooses_the_backbone_and_updates_the_costs(qtbot, page):
    methods = page.setup.methods
    before = methods.tiles["lora"]._facts.text()
    choose_backbone(qtbot, page, "vit_small")
    assert page.config().backbone == "vit_small"
    assert methods.tiles["lora"]._facts.text() != before
    assert "trainable parameters" in methods.tiles["full"]._facts.text()


def test_a_method_that_the_backbone_cannot_take_says_why(qtbot, page):
    prefix = page.setup.methods.tiles["prefix"]
    assert not prefix.isEnabled() and "ResNet" in prefix._facts.text()
    choose_backbone(qtbot, page, "vit_tiny")
    assert prefix.isEnabled()
    qtbot.mouseClick(prefix, LEFT)
    assert page.config().method == "prefix"
    choose_backbone(qtbot, page, "resnet50")
    assert page.config().method == "lora"


def test_only_the_chosen_methods_settings_are_shown(qtbot, page):
    forms, tiles = page.setup.method_forms, page.setup.methods.tiles
    qtbot.mouseClick(tiles["lora"], LEFT)
    assert forms["lora"].isVisible() and "adapter" not in forms
    qtbot.mouseClick(tiles["adapter"], LEFT)
    assert forms["adapter"].isVisible() and not forms["lora"].isVisible()
    qtbot.mouseClick(tiles["linear"], LEFT)
    assert not forms["adapter"].isVisible() and forms["linear"].isVisible()


@pytest.mark.parametrize("button", ["start_button", "setup.measure_button"])
def test_a_fault_is_shown_beside_its_field_and_nothing_starts(qtbot, page, window, scripted, button):
    editor = page.form.editor("learning_rate")
    editor.clear()
    qtbot.keyClicks(editor, "fast")
    attrgetter(button)(page).click()
    assert editor.property("fault") == "true"
    assert scripted[0] == [] and not window.state.tasks.pending


@pytest.fixture
def unsplit(window, images, tmp_path) -> TrainPage:
    """Return the train page of a project without splits."""
    with Project.create(tmp_path / "unsplit") as project:
        import_source(project, images)
    window.state.open_project(tmp_path / "unsplit")
    window.show_page("train")
    return window.page("train")


def test_start_divides_the_images_as_it_said_and_trains(qtbot, unsplit, scripted, finish):
    card = unsplit.setup.split_card
    assert "17 training, 4 validation" in card.words.text() and card.again_button.isHidden()
    qtbot.mouseClick(unsplit.start_button, LEFT)
    qtbot.waitUntil(lambda: bool(scripted[0]), timeout=10_000)
    finish()
    ((_, images, _),) = scripted[0]
    assert [len(images.labelled(split)) for split in ("train", "val", "test")] == [17, 4, 4]
    unsplit.show_view(0)
    assert "17 training, 4 validation" in card.words.text() and not card.again_button.isHidden()


def test_the_shares_that_were_chosen_are_those_that_start_takes(qtbot, unsplit, scripted, finish):
    card = unsplit.setup.split_card
    qtbot.mouseClick(card.change_button, LEFT)
    card.test_spin.setValue(0)
    card.val_spin.setValue(40)
    assert "and 0 test images" in card.words.text()
    qtbot.mouseClick(unsplit.start_button, LEFT)
    qtbot.waitUntil(lambda: bool(scripted[0]), timeout=10_000)
    finish()
    ((_, images, _),) = scripted[0]
    assert len(images.labelled("val")) == 10 and not images.labelled("test")
    assert card.val_spin.value() == 40 and card.test_spin.value() == 0  # new images will fall in the same shares


def test_too_few_images_for_a_test_set_are_trained_without_one_and_it_is_said(
    qtbot, window, scripted, draw_folder, tmp_path
):
    with Project.create(tmp_path / "few") as project:
        import_source(project, draw_folder(tmp_path / "few images", {"red": 2, "blue": 4}))
    window.state.open_project(tmp_path / "few")
    said = []
    window.state.tasks.reported.connect(lambda _handle, event: said.append(getattr(event, "message", "")))
    window.show_page("train")
    qtbot.mouseClick(window.page("train").start_button, LEFT)
    qtbot.waitUntil(lambda: bool(scripted[0]), timeout=10_000)
    wait_for_job(qtbot, window)
    assert any("too few images for a test set" in message for message in said)
    assert not scripted[0][0][1].labelled("test")


def test_one_image_of_a_class_is_refused_with_the_next_step(qtbot, window, scripted, draw_folder, tmp_path, finish):
    with Project.create(tmp_path / "one") as project:
        import_source(project, draw_folder(tmp_path / "one image", {"red": 1, "blue": 9}))
    window.state.open_project(tmp_path / "one")
    window.show_page("train")
    qtbot.mouseClick(window.page("train").start_button, LEFT)
    finish()
    assert "“red” has 1" in window.toasts.message() or "red" in window.page("train").setup.problems.message()
    assert scripted[0] == []


def test_divide_again_places_the_images_another_way(qtbot, page, window, finish):
    before = {image.image_id: image.split for image in window.state.session.snapshot().images}
    qtbot.mouseClick(page.setup.split_card.change_button, LEFT)
    qtbot.mouseClick(page.setup.split_card.again_button, LEFT)
    finish()
    after = {image.image_id: image.split for image in window.state.session.snapshot().images}
    assert after != before and sorted(map(str, after.values())) == sorted(map(str, before.values()))


def test_control_enter_starts_and_the_chart_grows(qtbot, page, window, scripted, finish):
    asked, script = scripted
    script += [started(), step(1, 1), epoch_done(1, is_best=True), epoch_done(2, is_best=True, top1=0.75)]
    script += [epoch_done(3, is_best=False)]
    qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    finish()
    ((config, images, run_dir),) = asked
    assert config == page.config() and run_dir.parent.parent == window.state.path and images.labelled("train")
    assert page.monitor.chart.point_counts() == {"steps": 1, "epochs": 3}
    assert page.monitor.tiles["best"].figure() == "75.0%"
    assert page.monitor.tiles["epoch"].figure() == "3 of 3"
    assert page.monitor.state() == "Finished" and page.monitor.isVisible()
    qtbot.mouseClick(page.results_button, LEFT)
    assert window.current_page.name == "results"


def test_stop_ends_the_run_and_says_that_the_best_is_kept(qtbot, page, window, scripted, finish):
    asked, script = scripted
    asked.append("wait")
    script += [started(), epoch_done(1, is_best=True)]
    qtbot.mouseClick(page.start_button, LEFT)
    qtbot.waitUntil(lambda: page.monitor.state() == "Running")
    assert page.stop_button.isVisible() and not page.start_button.isVisible()
    assert not window.job_bar.lines[0].stop_button.isVisible()  # one Stop is enough
    qtbot.mouseClick(page.stop_button, LEFT)
    finish()
    assert page.monitor.state() == "Stopped"
    assert page.results_button.isVisible() and not page.start_button.isVisible()  # the saved state is the next step
    page.show_view(0)
    assert page.start_button.isVisible()


def test_the_job_bar_shows_the_run_on_every_page_and_stops_it(qtbot, page, window, scripted, finish):
    asked, script = scripted
    asked.append("wait")
    script += [started(epochs=3), step(2, 2)]
    page.start()
    window.show_page("project")
    (line,) = window.job_bar.lines
    qtbot.waitUntil(lambda: "Epoch 2 of 3" in line.words())
    assert "1 min 15 s left" in line.words()
    assert line.stop_button.isVisible()
    qtbot.mouseClick(line.job_button, LEFT)
    assert window.current_page is page and not line.stop_button.isVisible()
    window.show_page("project")
    qtbot.mouseClick(line.stop_button, LEFT)
    finish()
    assert not window.job_bar.lines and window.job_bar.idle_words()


@pytest.mark.parametrize("error", [WeightsError("The weights are not here."), KeyError("lost")])
def test_a_failure_is_a_toast_and_that_of_a_bug_has_details(page, window, scripted, finish, caplog, error):
    scripted[1].append(error)
    page.start()
    finish()
    assert str(error) in window.toasts.message()
    assert window.toasts.newest.details_button.isVisible() == isinstance(error, KeyError)
    assert page.monitor.state() == "Failed" and page.start_button.isEnabled()


def test_recorded_events_are_shown_without_any_task(page, window):
    for event in (started(), step(1, 3), Notice(message="Half the batch size: memory ran out", level="warning")):
        page.runner.run_reported.emit(event)
    assert page.monitor.tiles["speed"].figure() == "50"
    assert page.monitor.tiles["left"].figure() == "1 min 15 s"
    assert "memory ran out" in page.monitor._note.text()
    assert [message for _, message in page.monitor.chart.notes] == ["Half the batch size: memory ran out"]


def test_the_copied_command_trains_the_same(qtbot, page, window):
    qtbot.mouseClick(page.setup.methods.tiles["lora"], LEFT)
    page.setup.method_form("lora").editor("rank").setValue(4)
    page.form.editor("batch_size").setValue(8)
    qtbot.mouseClick(page.setup.command_button, LEFT)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[:3] == ["visionft", "train", str(window.state.path)]
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    rebuilt = TrainConfig(
        backbone=words[words.index("--backbone") + 1], method="lora", epochs=int(words[words.index("--epochs") + 1])
    )
    rebuilt = rebuilt.with_settings(settings)
    assert rebuilt == page.config()


def test_pages_are_reached_by_their_keys(qtbot, window, page):
    for number, name in enumerate(window.entries, 1):
        qtbot.keyClick(window, getattr(Qt.Key, f"Key_{number}"), Qt.KeyboardModifier.ControlModifier)
        assert window.current_page.name == name


def test_building_the_pages_opens_no_other_window(window, qapp):
    for name in window.entries:
        window.show_page(name)
        qapp.processEvents()
        assert window.isActiveWindow()
        assert [widget for widget in qapp.topLevelWidgets() if widget.isVisible()] == [window]


def test_closing_while_a_job_runs_asks_and_stops_it(qtbot, page, window, scripted, monkeypatch):
    from gui.kit import dialogs

    scripted[0].append("wait")
    page.start()
    monkeypatch.setattr(dialogs, "ask_yes", lambda *args, **kwargs: False)
    window.close()
    assert window.isVisible() and window.state.tasks.pending
    monkeypatch.setattr(dialogs, "ask_yes", lambda *args, **kwargs: True)
    window.close()
    assert not window.isVisible() and not window.state.tasks.pending and window.state.session is None
