"""The card “What the network sees”: the choice of the project in a line with a picture, and its editor when unfolded.

The choice and the facts about the images are read in the background; a run measures it when it starts.
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
from visionft.features.feature_spec import LARGEST_ASPECT, LEAST_ASPECT, measured_aspect
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

_MOST_SHOWN = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFraming:
    """The choice at one moment.

    Attributes:
        choice: The stored framing, if any.
        is_due: Whether a run measures it at its start, because it is missing or the labels have doubled.
        can_measure: Whether enough images have labels.
        aspect: Median of width / height of the images.
        paths: Some images, spread over the project.
        shown: The image with the most usual aspect ratio; None if unreadable.
        networks: Tried by the settings of a preset.
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
        """Return the settings as a run would take them now: with the choice, and the images' aspect ratio."""
        if config.framing == "auto":
            if self.choice is not None:
                config = self.choice.applied(config, self.networks if config.try_networks else ())
            else:
                config = CENTRE.applied(config)
        if not config.frames or config.aspect:
            return config
        left, top, right, bottom = config.features.region_box
        aspect = min(LARGEST_ASPECT, max(LEAST_ASPECT, self.aspect * (right - left) / (bottom - top)))
        return dataclasses.replace(config, aspect=round(aspect, 3))

    @classmethod
    def read(cls, session: ProjectSession, known: Self | None) -> Self:
        """Read it; thread-safe. The headers of up to 400 images are read only if they are others than the `known`."""
        images = session.snapshot()
        choice = read_framing(session.path, images)
        trying = TrainConfig(try_networks=True)
        facts = {"choice": choice, "is_due": is_due(choice, images, trying), "networks": networks_to_try(trying)}
        if known is not None and known.images is images:
            return dataclasses.replace(known, **facts)
        facts["can_measure"] = len(images.class_names) > 1 and len(probed_images(images)) >= MIN_IMAGES
        if known is not None and _shown(known.images) == _shown(images):
            return dataclasses.replace(known, images=images, **facts)
        config = TrainConfig(framing="whole", image_reading=images.image_reading)
        some, whole = spread(images.images, _MOST_SHOWN), config.preprocessing
        aspect = measured_aspect(images.images, whole)
        typical = min(some, key=lambda image: abs(log(measured_aspect([image], whole) / aspect)), default=None)
        shown = read_image(typical.path, THUMBNAIL_PX) if typical is not None else None
        return cls(
            images=images, aspect=aspect, paths=tuple(image.path for image in some),
            shown=shown if isinstance(shown, ReadImage) else None, **facts,
        )  # fmt: skip


def _shown(images: Snapshot) -> tuple[object, ...]:
    """Return what the facts that images show depend on."""
    return images.image_reading, *(image.path for image in images.images)


FRAMINGS = choices_of(TrainConfig, "framing")


class FramingCard(Card):
    """Shows a project's framing as a draft takes it; keeps the user's own choice with the project."""

    changed = Signal()  # other runs see other parts of the images
    chosen = Signal()  # the user's choice is kept, for the draft and the next runs

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.MEDIUM)
        self._state, self._session = state, session
        self.found: ProjectFraming | None = None
        self._config = TrainConfig()  # of the draft
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
        is_other, self.found = found != self.found, found
        self.setVisible(bool(found.paths))
        if is_other:
            self.changed.emit()

    @property
    def can_measure(self) -> bool:
        return self.found is not None and self.found.can_measure

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Return the settings as a run would take them now."""
        return self.found.applied(config) if self.found is not None else config

    def show_framing(self, config: TrainConfig) -> None:
        """Show the framing of a run with these settings, and the project's choice in the editor."""
        self._config, found = config, self.found
        if found is None:
            return
        seen = found.applied(config)
        choice = found.choice
        image = found.shown
        own = choice.framing if choice is not None and choice.is_own else None
        is_known = config.framing != "auto" or choice is not None
        self.picture.show_picture(image.picture if image is not None else None)
        self.picture.setFixedSize(self.picture.sizeHint())
        box = seen.preprocessing.crop_box(image.height, image.width) if image is not None and is_known else None
        self.picture.show_part(image.shares(box) if image is not None and box is not None else None)
        self.words.setText(_words(found, config, seen))
        self.detail.setText(tr(detail_text(seen.preprocessing, image)) if image is not None and is_known else "")
        lines = [_trial_line(each, choice) for each in choice.trials] if choice is not None else []
        self.trials.setText("\n".join(lines))
        self._region = seen.region if own is None else own.region
        size = own.image_size if own is not None and own.image_size else seen.input_size
        self.size_box.setCurrentIndex(IMAGE_SIZES.index(min(IMAGE_SIZES, key=lambda each: abs(each - size))))
        self.framing_box.setCurrentIndex(list(FRAMINGS).index(own.framing if own is not None else "auto"))
        for part, is_shown in (
            (self.size_box, own is not None),
            (self.detail, is_known),
            (self.region_button, own is not None and own.framing == "region"),
            (self.trials, own is None and is_known),
        ):
            part.setVisible(is_shown)

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
            self._keep(None if wanted.framing == "auto" else wanted)

    def _keep(self, framing: Framing | None) -> None:
        """Keep the user's choice with the project; None: it is measured."""
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
        """Let the user draw the region of this framing."""
        found = self.found
        if found is None or not found.paths:
            return
        region = parsed_region(framing.region) if is_region(framing.region) else None
        config = framing.applied(dataclasses.replace(self._config, image_size=0))
        dialog = RegionDialog(self.window(), found.paths, config=config, region=region)
        if dialog.ask():
            self._keep(dataclasses.replace(framing, region=dialog.region()))
        else:
            self.show_framing(self._config)

    @Slot(object)
    def _on_run_reported(self, event: Event) -> None:
        """Read it again: a run that measures it says so."""
        if isinstance(event, Notice):
            self.refresh()

    def close_workers(self) -> None:
        """Wait for the reading in progress."""
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
    again = tr("Measured again when training starts: there are more labels, or other networks.") if found.is_due else ""
    return f"{tr(choice_text(choice))} {again}".rstrip()


def _name(framing: str, shape: tuple[int, int]) -> str:
    """Return a framing as `Whole image, 256 x 192 pixels`."""
    return f"{tr(FRAMINGS[framing])}, {shown_size(*shape)}"


def _trial_line(trial: FramingTrial, choice: FramingChoice) -> str:
    """Return a trial in words; one that could not win was measured on fewer images than the others."""
    seen = _name(trial.framing.framing, trial.shape)
    has_networks = len({each.backbone for each in choice.trials}) > 1
    values = {
        "framing": tr(network_and_framing_text(trial.backbone, seen)) if has_networks else seen,
        "share": "–" if trial.accuracy is None else f"{trial.accuracy:.1%}",
        "time": f"{trial.milliseconds:.0f}",
    }
    if 0 < trial.images < choice.images:
        counted = tr("{count} image", "{count} images", count=trial.images)
        return tr("{framing}: {share} of the first {counted}, {time} ms an image", counted=counted, **values)
    return tr("{framing}: {share}, {time} ms an image", **values)
