"""The card “What the network sees”: the framing of the project, with a picture and an editor.

It is read in the background. A run measures the framing when it starts, unless the user has chosen one.
"""

import dataclasses
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Self

from PySide6.QtCore import Signal, Slot

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.fold import FoldButton
from gui.kit.parts import Button, Card, choice_box, column, row, text, widget_of
from gui.kit.thumbnails import THUMBNAIL_PX
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.session import ProjectSession
from gui.state import AppState
from gui.train.region_dialog import ReadImage, RegionDialog, SeenPart, detail_text, read_image, shown_size
from visionft.core.events import Event, Notice
from visionft.core.messages import Message
from visionft.core.settings import choices_of
from visionft.data.preprocess import is_region, parsed_region
from visionft.data.types import Snapshot
from visionft.features.feature_spec import MAX_ASPECT, MIN_ASPECT, measured_aspect
from visionft.training.config.train_config import CENTRE, Framing, TrainConfig
from visionft.training.framing_choice import (
    IMAGE_SIZES,
    MIN_IMAGES,
    FramingChoice,
    FramingTrial,
    choice_text,
    choose_framing,
    is_due,
    network_and_framing_text,
    networks_to_try,
    read_framing,
)
from visionft.training.probing import probed_images
from visionft.training.runs.run_snapshot import spread

_MAX_DIALOG_IMAGES = 24  # offered in the region dialog


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFraming:
    """Snapshot of a project's framing.

    Attributes:
        choice: The stored framing, or None.
        is_due: Whether the next run measures the framing: none is stored, or the number of labels has doubled.
        can_measure: Whether enough images have labels.
        aspect: Median of width / height of the images.
        paths: Up to 24 images, spread over the project.
        shown: The image with the most usual aspect ratio; None if it cannot be read.
        networks: Backbones that a preset compares.
    """

    images: Snapshot = field(compare=False)
    choice: FramingChoice | None
    is_due: bool
    can_measure: bool
    aspect: float
    paths: tuple[Path, ...]
    shown: ReadImage | None
    networks: tuple[str, ...] = ()

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Return the settings with the framing and the aspect ratio that a run would use now."""
        if config.framing == "auto":
            if self.choice is not None:
                config = self.choice.applied(config, self.networks if config.try_networks else ())
            else:
                config = CENTRE.applied(config)
        if not config.frames or config.aspect:
            return config
        left, top, right, bottom = config.features.region_box
        aspect = min(MAX_ASPECT, max(MIN_ASPECT, self.aspect * (right - left) / (bottom - top)))
        return dataclasses.replace(config, aspect=round(aspect, 3))

    @classmethod
    def read(cls, session: ProjectSession, known: Self | None) -> Self:
        """Read the framing; thread-safe. Image headers, at most 400, are read only if images differ from `known`."""
        images = session.snapshot()
        choice = read_framing(session.path, images)
        preset_config = TrainConfig(try_networks=True)
        facts = {
            "choice": choice,
            "is_due": is_due(choice, images, preset_config),
            "networks": networks_to_try(preset_config),
        }
        if known is not None and known.images is images:
            return dataclasses.replace(known, **facts)
        facts["can_measure"] = len(images.class_names) > 1 and len(probed_images(images)) >= MIN_IMAGES
        if known is not None and _content_key(known.images) == _content_key(images):
            return dataclasses.replace(known, images=images, **facts)
        config = TrainConfig(framing="whole", image_reading=images.image_reading)
        sample, whole = spread(images.images, _MAX_DIALOG_IMAGES), config.preprocessing
        aspect = measured_aspect(images.images, whole)
        typical = min(sample, key=lambda image: abs(log(measured_aspect([image], whole) / aspect)), default=None)
        shown = read_image(typical.path, THUMBNAIL_PX) if typical is not None else None
        return cls(
            images=images, aspect=aspect, paths=tuple(image.path for image in sample),
            shown=shown if isinstance(shown, ReadImage) else None, **facts,
        )  # fmt: skip


def _content_key(images: Snapshot) -> tuple[object, ...]:
    """Return a key of the images' content as displayed: reading settings and paths."""
    return images.image_reading, *(image.path for image in images.images)


FRAMINGS = choices_of(TrainConfig, "framing")


class FramingCard(Card):
    """Shows the framing for the draft; stores the user's choice in the project."""

    changed = Signal()  # framing of the next runs
    chosen = Signal()  # the user's choice has been stored

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.MEDIUM)
        self._state, self._session = state, session
        self.found: ProjectFraming | None = None
        self._config = TrainConfig()  # the draft
        self._region = ""
        self.picture = SeenPart(width=96, height=64)
        self.words = text(role="muted", wrap=True)
        self.framing_box = choice_box("What the network sees", map(tr, FRAMINGS.values()))
        self.size_box = choice_box("Image size", (f"{size} px" for size in IMAGE_SIZES))
        tip = Message(
            "Side of a square with the area of the input, in pixels; larger shows finer detail, but is slower"
        )
        self.size_box.setToolTip(tr(tip))
        self.region_button = Button("Draw region…", "edit", on_click=lambda: self._draw(self._wanted()))
        self.detail, self.trials = text(role="small", wrap=True), text(role="small", wrap=True)
        fields = Flow(self.framing_box, self.size_box, self.region_button)
        editor = widget_of(column(fields, self.detail, self.trials))
        self.change_button = FoldButton("Change", editor)
        title = column(None, text("What the network sees", "heading"), self.words, None, spacing=theme.HAIR)
        self.add(row(self.picture, title, self.change_button, spacing=theme.LARGE, grows=1), editor)
        self.framing_box.activated.connect(self._on_chosen)
        self.size_box.activated.connect(self._on_chosen)
        self._reader = BackgroundReader(ProjectFraming.read, self._take_found, parent=self)
        if session is not None:
            session.runner.run_reported.connect(self._on_run_reported)
        self.hide()

    def refresh(self) -> None:
        if self._session is not None:
            self._reader.ask(self._session, self.found)

    def _take_found(self, found: ProjectFraming) -> None:
        has_changed, self.found = found != self.found, found
        self.setVisible(bool(found.paths))
        if has_changed:
            self.changed.emit()

    @property
    def can_measure(self) -> bool:
        return self.found is not None and self.found.can_measure

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Return the settings with the framing that a run would use now."""
        return self.found.applied(config) if self.found is not None else config

    def show_framing(self, config: TrainConfig) -> None:
        """Show the framing of a run with these settings, and the project's choice in the editor."""
        self._config, found = config, self.found
        if found is None:
            return
        framed_config = found.applied(config)
        choice = found.choice
        image = found.shown
        own_framing = choice.framing if choice is not None and choice.is_own else None
        is_known = config.framing != "auto" or choice is not None
        self.picture.show_picture(image.picture if image is not None else None)
        self.picture.setFixedSize(self.picture.sizeHint())
        box = (
            framed_config.preprocessing.crop_box(image.height, image.width) if image is not None and is_known else None
        )
        self.picture.show_part(image.shares(box) if image is not None and box is not None else None)
        self.words.setText(_words(found, config, framed_config))
        self.detail.setText(
            tr(detail_text(framed_config.preprocessing, image)) if image is not None and is_known else ""
        )
        trial_lines = [_trial_line(trial, choice) for trial in choice.trials] if choice is not None else []
        self.trials.setText("\n".join(trial_lines))
        self._region = framed_config.region if own_framing is None else own_framing.region
        size = (
            own_framing.image_size if own_framing is not None and own_framing.image_size else framed_config.input_size
        )
        self.size_box.setCurrentIndex(IMAGE_SIZES.index(min(IMAGE_SIZES, key=lambda each: abs(each - size))))
        self.framing_box.setCurrentIndex(
            list(FRAMINGS).index(own_framing.framing if own_framing is not None else "auto")
        )
        for widget, is_shown in (
            (self.size_box, own_framing is not None),
            (self.detail, is_known),
            (self.region_button, own_framing is not None and own_framing.framing == "region"),
            (self.trials, own_framing is None and is_known),
        ):
            widget.setVisible(is_shown)

    def _wanted(self) -> Framing:
        framing = list(FRAMINGS)[self.framing_box.currentIndex()]
        size = IMAGE_SIZES[self.size_box.currentIndex()]
        return Framing(framing=framing, image_size=size, region=self._region if framing == "region" else "")

    @Slot()
    def _on_chosen(self) -> None:
        wanted = self._wanted()
        if wanted.framing == "region" and not wanted.region:
            self._draw(wanted)
        else:
            self._store(None if wanted.framing == "auto" else wanted)

    def _store(self, framing: Framing | None) -> None:
        """Store the user's framing in the project; None lets runs measure it."""
        session = self._session
        if session is None:
            return
        if session.project.is_read_only:
            reason = session.project.read_only_reason
            self._state.show_message(tr("This project can only be read: {reason}.", reason=reason))
        elif session.apply(choose_framing(framing)):
            self.chosen.emit()
            self.refresh()
            return
        self.show_framing(self._config)

    def _draw(self, framing: Framing) -> None:
        """Let the user draw the region of a framing, and store it."""
        found = self.found
        if found is None or not found.paths:
            return
        region = parsed_region(framing.region) if is_region(framing.region) else None
        config = framing.applied(dataclasses.replace(self._config, image_size=0))
        dialog = RegionDialog(self.window(), found.paths, config=config, region=region)
        if dialog.ask():
            self._store(dataclasses.replace(framing, region=dialog.region()))
        else:
            self.show_framing(self._config)

    @Slot(object)
    def _on_run_reported(self, event: Event) -> None:
        """Read the framing again after a notice: the run may have measured it."""
        if isinstance(event, Notice):
            self.refresh()

    def close_workers(self) -> None:
        """Stop the background reader."""
        self._session = None
        self._reader.close()


def _words(found: ProjectFraming, config: TrainConfig, seen: TrainConfig) -> str:
    choice = found.choice
    if config.framing != "auto":
        return tr("{framing}, by the settings under More choices.", framing=_name(seen.framing, seen.input_shape))
    if choice is not None and choice.is_own:
        return tr("{framing}: your choice for this project.", framing=_name(seen.framing, seen.input_shape))
    if not found.can_measure:
        return tr("The centre square, until {count} images have labels to measure on.", count=MIN_IMAGES)
    if choice is None:
        return tr("Measured on your images when training starts, in about a minute.")
    due_note = (
        tr("Measured again when training starts: there are more labels, or other networks.") if found.is_due else ""
    )
    return f"{tr(choice_text(choice))} {due_note}".rstrip()


def _name(framing: str, shape: tuple[int, int]) -> str:
    """Return a framing as text, such as "Whole image, 256 x 192 pixels"."""
    return f"{tr(FRAMINGS[framing])}, {shown_size(*shape)}"


def _trial_line(trial: FramingTrial, choice: FramingChoice) -> str:
    """Describe a trial; trials that could not win were stopped early, with fewer images."""
    seen = _name(trial.framing.framing, trial.shape)
    has_networks = len({trial_of_choice.backbone for trial_of_choice in choice.trials}) > 1
    values = {
        "framing": tr(network_and_framing_text(trial.backbone, seen)) if has_networks else seen,
        "share": "–" if trial.accuracy is None else f"{trial.accuracy:.1%}",
        "time": f"{trial.milliseconds:.0f}",
    }
    if 0 < trial.images < choice.images:
        counted = tr("{count} image", "{count} images", count=trial.images)
        return tr("{framing}: {share} of the first {counted}, {time} ms an image", counted=counted, **values)
    return tr("{framing}: {share}, {time} ms an image", **values)
