"""Networks tried on the user's pictures: the table, the one to go by, what presets make of it, when it is forgotten."""

import pytest
from PySide6.QtCore import Qt

from gui.shell.window import MainWindow
from gui.train.page import TrainPage
from gui.train.train_choices import backbones_to_try, measured_backbone, preset_choices
from models.catalog import BACKBONES
from visionft.errors import RunError
from visionft.events import Progress
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.training.config.presets import Circumstances
from visionft.training.probing import Probe

LEFT = Qt.MouseButton.LeftButton
CIRCUMSTANCES = Circumstances(pictures=500, here=frozenset({"resnet18_in1k", "starter_resnet", "resnet18"}))


def probe(name: str, accuracy: float, milliseconds: float = 10) -> Probe:
    return Probe(backbone=name, accuracy=accuracy, pictures=400, milliseconds=milliseconds, seconds=1)


PROBES = (probe("resnet18_in1k", 0.80), probe("starter_resnet", 0.90, 5), probe("starter_vit", 0.91, 50))


@pytest.fixture
def page(window: MainWindow, project_dir) -> TrainPage:
    window.state.open_project(project_dir)
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    return page


@pytest.fixture
def engine(monkeypatch):
    """Let the engine answer at once, or wait for Stop when `waits` is filled; return what it was asked."""
    asked, waits = [], []

    def probe_backbones(names, config, images, *, on_event, should_stop):
        asked.append((tuple(names), config.device))
        on_event(Progress(stage="Trying Starter ResNet", done=0, total=0))
        while waits and not should_stop():
            pass
        return PROBES[:1] if should_stop() else PROBES

    monkeypatch.setattr("visionft.training.probing.probe_backbones", probe_backbones)
    return asked, waits


def wait_for_job(qtbot, window):
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=10_000)


def try_them(qtbot, page, window):
    qtbot.mouseClick(page.setup.probe_button, LEFT)
    wait_for_job(qtbot, window)


def test_the_one_to_go_by_is_marked_and_used_with_all_other_settings_kept(qtbot, page, window, engine):
    assert not page.setup.probes.isVisible()
    page.form.editor("epochs").setValue(7)
    try_them(qtbot, page, window)
    table = page.setup.probes.table
    assert [table.item(line, 1).text() for line in range(3)] == ["80.0% (± 3.9%)", "90.0% (± 2.9%)", "91.0% (± 2.8%)"]
    assert [table.item(line, 0).font().bold() for line in range(3)] == [False, True, False]
    qtbot.mouseClick(page.setup.probes.use_button, LEFT)
    assert page.config().backbone == "starter_resnet" and page.config().epochs == 7
    assert page.setup.backbones.choice() == "starter_resnet"


def test_it_says_which_is_tried_and_stop_keeps_what_was_measured(qtbot, page, window, engine):
    engine[1].append(True)
    qtbot.mouseClick(page.setup.probe_button, LEFT)
    qtbot.waitUntil(lambda: page.setup.probes.words.text() == "Trying Starter ResNet")
    assert not page.setup.probe_button.isEnabled() and "is computing" in page.draft.why_not_probe()
    qtbot.mouseClick(window.job_bar.lines[0].stop_button, LEFT)
    wait_for_job(qtbot, window)
    assert page.setup.probes.table.rowCount() == 1 and page.setup.probe_button.isEnabled()


def test_other_pictures_forget_what_was_measured(qtbot, page, window, engine):
    try_them(qtbot, page, window)
    session = window.state.session
    assert session.probes == PROBES
    session.tasks.written.emit()
    assert session.probes == ()
    page.refresh()
    assert not page.setup.probes.isVisible()


def test_pictures_without_splits_say_why(qtbot, window, pictures, tmp_path):
    with Project.create(tmp_path / "unsplit") as project:
        import_source(project, pictures)
    window.state.open_project(tmp_path / "unsplit")
    window.show_page("train")
    assert "no splits yet" in window.state.actions.why_not("run.probe")
    assert not window.page("train").setup.probe_button.isEnabled()


def test_a_failure_is_the_banner_and_the_table_stays_away(qtbot, page, window, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RunError("None of the pictures can be read.")

    monkeypatch.setattr("visionft.training.probing.probe_backbones", fail)
    try_them(qtbot, page, window)
    assert "None of the pictures" in window.toasts.message() and not page.setup.probes.isVisible()


def test_a_preset_takes_the_best_of_its_own_and_says_so():
    best = (probe("resnet18_in1k", 0.95), probe("resnet18", 0.80), probe("starter_vit", 0.99))
    assert measured_backbone("best", CIRCUMSTANCES, best) == "resnet18_in1k"
    assert measured_backbone("balanced", CIRCUMSTANCES, best) == ""  # one alone is no choice
    facts = {choice.name: choice.facts for choice in preset_choices(CIRCUMSTANCES, lambda _config: None, best)}
    assert "chosen on your pictures" in facts["best"] and "chosen" not in facts["balanced"]


def test_at_most_five_are_tried_and_none_twice():
    everything = Circumstances(pictures=500, device="cuda", here=frozenset(BACKBONES))
    tried = backbones_to_try(everything)
    assert len(tried) == len(set(tried)) == 5 and "dinov2_base" in tried
    assert set(backbones_to_try(CIRCUMSTANCES)) == {
        "resnet18_in1k",
        "hybrid_vit",
        "starter_resnet",
        "starter_vit",
        "resnet18",
    }
