"""Several runs on Results can be combined; the ensemble is selected, shows its members, and its gain."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from gui.kit.run_table import kept_words
from gui.results import run_actions
from visionft.training.combining import Combination
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.manifest import Part, write_manifest, write_parts
from visionft.training.runs.run_titles import method_title

LEFT = Qt.MouseButton.LeftButton
OLD, NEW = "001-resnet18-lora", "002-vit_tiny-linear"
MADE = "003-vit_tiny-combined"
PARTS = (
    Part(run=NEW, weights="b", share=0.6, temperature=1.0, accuracy=0.9, loss=0.4),
    Part(run=OLD, weights="a", share=0.4, temperature=1.1, accuracy=0.8, loss=0.6),
)


def made(*, fixed: int, broken: int) -> Combination:
    return Combination(
        run=MADE, images=40, left_out=0, parts=PARTS, accuracy=0.95, loss=0.3, fixed=fixed, broken=broken
    )


@pytest.fixture
def combined(page, project_dir: Path, write_run, write_evaluation, image_ids, answers, monkeypatch) -> list:
    """Replace combining by writing an ensemble as the engine does; return the requests."""
    asked: list[list[str]] = []

    def combine(project: Path, runs, _images, *, job):
        asked.append(list(runs))
        write_run(project_dir, MADE, TrainConfig(backbone="vit_tiny", method="combined"), accuracies=[0.95])
        best = project / "runs" / MADE / "best"
        for file in best.iterdir():
            file.unlink()
        write_parts(best, PARTS)
        write_manifest(best)
        write_evaluation(project_dir, MADE, image_ids, answers)
        return made(fixed=6, broken=1)

    monkeypatch.setattr(run_actions, "combine", combine)
    return asked


def test_combining_is_offered_where_several_runs_are_chosen(page) -> None:
    page.table.select([NEW])
    assert not page.combine_button.isVisible() and page.why_not_combine()
    page.table.select([OLD, NEW])
    assert page.combine_button.isVisible() and page.combine_button.isEnabled()


def test_a_combination_is_made_chosen_and_shows_its_parts(qtbot, page, window, combined) -> None:
    said = []
    window.state.message_raised.connect(said.append)
    page.table.select([OLD, NEW])
    qtbot.mouseClick(page.combine_button, LEFT)
    qtbot.waitUntil(lambda: page.table.selected() == [MADE])
    assert sorted(combined[0]) == [OLD, NEW]
    assert "60% 002 + 40% 001" in page.accuracy.words()[2]
    run = next(run for run in page.table.model().sourceModel().runs if run.name == MADE)
    assert method_title(run.config.method) and "2" in kept_words(run) and [each.tone for each in said] == ["good"]
    assert page.why_not_train_on()
    entries = [each.isEnabled() for each in page.menu().actions()]
    assert entries[:4] == [True, False, False, True]  # without retrain and edit
