"""No English word is visible in the German window: on every page, in its views, and in the dialogs over them."""

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from shown_texts import foreign_texts, words_of

from gui.home.import_report import LeftOutDialog, LeftOutFile
from gui.home.new_project import NewProjectDialog
from gui.home.recovery import RestoreDialog
from gui.kit.translation import use_language
from gui.preferences import Settings
from gui.settings.settings_page import WeightsDialog
from gui.shell.project_care import HistoryDialog, LabelExportDialog, RemovedDialog
from gui.state import AppState
from gui.train.region_dialog import RegionDialog
from models.weights.records import weights_states
from visionft.core.messages import Message
from visionft.project.db.journal import Step
from visionft.project.safety.backups import list_backups
from visionft.training.config.train_config import TrainConfig

NAMES = words_of(
    (
        "project red green blue flowers",  # of the test's data
        "COCO CVAT Pascal VOC Label Studio",
        "Hybrid ViT Starter EfficientNet Lite",
        "JavaScript",
        "Strg Umschalt Entf Esc Leertaste Rücktaste Return Enter Tab Herunter Bild aufwärts abwärts",  # keys
        "Deutsch English kB MB GB log MIT and Apache",
    )
)


@pytest.fixture
def state(state: AppState) -> Iterator[AppState]:
    """Return a state in German."""
    state.settings = Settings(language="de")
    yield state
    use_language("en")


@pytest.mark.slow
@pytest.mark.usefixtures("image_ids")  # a project with two runs, one of them evaluated
def test_no_english_word_is_visible_in_the_german_window(window, project_dir, tmp_path):
    german, found = window, set(foreign_texts(window, names=NAMES))
    for name in german.entries:
        german.show_page(name)
        page = german.page(name)
        QApplication.processEvents()
        if name == "label":
            page.grid.selection.set_current(0)
            page.labels.view(True)
        if name == "train":
            page.setup.more_button.click()
        if name == "results":
            for button in page.view_buttons.buttons():
                button.click()
                QApplication.processEvents()
                found.update(foreign_texts(page, names=NAMES))
        for _ in range(3):
            QApplication.processEvents()
        found.update(foreign_texts(page, names=NAMES))
    for dialog in (
        NewProjectDialog(german, folder=tmp_path, name="red"),
        RestoreDialog(german, project_dir, list_backups(project_dir)),
        HistoryDialog(german, (Step(2, Message("Add class “{name}”", name="red"), 0, True),)),
        LabelExportDialog(german, name="red", folder=tmp_path),
        RemovedDialog(german, ()),
        WeightsDialog(german, weights_states()),
        RegionDialog(german, (tmp_path / "red.png",), config=TrainConfig(), region=(100, 100, 600, 700)),
        LeftOutDialog(german, (LeftOutFile("red.png", Message("Skipped"), Message("not an image")),), base=""),
    ):
        found.update(foreign_texts(dialog, names=NAMES))
        dialog.deleteLater()
    assert not found, "\n".join(sorted(found))
