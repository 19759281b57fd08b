"""The settings page: looks, labelling, computing, network, keys, places, and a check of this computer."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QPlainTextEdit

from gui.actions import Action
from gui.environment import offline_is_given, picture_limit_is_given, weights_are_given
from gui.kit import dialogs, theme
from gui.kit.i18n import languages, tr
from gui.kit.parts import Button, Card, ElidedLabel, choice_box, clear, column, row, text
from gui.kit.side_by_side import SideBySide
from gui.kit.thumbnail_cache import CacheUse, cache_folder, trim_cache
from gui.kit.workers import WorkerPool
from gui.next_steps import button_of
from gui.page import Page
from gui.preferences import FONT_SCALES, settings_path
from gui.session import ProjectSession
from gui.settings.decoded_pictures import DecodedPictures
from gui.settings.rows import card, line, place_of
from gui.settings.shortcut_editor import ShortcutEditor, ShortcutRow
from gui.settings.weights_actions import WeightsActions
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from visionft.amounts import size_text
from visionft.devices import likely_kinds
from visionft.errors import NextStep
from visionft.events import OnEvent, ShouldStop
from visionft.installation import refusal
from visionft.libraries import load_libraries
from visionft.log import log_folder
from visionft.weights.locations import weights_folder

THEMES = ("System", "Light", "Dark")
CACHE_LIMITS_MB = {
    250: "250 MB",
    500: "500 MB",
    1000: "1 GB",
    2000: "2 GB",
    5000: "5 GB",
    20_000: "20 GB",
    0: "No limit",
}
PICTURE_LIMITS_MB = {500: "500 MB", 1000: "1 GB", 2000: "2 GB", 4000: "4 GB", 8000: "8 GB", 16_000: "16 GB"}
_KEYS_PX = 760  # wider, keys would be far from what they do
DEVICES = {"auto": "Automatic", "cuda": "NVIDIA GPU", "mps": "Apple GPU", "cpu": "Processor (CPU)"}


def check_computer(*, on_event: OnEvent, should_stop: ShouldStop) -> tuple[str, tuple[NextStep, ...]]:
    """Look, in a task, at versions, devices and providers; return the doctor's text, and what can be done."""
    load_libraries(on_event)
    from visionft.doctor import describe, diagnose

    diagnosis = diagnose()
    return describe(diagnosis), tuple(fault.next_step for fault in diagnosis.problems if fault.next_step)


class SettingsPage(Page):
    """Every change takes effect at once and is kept."""

    name = "settings"
    title = "Settings"

    def __init__(self, state: AppState, session: ProjectSession | None = None) -> None:
        super().__init__(state, session)
        self.subtitle.setText(tr("Every change takes effect at once and is kept"))
        self._is_closed = self._is_checking = False
        self._weights = WeightsActions(state, self)
        self._looking = WorkerPool(_look, threads=1, answers_age=True, parent=self)
        self.decoded = DecodedPictures(state)
        first = (self._looks(), self._labelling(), self._computing(), self._network())
        second = (self._thumbnails(), self.decoded, self._places(), self._computer())
        keys = self._keys()
        keys.setMaximumWidth(theme.scaled(_KEYS_PX))
        self.body.addWidget(SideBySide((SideBySide(first, second),), (keys,)))
        self.body.addStretch(1)
        state.settings_changed.connect(self._show_settings)
        self._looking.done.connect(self._on_looked)
        self._show_settings()
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _looks(self) -> Card:
        self.theme_buttons = QButtonGroup(self)
        switch = row(spacing=0)
        for place, name in enumerate(THEMES):
            button = Button(name, role="segment")
            button.setCheckable(True)
            self.theme_buttons.addButton(button, place)
            switch.addWidget(button)
        self.font_box = choice_box("Text size", [f"{scale:.0%}" for scale in FONT_SCALES])
        self._languages = languages()
        self.language_box = choice_box("Language", list(self._languages.values()))
        self._language_note = text(role="small", wrap=True)
        return card(
            "Looks",
            line("Theme", "System follows the computer's own setting", switch),
            line("Text size", "All texts and rows grow with it", self.font_box),
            line("Language", self._language_note, self.language_box),
        )

    def _labelling(self) -> Card:
        self.advance_box = QCheckBox(tr("Go on to the next picture after labelling"))
        return card("Labelling", self.advance_box)

    def _computing(self) -> Card:
        self.device_box = choice_box("Device", [tr(name) for name in DEVICES.values()])
        self._device_note = text(role="small", wrap=True)
        self.picture_box = choice_box("Memory for a picture", [tr(name) for name in PICTURE_LIMITS_MB.values()])
        note = "One that would take more is refused: 2 GB are enough for 100 megapixels"
        return card(
            "Computing",
            line("Device", self._device_note, self.device_box),
            line("Memory for a picture", note, self.picture_box),
        )

    def _network(self) -> Card:
        self.offline_box = QCheckBox(tr("Work offline"))
        note = "Weights and public data sets then come from this computer only. Nothing else ever connects."
        self._offline_note = text(note, "small", wrap=True)
        self.weights_place = ElidedLabel("", "small")
        self.weights_button = Button("Change", on_click=self.choose_weights_folder)
        self.weights_reset = Button(
            "Reset", role="quiet", on_click=lambda: self.state.change_settings(weights_folder="")
        )
        self.show_weights_button = Button("Show", on_click=self._weights.show)
        buttons = row(self.weights_reset, self.weights_button, spacing=theme.TIGHT)
        return card(
            "Pretrained weights",
            column(self.offline_box, self._offline_note, spacing=theme.TIGHT),
            line("On this computer", "Fetch, import or remove the weights of each backbone", self.show_weights_button),
            line("Folder", self.weights_place, buttons),
        )

    def _thumbnails(self) -> Card:
        self.limit_box = choice_box("Space for thumbnails", [tr(name) for name in CACHE_LIMITS_MB.values()])
        self._thumbnail_note = text(role="small")
        self.cache_place = ElidedLabel("", "small")
        self.cache_button = Button("Change", on_click=self.choose_cache_folder)
        self.cache_reset = Button("Reset", role="quiet", on_click=lambda: self.state.change_settings(cache_folder=""))
        self.clear_button = Button("Clear", "trash", on_click=self.clear_thumbnails)
        self.clear_button.setToolTip(tr("Delete the thumbnails; they are made again when they are looked at"))
        self.clear_button.setEnabled(False)
        note = "Those not looked at for the longest go first"
        return card(
            "Thumbnails",
            line("Taken now", self._thumbnail_note, self.clear_button),
            line("At most", note, self.limit_box),
            line("Folder", self.cache_place, row(self.cache_reset, self.cache_button, spacing=theme.TIGHT)),
        )

    def _keys(self) -> Card:
        groups = {tr(title): self._rows(found) for title, found in self.state.actions.by_group().items()}
        self.keys = ShortcutEditor(groups)
        self.keys.wanted.connect(self._on_keys_wanted)
        self.keys.reset_wanted.connect(self._on_keys_reset)
        self.reset_keys_button = Button("Reset all", role="quiet", on_click=lambda: self._choose_keys({}))
        keys = Card(spacing=theme.MEDIUM)
        keys.body.addLayout(row(text("Keys", "heading"), None, self.reset_keys_button))
        keys.body.addWidget(self.keys)
        return keys

    def _places(self) -> Card:
        places = card("Where things are kept")
        for name, folder in (("Settings", settings_path().parent), ("Log", log_folder())):
            button = Button("Open", "folder-open", role="quiet", on_click=partial(_open_folder, folder))
            button.setAccessibleName(tr("Open the folder: {name}", name=tr(name)))
            places.body.addLayout(line(name, ElidedLabel(str(folder), "small"), button))
        return places

    def _computer(self) -> Card:
        self.check_button = Button("Check this computer", "shield", on_click=self.check)
        self.state.actions.attach(self.check_button, "run.check")
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setAccessibleName(tr("What the check found"))
        self.report.setMinimumHeight(theme.scaled(220))
        self.report.hide()
        note = "Versions, graphics cards, and what is wrong with advice. Takes some seconds."
        self.step_row = row()
        return card("This computer", line("Check", note, self.check_button), self.report, self.step_row)

    def _connect(self) -> None:
        change = self.state.change_settings
        self.theme_buttons.idClicked.connect(lambda place: change(theme=THEMES[place].lower()))
        self.font_box.activated.connect(lambda place: change(font_scale=FONT_SCALES[place]))
        self.language_box.activated.connect(lambda place: change(language=list(self._languages)[place]))
        self.advance_box.clicked.connect(lambda is_on: change(auto_advance=is_on))
        self.device_box.activated.connect(lambda place: change(device=list(DEVICES)[place]))
        self.picture_box.activated.connect(lambda place: change(picture_mb=list(PICTURE_LIMITS_MB)[place]))
        self.offline_box.clicked.connect(lambda is_on: change(is_offline=is_on))
        self.limit_box.activated.connect(lambda place: change(cache_mb=list(CACHE_LIMITS_MB)[place]))

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look, beside the window, at what the thumbnails take and which devices there seem to be."""
        if not self._is_closed:  # the window's place is saved, and the project closed, after the workers
            self._looking.request(["devices", "thumbnails"])
            self.decoded.refresh()

    @Slot(object, object)
    def _on_looked(self, _what: str, found: CacheUse | tuple[str, ...]) -> None:
        if isinstance(found, CacheUse):
            size = size_text(found.bytes)
            self._thumbnail_note.setText(tr("{count} files, {size}", count=f"{found.files:,}", size=size))
            self.clear_button.setEnabled(found.files > 0)
        else:
            self._show_devices(found)

    def _show_devices(self, kinds: tuple[str, ...]) -> None:
        names = ", ".join(tr(DEVICES[kind]) for kind in kinds)
        self._device_note.setText(tr("Found: {devices}. Automatic takes the fastest.", devices=names))
        for place, kind in enumerate(DEVICES):
            item = self.device_box.model().item(place)  # type: ignore[attr-defined]
            item.setEnabled(kind in ("auto", self.state.settings.device, *kinds))

    @Slot()
    def _show_settings(self) -> None:
        settings = self.state.settings
        self.theme_buttons.button(THEMES.index(settings.theme.capitalize())).setChecked(True)
        nearest = min(FONT_SCALES, key=lambda scale: abs(scale - settings.font_scale))
        self.font_box.setCurrentIndex(FONT_SCALES.index(nearest))
        self.language_box.setCurrentIndex(place_of(settings.language, self._languages))
        self._language_note.setText(tr("Takes effect when VisionFT starts again"))
        self.advance_box.setChecked(settings.auto_advance)
        self.device_box.setCurrentIndex(place_of(settings.device, DEVICES))
        self.limit_box.setCurrentIndex(place_of(settings.cache_mb, CACHE_LIMITS_MB))
        self.picture_box.setCurrentIndex(place_of(settings.picture_mb, PICTURE_LIMITS_MB))
        self.picture_box.setEnabled(not picture_limit_is_given())
        self.decoded.show_settings()
        self._show_places()
        self.keys.show_rows(self._rows(self.state.actions))
        self.reset_keys_button.setEnabled(bool(settings.shortcuts))
        if self.isVisible():
            self.refresh()

    def _show_places(self) -> None:
        settings = self.state.settings
        self.offline_box.setChecked(settings.is_offline or offline_is_given())
        self.offline_box.setEnabled(not offline_is_given())
        self.weights_place.setText(str(weights_folder()))
        self.weights_button.setEnabled(not weights_are_given())
        self.weights_reset.setVisible(bool(settings.weights_folder) and not weights_are_given())
        self.cache_place.setText(str(cache_folder()))
        self.cache_reset.setVisible(bool(settings.cache_folder))

    def _rows(self, found: Iterable[Action]) -> list[ShortcutRow]:
        actions, chosen = self.state.actions, self.state.settings.shortcuts
        return [
            ShortcutRow(
                name=action.id, title=tr(action.title), keys=next(iter(actions.keys_of(action.id)), ""),
                is_own=action.id not in chosen,
            )
            for action in found
        ]  # fmt: skip

    # -- acting -------------------------------------------------------------------------------------------------

    def clear_thumbnails(self) -> None:
        """Delete the thumbnails; they are made again when they are looked at."""
        self.clear_button.setEnabled(False)
        self._looking.request(["clear"])

    def choose_cache_folder(self) -> None:
        """Let the user choose where thumbnails are kept; those in the old place are left there."""
        folder = dialogs.ask_folder(self, tr("Keep thumbnails in"), cache_folder().parent)
        if folder is not None:
            self.state.change_settings(cache_folder=str(folder))

    def choose_weights_folder(self) -> None:
        """Let the user choose the folder of pretrained weights."""
        folder = dialogs.ask_folder(self, tr("Pretrained weights are in"), weights_folder().parent)
        if folder is not None:
            self.state.change_settings(weights_folder=str(folder))

    def check(self) -> None:
        """Look at versions and devices in a task."""
        if self.why_not_check():
            return
        title = tr("Checking this computer")
        task = Task(title=title, work=check_computer, lane=Lane.COMPUTE, page=self.name, outlives_project=True)
        self._is_checking = True
        self.state.tasks.run(task, owner=self, on_done=self._show_report, on_end=self._on_checked)
        self.state.actions.refresh()

    def _on_checked(self, _outcome: Outcome[tuple[str, tuple[NextStep, ...]]]) -> None:
        self._is_checking = False
        self.state.actions.refresh()

    def why_not_check(self) -> str:
        """Return why the check cannot begin; empty when it can."""
        return tr("This computer is being checked already.") if self._is_checking else ""

    @Slot(str, str)
    def _on_keys_wanted(self, name: str, keys: str) -> None:
        chosen = self.state.settings.shortcuts
        if fault := self.state.actions.fault_of(name, keys):
            self.keys.show_fault(name, fault)
        else:
            self._choose_keys({**chosen, name: keys})

    @Slot(str)
    def _on_keys_reset(self, name: str) -> None:
        chosen = {other: keys for other, keys in self.state.settings.shortcuts.items() if other != name}
        actions = self.state.actions
        faults = (actions.fault_of(name, keys, chosen) for keys in actions[name].keys)
        if fault := next(filter(None, faults), ""):
            self.keys.show_fault(name, fault)
        else:
            self._choose_keys(chosen)

    def _choose_keys(self, chosen: dict[str, str]) -> None:
        self.state.change_settings(shortcuts=chosen)

    def take_step(self, step: NextStep) -> None:
        """Take a step about weights or this computer."""
        match step.action:
            case "diagnose":
                self.check()
            case "allow_network":
                self.offline_box.setFocus()
            case "install":
                self._offer_command(step)
            case _:
                self._weights.take(step)

    def _offer_command(self, step: NextStep) -> None:
        if refused := refusal(step.requirement):
            self.state.report(refused)
            return
        from visionft.cli.next_steps import command_for  # the command line takes its time to load

        QGuiApplication.clipboard().setText(command_for(step))
        self.state.say(tr("The command is on the clipboard."), tr("Run it in a terminal."), tone="good")

    def _show_report(self, found: tuple[str, tuple[NextStep, ...]]) -> None:
        report, steps = found
        self.report.setPlainText(report)
        self.report.show()
        clear(self.step_row)
        for step in steps:
            button = Button(button_of(step).title, on_click=partial(self.state.step_requested.emit, step))
            button.setToolTip(step.requirement)
            self.step_row.addWidget(button)
        self.step_row.addStretch(1)

    def close_workers(self) -> None:
        """Wait for what is being looked at; called before the window goes."""
        self._is_closed = True
        self._looking.close()
        self.decoded.close_workers()


def _look(what: str) -> CacheUse | tuple[str, ...]:
    """Answer one question about this computer, in a worker."""
    if what == "devices":
        return likely_kinds()
    return trim_cache(0) if what == "clear" else trim_cache()


def _open_folder(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
