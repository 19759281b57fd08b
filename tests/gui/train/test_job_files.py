"""Training on another computer from the window: by a file that is carried there and back."""

from dataclasses import replace
from pathlib import Path

import pytest
from modal import answer
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLineEdit

from gui.kit.parts import Button
from gui.train.train_page import TrainPage
from visionft.training.config.train_config import TrainConfig
from visionft.training.remote.running import result_file, run_job
from visionft.training.runs.run_folder import list_runs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
CONFIG = TrainConfig(
    backbone="test_resnet",
    method="lora",
    weights="random",
    image_size=32,
    batch_size=8,
    epochs=2,
    workers=0,
)


@pytest.fixture
def drafted(page: TrainPage) -> TrainPage:
    """Return the train page with settings of a quick run."""
    page.draft.take(replace(CONFIG, device="cpu"))
    return page


def press(qtbot, button: Button, path: Path) -> None:
    """Press a button, and name a file in the file dialog that it opens."""

    def name(dialog: QFileDialog) -> None:
        field, *_ = dialog.findChildren(QLineEdit)
        field.setText(str(path))
        qtbot.keyClick(field, Qt.Key.Key_Return)

    answer(QFileDialog, name)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.slow
def test_a_job_is_packed_trained_elsewhere_and_its_result_imported(qtbot, window, drafted, tmp_path):
    job, session = tmp_path / "there" / "a.vftjob", window.state.session
    job.parent.mkdir()
    press(qtbot, drafted.setup.pack_button, job)
    qtbot.waitUntil(lambda: job.exists() and not window.state.jobs.pending, timeout=60_000)
    run_job(job)
    press(qtbot, drafted.setup.import_button, result_file(job))
    qtbot.waitUntil(lambda: window.current_page.name == "results", timeout=60_000)
    (run,) = list_runs(session.path)
    assert run.config == drafted.config() and run.result is not None
