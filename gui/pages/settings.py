"""The settings page: looks, labelling, where things are kept, and a check of this computer."""

import shutil
from pathlib import Path

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QComboBox, QPlainTextEdit, QWidget

from gui import theme, work
from gui.errors import log_folder
from gui.pages.page import Page
from gui.settings import FONT_SCALES, settings_path
from gui.state import AppState, JobOutcome
from gui.thumbnails import cache_folder
from gui.widgets.parity_card import megabytes
from gui.widgets.parts import Button, Card, ElidedLabel, column, row, text
from models.weights import weights_folder

THEMES = ("System", "Light", "Dark")


class SettingsPage(Page):
    """Every change takes effect at once and is kept."""

    name = "settings"
    title = "Settings"

    def __init__(self, state: AppState) -> None:
        super().__init__(state, max_width=900)
        self.subtitle.setText("Every change takes effect at once")
        self.theme_buttons = QButtonGroup(self)
        self.font_box = QComboBox()
        self.font_box.addItems([f"{scale:.0%}" for scale in FONT_SCALES])
        self.font_box.setAccessibleName("Text size")
        self.advance_box = QCheckBox("Go on to the next picture after labelling")
        self.clear_button = Button("Clear", "trash", on_click=self.clear_thumbnails)
        self.check_button = Button("Check this computer", "shield", on_click=self.check)
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setAccessibleName("What the check found")
        self.report.setMinimumHeight(theme.scaled(220))
        self.report.hide()
        self._thumbnail_note = text(role="small")
        for card in (self._looks(), self._labelling(), self._places(), self._computer()):
            self.body.addWidget(card)
        self.body.addStretch(1)
        state.settings_changed.connect(self._show_settings)
        state.job_started.connect(lambda _info: self.check_button.setEnabled(False))
        state.job_ended.connect(self._on_job_ended)
        self._show_settings()
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _looks(self) -> Card:
        switch = row(spacing=0)
        for place, name in enumerate(THEMES):
            button = Button(name, role="segment")
            button.setCheckable(True)
            self.theme_buttons.addButton(button, place)
            switch.addWidget(button)
        return _card("Looks", _line("Theme", "System follows the computer's own setting", switch),
                     _line("Text size", "All texts and rows grow with it", self.font_box))  # fmt: skip

    def _labelling(self) -> Card:
        return _card("Labelling", self.advance_box)

    def _places(self) -> Card:
        thumbnails = row(column(text("Thumbnails"), self._thumbnail_note, spacing=0), None, self.clear_button)
        card = _card("Where things are kept", thumbnails)
        for name, folder in (
            ("Pretrained weights", weights_folder()),
            ("Settings", settings_path().parent),
            ("Log", log_folder()),
        ):
            card.body.addWidget(_place(name, folder))
        return card

    def _computer(self) -> Card:
        note = "Versions, graphics cards, and what is wrong with advice. Takes some seconds."
        return _card("This computer", _line("Check", note, self.check_button), self.report)

    def _connect(self) -> None:
        change = self.state.change_settings
        self.theme_buttons.idClicked.connect(lambda place: change(theme=THEMES[place].lower()))
        self.font_box.activated.connect(lambda place: change(font_scale=FONT_SCALES[place]))
        self.advance_box.clicked.connect(lambda is_on: change(auto_advance=is_on))

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look how much the thumbnails take."""
        files = list(cache_folder().rglob("*.jpg")) if cache_folder().is_dir() else []
        size = sum(path.stat().st_size for path in files)
        self._thumbnail_note.setText(f"{len(files):,} files, {megabytes(size)}, in {cache_folder()}")
        self.clear_button.setEnabled(bool(files))

    @Slot()
    def _show_settings(self) -> None:
        settings = self.state.settings
        self.theme_buttons.button(THEMES.index(settings.theme.capitalize())).setChecked(True)
        nearest = min(FONT_SCALES, key=lambda scale: abs(scale - settings.font_scale))
        self.font_box.setCurrentIndex(FONT_SCALES.index(nearest))
        self.advance_box.setChecked(settings.auto_advance)

    # -- acting -------------------------------------------------------------------------------------------------

    def clear_thumbnails(self) -> None:
        """Delete the thumbnails; they are made again when they are looked at."""
        shutil.rmtree(cache_folder(), ignore_errors=True)
        self.refresh()

    def check(self) -> None:
        """Look at versions and devices in a job."""
        self.state.start_job("doctor", "Checking this computer", work.check_computer(), page=self.name)

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        self.check_button.setEnabled(True)
        if outcome.info.kind == "doctor" and isinstance(outcome.result, str):
            self.report.setPlainText(outcome.result)
            self.report.show()


def _card(title: str, *items) -> Card:
    card = Card(spacing=theme.MEDIUM)
    card.body.addWidget(text(title, "heading"))
    for item in items:
        card.body.addWidget(item) if isinstance(item, QWidget) else card.body.addLayout(item)
    return card


def _line(name: str, note: str, control):
    words = column(text(name), text(note, "small"), spacing=0) if note else column(text(name))
    return row(words, None, control, spacing=theme.LARGE)


def _place(name: str, folder: Path) -> QWidget:
    shown = ElidedLabel(str(folder), "small")
    button = Button("Open", "folder-open", role="quiet")
    button.setAccessibleName(f"Open the folder of {name.lower()}")
    button.setEnabled(folder.is_dir())
    button.clicked.connect(lambda _checked=False: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
    box = QWidget()
    layout = row(column(text(name), shown, spacing=0), button, spacing=theme.LARGE)
    layout.setStretch(0, 1)
    box.setLayout(layout)
    return box
