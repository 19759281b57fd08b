"""Nothing is cut at the smallest size: with large text, with words 40 % longer, on every page and in every dialog."""

import gettext
import math

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QScrollArea

from gui.app import create_window
from gui.home.import_report import ImportReportCard
from gui.home.new_project import NewProjectDialog
from gui.home.recovery import RestoreDialog
from gui.kit import translation
from gui.kit.banner import Banner
from gui.kit.theme import apply_theme
from gui.preferences import Settings
from gui.settings.settings_page import WeightsDialog
from gui.shell.project_care import HistoryDialog, LabelExportDialog, RemovedDialog
from gui.state import AppState
from gui.train.region_dialog import RegionDialog
from models.weights.records import weights_states
from visionft.core.errors import NextStep
from visionft.project.db.journal import Step
from visionft.project.formats.folders import RejectedFile
from visionft.project.formats.image_table import ImageWarning
from visionft.project.importing.importer import ImportReport
from visionft.project.queries import Conflict
from visionft.project.safety.backups import list_backups
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig

pytestmark = pytest.mark.usefixtures("styled")
USUAL, SMALL = (1280, 800), (853, 533)  # the second is a screen of 1280 x 800 at 150 %


PSEUDO = "pseudo"  # not a language: every message 40 % longer
PADDING = "ö"


class Longer(gettext.NullTranslations):
    """Each message 40 % longer."""

    def gettext(self, message: str) -> str:
        return lengthened(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return lengthened(msgid1 if n == 1 else msgid2)


def lengthened(message: str) -> str:
    is_words = sum(letter.isalpha() for letter in message) > 1
    if not is_words or message.endswith(PADDING):
        return message
    more = math.ceil(len(message) * 0.4)
    return message + " ".join(PADDING * min(8, more - start) for start in range(0, more, 8))


@pytest.fixture(
    params=[(1.0, "en", USUAL), (1.5, "en", USUAL), (1.0, PSEUDO, USUAL), (1.0, "de", SMALL)],
    ids=lambda each: f"{each[0]}-{each[1]}-{each[2][0]}",
)
def window(request, qtbot, qapp, monkeypatch):
    scale, language, size = request.param
    read = translation.read_catalogue
    monkeypatch.setattr(translation, "read_catalogue", lambda code: Longer() if code == PSEUDO else read(code))
    state = AppState()
    state.settings = Settings(theme="light", font_scale=scale, language=language)
    window = create_window(qapp, state)
    qtbot.addWidget(window)
    window.resize(*size)
    window.show()
    yield window
    window.close()
    state.deleteLater()
    translation.use_language(translation.ENGLISH)
    apply_theme(qapp, "light")


@pytest.mark.usefixtures("image_ids")  # a project with two runs, one of them evaluated
def test_no_text_is_cut_on_any_page(window, project_dir, look):
    window.state.close_project()
    clipped = look(window, "welcome", window)
    window.state.open_project(project_dir)
    for name in window.entries:
        window.show_page(name)
        page = window.page(name)
        clipped += look(page, name, window)
        for button in page.view_buttons.buttons() if name == "results" else ():
            button.click()
            clipped += look(page, f"{name}, {button.text()}", window)
        titles = (page.heading, page.subtitle) if name == "label" else (page.heading,)  # with the number of images
        clipped += [f"{name}: {each.text()!r} is elided" for each in titles if is_elided(each)]
    step = NextStep("import_weights")
    window.state.show_message(
        "The disk is full.", "Free some space and try again.", tone="bad", details="Traceback", next_step=step
    )
    clipped += look(window.toasts, "toasts", window)
    assert not clipped


def test_no_page_is_wider_than_its_view_with_the_longest_messages(window, project_dir):
    reason = "it holds several planes, of which the first one alone is read, as no other was chosen for the project"
    words = f"Warning: of 1 image: {reason} (scan of the second series.tif)."
    report = ImportReport(
        added=1284,
        duplicates=tuple(f"copy {number}.png" for number in range(25)),
        unreadable=(),
        skipped=(RejectedFile("notes.txt", "it is no image"),),
        classes={"red": 640, "green": 644},
        conflicts=(Conflict(path="one.png", candidates=()),),
        warnings=(
            ImageWarning("scan of the second series.tif", reason),
            ImageWarning("third.tif", f"{reason}, {reason}"),
        ),
    )
    sizes = [size for size in (SMALL, (1280, 820), (2560, 1440)) if size[0] >= window.width()]
    window.state.open_project(project_dir)
    too_wide = []
    for name in window.entries:
        window.show_page(name)
        page = window.page(name)
        for banner in page.findChildren(Banner):
            banner.show_message(words, words, details="Traceback", action=("Show changes", lambda: None))
        for card in page.findChildren(ImportReportCard):
            card.show_report(report)
        for size in sizes:
            window.resize(*size)
            for _ in range(3):
                QApplication.processEvents()
            for area in page.findChildren(QScrollArea):
                excess = area.widget().width() - area.viewport().width() if area.isVisible() and area.widget() else 0
                if excess > 0 and area.horizontalScrollBarPolicy() == Qt.ScrollBarPolicy.ScrollBarAlwaysOff:
                    too_wide.append(f"{name} at {size[0]}: {excess} pixels")
    assert not too_wide


def is_elided(label: QLabel) -> bool:
    return label.isVisible() and label.fontMetrics().horizontalAdvance(label.text()) > label.width()


def test_a_narrow_window_shows_icons_with_their_names_as_tooltips(qtbot, qapp, state):
    window = create_window(qapp, state)
    qtbot.addWidget(window)
    window.show()
    buttons = {name: window.rail.button(name) for name in window.entries}
    named, wide = {name: button.text() for name, button in buttons.items()}, window.rail.width()
    window.resize(*SMALL)
    assert window.size().toTuple() == SMALL and window.rail.width() < wide / 2
    for name, button in buttons.items():
        assert not button.text() and button.accessibleName() == named[name] and named[name] in button.toolTip()
    window.resize(*USUAL)
    assert {name: button.text() for name, button in buttons.items()} == named
    window.close()


def test_no_text_is_cut_in_dialogs(window, tmp_path, look):
    window.show_shortcuts()
    clipped = look(window.shortcut_sheet, "sheet", window)
    window.shortcut_sheet.reject()
    dialog = NewProjectDialog(window, folder=tmp_path, name="Parts")
    dialog.show()
    clipped += look(dialog, "new project", window)
    dialog.close()
    dialog.deleteLater()
    with ProjectStore.create(tmp_path / "p") as project:
        project.back_up()
        for other in (
            RestoreDialog(window, tmp_path / "p", list_backups(tmp_path / "p")),
            HistoryDialog(window, (Step(2, "Label 3 images “glass”", 0, True), Step(1, "Add class “glass”", 0, False))),
            LabelExportDialog(window, name="Parts", folder=tmp_path),
            RemovedDialog(window, ()),
            WeightsDialog(window, weights_states()),
            RegionDialog(window, (tmp_path / "An image.png",), config=TrainConfig(), region=(100, 100, 600, 700)),
        ):
            other.show()
            clipped += look(other, other.windowTitle(), window)
            other.close()
            other.deleteLater()
    assert not clipped
