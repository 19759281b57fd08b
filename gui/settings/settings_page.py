"""The settings page: appearance, labelling, computing, network, caches, and a check of this computer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLayout, QPlainTextEdit, QWidget

from gui.jobs import Job, Lane, Work
from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, Card, ElidedLabel, Segments, choice_box, clear, column, row, text
from gui.kit.side_by_side import SideBySide
from gui.kit.thumbnail_cache import trim_cache
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.kit.workers import BackgroundReader
from gui.next_steps import button_of
from gui.page import Page
from gui.preferences import FONT_SCALES, WEIGHTS_VARIABLE, is_offline_in_environment, is_set_in_environment
from gui.session import ProjectSession
from gui.state import AppState
from models.catalog import BACKBONES, get_backbone
from models.weights.locations import weights_folder
from models.weights.records import WeightsState, remove_weights, weights_states
from visionft.core.amounts import size_text
from visionft.core.devices import likely_device_kinds
from visionft.core.errors import Action, NextStep, VisionFTError
from visionft.core.installation import install_command, refusal
from visionft.core.jobs import JobContext, load_libraries
from visionft.core.messages import Message, Text, languages
from visionft.core.settings import choices_of
from visionft.data import image_cache, limits
from visionft.training.config.train_config import TrainConfig

if TYPE_CHECKING:
    from models.weights.importing import ImportResult


fetch = lazy_function("models.weights.fetching:fetch")
import_weights = lazy_function("models.weights.importing:import_weights")


_LOCATIONS = {
    "bundled": Message("Ships with VisionFT"),
    "folder": Message("In the weights folder"),
    "hub cache": Message("In the hub's cache"),
    "hub": Message("To be fetched"),
    "nowhere": Message("Missing"),
}


class WeightsDialog(Dialog):
    """All backbones and the place of their weights; on accept, the chosen action for the selected one."""

    def __init__(self, parent: QWidget, states: Sequence[WeightsState]) -> None:
        super().__init__(parent, Message("Pretrained weights"), width=720, height=480)
        self.step: NextStep | None = None
        self._states = list(states)
        columns = (Message("Backbone"), Message("Weights"), Message("Size"), Message("Licence"))
        self.table = ValueTable(columns, name="Pretrained weights", is_sortable=False, is_of_texts=True)
        rows = [(each.backbone, tr(_LOCATIONS[each.location]), tr(each.size_text), tr(each.licence)) for each in states]
        self.table.show_rows([[(word, word) for word in words] for words in rows])
        self.fetch_button = Button("Fetch", "import", on_click=lambda: self._choose("fetch_weights"))
        self.remove_button = Button("Remove", "trash", on_click=lambda: self._choose("remove_weights"))
        self.import_button = Button("Import a file", "file", on_click=lambda: self._choose("import_weights"))
        aside = (self.fetch_button, self.remove_button, self.import_button)
        self.lay_out(self.table, aside=aside, spacing=theme.MEDIUM)
        self.table.itemSelectionChanged.connect(self._show_possible)
        self._show_possible()

    def _marked(self) -> WeightsState | None:
        rows = {item.row() for item in self.table.selectedItems()}
        return self._states[min(rows)] if rows else None

    def _show_possible(self) -> None:
        marked = self._marked()
        self.fetch_button.setEnabled(marked is not None and marked.location == "hub")
        is_ours = marked is not None and (marked.location == "folder" or marked.partial_bytes > 0)
        self.remove_button.setEnabled(is_ours)

    def _choose(self, action: Action) -> None:
        marked = self._marked()
        self.step = NextStep(action, backbone=marked.backbone if marked is not None else "")
        self.accept()


THEMES = {"system": Message("System"), "light": Message("Light"), "dark": Message("Dark")}
DEVICES = choices_of(TrainConfig, "device")
IMAGE_LIMITS_MB = {500: "500 MB", 1000: "1 GB", 2000: "2 GB", 4000: "4 GB", 8000: "8 GB", 16_000: "16 GB"}
DECODED_LIMITS_MB = {
    0: Message("Keep none"),
    2000: "2 GB",
    5000: "5 GB",
    10_000: Message("10 GB"),
    20_000: "20 GB",
    50_000: Message("50 GB"),
    100_000: Message("100 GB"),
    500_000: Message("500 GB"),
}


def check_computer(*, job: JobContext) -> tuple[str, tuple[NextStep, ...]]:
    """Check versions, devices and providers in a job; return the doctor's text, and the possible actions."""
    load_libraries(job)
    from visionft.core.doctor import describe, diagnose

    diagnosis = diagnose()
    return describe(diagnosis), tuple(fault.next_step for fault in diagnosis.problems if fault.next_step)


def setting_card(title: Text, *items: QWidget | QLayout) -> Card:
    card = Card()
    card.body.addLayout(column(text(title, "heading"), *items, spacing=theme.MEDIUM))
    return card


def line(name: Text, note: Text | QLabel, control: QWidget | QLayout) -> QLayout:
    """Return a line: the setting's name, a note below it, and the control on the right."""
    label = note if isinstance(note, QLabel) else text(note, "small", wrap=True)
    return row(column(text(name), label, spacing=0), control, spacing=theme.LARGE, grows=0)


class SettingsPage(Page):
    """Every change takes effect at once and is saved."""

    name = "settings"
    title = Message("Settings")

    def __init__(self, state: AppState, session: ProjectSession | None = None) -> None:
        super().__init__(state, session)
        self.subtitle.setText(tr("Every change takes effect immediately and is saved"))
        self._is_closed = self._is_checking = False
        self._boxes: list[tuple[QComboBox, str, list[Any]]] = []  # of settings with fixed choices
        self._devices = BackgroundReader(lambda _none: likely_device_kinds(), self._show_devices, parent=self)
        first = SideBySide((self._looks(), self._labelling()), (self._computing(),))
        second = SideBySide((self._network(),), (self._disk(), self._computer()))
        self.body.addWidget(SideBySide((first,), (second,)))
        self.body.addStretch(1)
        state.settings_changed.connect(self._show_settings)
        self._show_settings()

    # -- building -----------------------------------------------------------------------------------------------

    def _choice(self, field: str, name: Text, choices: Mapping[Any, str]) -> QComboBox:
        """Return a box for a setting with fixed choices."""
        box = choice_box(name, [tr(words) for words in choices.values()])
        values = list(choices)
        box.activated.connect(lambda place: self.state.change_settings(**{field: values[place]}))
        self._boxes.append((box, field, values))
        return box

    def _looks(self) -> Card:
        self.theme_switch = Segments({name: tr(words) for name, words in THEMES.items()}, tr("Theme"))
        self.theme_switch.chosen.connect(lambda name: self.state.change_settings(theme=name))
        self.font_box = self._choice("font_scale", "Text size", {scale: f"{scale:.0%}" for scale in FONT_SCALES})
        self.language_box = self._choice("language", "Language", languages())
        return setting_card(
            "Appearance",
            line("Theme", "System follows the computer's own setting", self.theme_switch),
            line("Text size", "All texts and rows grow with it", self.font_box),
            line("Language", "Takes effect when VisionFT starts again", self.language_box),
        )

    def _labelling(self) -> Card:
        self.advance_box = QCheckBox(tr("Go on to the next image after labelling"))
        self.advance_box.clicked.connect(lambda is_on: self.state.change_settings(auto_advance=is_on))
        return setting_card("Labelling", self.advance_box)

    def _computing(self) -> Card:
        self.device_box = self._choice("device", "Device", DEVICES)
        self._device_note = text(role="small", wrap=True)
        self.image_box = self._choice("image_mb", "Memory for an image", IMAGE_LIMITS_MB)
        note = Message("Larger images are refused; 2 GB are enough for 100 megapixels")
        return setting_card(
            "Computing",
            line("Device", self._device_note, self.device_box),
            line("Memory for an image", note, self.image_box),
        )

    def _network(self) -> Card:
        self.offline_box = QCheckBox(tr("Work offline"))
        self.offline_box.clicked.connect(lambda is_on: self.state.change_settings(is_offline=is_on))
        note = Message("Weights then come from this computer only. Nothing else ever connects.")
        self.show_weights_button = Button("Show", on_click=self._show_weights)
        self.weights_place = ElidedLabel("", "small")
        self.weights_button = Button("Change", on_click=self._move_weights)
        self.weights_reset = Button(
            "Reset", role="quiet", on_click=lambda: self.state.change_settings(weights_folder="")
        )
        buttons = row(self.weights_reset, self.weights_button, spacing=theme.TIGHT)
        return setting_card(
            "Pretrained weights",
            column(self.offline_box, text(note, "small", wrap=True), spacing=theme.TIGHT),
            line("On this computer", "Fetch, import or remove the weights of each backbone", self.show_weights_button),
            line("Folder", self.weights_place, buttons),
        )

    def _move_weights(self) -> None:
        folder = dialogs.ask_folder(self, tr("Pretrained weights are in"), weights_folder().parent)
        if folder is not None:
            self.state.change_settings(weights_folder=str(folder))

    def _disk(self) -> Card:
        state = self.state  # the page outlives a project

        def use(clears: bool) -> int:
            from visionft.features.feature_store import clear_features, feature_use

            images = (image_cache.clear_cache if clears else image_cache.cache_use)(image_cache.cache_folder())
            features = state.path and (clear_features if clears else feature_use)(state.path)
            thumbnails = trim_cache(0) if clears else trim_cache()
            return images.bytes + thumbnails + (features.bytes if features else 0)

        self.size_label = text(role="small")
        self.clear_button = Button("Clear", "trash", on_click=self._clear)
        self.clear_button.setToolTip(
            tr("Delete images and thumbnails, and the features of the open project; they are made again")
        )
        self.clear_button.setEnabled(False)
        self._cache = BackgroundReader(use, self._show_use, parent=self)
        self.decoded_box = self._choice("decoded_mb", "Space for decoded images and features", DECODED_LIMITS_MB)
        note = Message(
            "A cache, so that each photograph is decoded and passed through a network only once; at most half of the "
            "free space"
        )
        return setting_card(
            "Decoded images, features and thumbnails",
            line("Taken now", self.size_label, self.clear_button),
            line("At most", note, self.decoded_box),
        )

    def _clear(self) -> None:
        self.clear_button.setEnabled(False)
        self._cache.ask(True)

    def _show_use(self, size: int) -> None:
        self.size_label.setText(size_text(size))
        self.clear_button.setEnabled(size > 0)

    def _computer(self) -> Card:
        self.check_button = Button("Check this computer", "shield", on_click=self.check)
        self.state.actions.attach(self.check_button, "run.check")
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setAccessibleName(tr("What the check found"))
        self.report.setMinimumHeight(theme.scaled(220))
        self.report.hide()
        self.step_row = row()
        note = Message("Versions, graphics cards, and problems with advice. Takes a few seconds.")
        return setting_card("This computer", line("Check", note, self.check_button), self.report, self.step_row)

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the size of the caches and the available devices in the background."""
        if not self._is_closed:  # the window's geometry is saved, and the project closed, after the workers
            self._devices.ask(None)
            self._cache.ask(False)

    def _show_devices(self, kinds: tuple[str, ...]) -> None:
        names = ", ".join(tr(DEVICES[kind]) for kind in kinds)
        self._device_note.setText(tr("Found: {devices}. Automatic takes the fastest.", devices=names))
        for place, kind in enumerate(DEVICES):
            item = self.device_box.model().item(place)  # type: ignore[attr-defined]
            item.setEnabled(kind in ("auto", self.state.settings.device, *kinds))

    def _show_settings(self) -> None:
        settings = self.state.settings
        for box, field, values in self._boxes:
            value = getattr(settings, field)
            box.setCurrentIndex(values.index(value) if value in values else 0)
        nearest = min(FONT_SCALES, key=lambda scale: abs(scale - settings.font_scale))
        self.font_box.setCurrentIndex(FONT_SCALES.index(nearest))
        self.theme_switch.buttons[settings.theme].setChecked(True)
        self.advance_box.setChecked(settings.auto_advance)
        is_offline = is_offline_in_environment()
        self.offline_box.setChecked(settings.is_offline or is_offline)
        self.offline_box.setEnabled(not is_offline)
        self.offline_box.setToolTip(tr("Given by a variable of the environment") if is_offline else "")
        self.image_box.setEnabled(not is_set_in_environment(limits.LIMIT_VARIABLE))
        self.decoded_box.setEnabled(not is_set_in_environment(limits.CACHE_LIMIT_VARIABLE))
        has_own_weights = not is_set_in_environment(WEIGHTS_VARIABLE)
        self.weights_place.setText(str(weights_folder()))
        self.weights_button.setEnabled(has_own_weights)
        self.weights_reset.setVisible(bool(settings.weights_folder) and has_own_weights)
        if self.isVisible():
            self.refresh()

    # -- acting -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        if self.why_not_check():
            return
        title = tr("Checking this computer")
        job = Job(title=title, work=check_computer, lane=Lane.COMPUTE, page=self.name, outlives_project=True)
        self._is_checking = True
        self.state.jobs.run(job, owner=self, on_done=self._show_report, on_end=self._on_checked)
        self.state.actions.refresh()

    def _on_checked(self, _job: Job[tuple[str, tuple[NextStep, ...]]]) -> None:
        self._is_checking = False
        self.state.actions.refresh()

    def why_not_check(self) -> str:
        return tr("This computer is being checked already.") if self._is_checking else ""

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

    def take_step(self, step: NextStep) -> None:
        match step.action:
            case "diagnose":
                self.check()
            case "allow_network":
                self.offline_box.setFocus()
            case "install":
                self._offer_command(step)
            case "list_weights":
                self._show_weights()
            case "fetch_weights":
                self._fetch_weights(step.backbone)
            case "remove_weights":
                self._remove_weights(step.backbone)
            case "import_weights":
                self._import_weights(step.path, step.backbone)
            case _:
                pass

    def _offer_command(self, step: NextStep) -> None:
        if refused := refusal(step.requirement):
            self.state.report(refused)
            return
        QGuiApplication.clipboard().setText(install_command(step.requirement))
        self.state.show_message(tr("The command is on the clipboard."), tr("Run it in a terminal."), tone="good")

    # -- weights -------------------------------------------------------------------------------------------------

    def _show_weights(self) -> None:
        dialog = WeightsDialog(self, weights_states())
        dialog.ask()
        if dialog.step is not None:
            self.take_step(dialog.step)

    def _fetch_weights(self, name: str) -> None:
        title = tr("Fetching the weights of {backbone}", backbone=name)
        self._run_on_weights(
            title, partial(fetch, get_backbone(name)), lambda path: self._tell_present([name] if path else [])
        )

    def _run_on_weights(self, title: str, work: Work[Any], on_done: Callable[[Any], object]) -> None:
        job = Job(title=title, work=work, lane=Lane.DISK, page=self.name, outlives_project=True, makes_files=True)
        self.state.jobs.run(job, owner=self, on_done=on_done)

    def _tell_present(self, names: Iterable[str]) -> None:
        for name in names:
            self.state.show_message(
                tr("The weights of {backbone} are on this computer now.", backbone=name), tone="good"
            )

    def _import_weights(self, path: Path | None, name: str) -> None:
        """Copy a weights file into the weights folder; where it fits several backbones, ask for the right one."""
        if path is not None and name:
            choices = list(dict.fromkeys((*BACKBONES, name)))
            title = tr("What is this file for?")
            chosen = dialogs.ask_choice(self, title, path.name, choices, name)
            if chosen is None:
                return
            name = chosen
        if path is None:
            pattern = "Weights (*.safetensors *.pth *.pt *.bin *.ckpt)"
            path = next(iter(dialogs.ask_files(self, tr("Import a weights file"), pattern)), None)
        if path is None:
            return

        def tell(result: "ImportResult") -> None:
            self._tell_present(each.backbone for each in result.imported)

        work = partial(import_weights, path, backbone=name or None)
        self._run_on_weights(tr("Importing {name}", name=path.name), work, tell)

    def _remove_weights(self, name: str) -> None:
        title = tr("Remove the weights of {backbone}?", backbone=name)
        if not dialogs.ask_yes(self, title, tr("They can be fetched or imported again."), yes=tr("Remove")):
            return
        try:
            remove_weights(get_backbone(name))
        except VisionFTError as error:
            self.state.report(error)
        else:
            words = tr("The weights of {backbone} were removed.", backbone=name)
            self.state.show_message(words, tone="good", next_step=NextStep("fetch_weights", backbone=name))

    def close_workers(self) -> None:
        """Wait for the background readers; called before the window is destroyed."""
        self._is_closed = True
        for reader in (self._devices, self._cache):
            reader.close()
