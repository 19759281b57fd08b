"""The card “What the network sees”: the choice in a line with a picture, and its editor when unfolded."""

from PySide6.QtCore import Signal, Slot

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.fold import FoldButton
from gui.kit.parts import Button, Card, choice_box, column, row, text, widget_of
from gui.kit.translation import tr
from gui.train.framing.project_framing import ProjectFraming
from gui.train.framing.seen_part import SeenPart, detail_text, shown_size
from visionft.core.messages import Message
from visionft.core.settings import choices_of
from visionft.training.config.train_config import Framing, TrainConfig
from visionft.training.framing_choice import LEAST_IMAGES, SIZES, FramingChoice, FramingTrial, choice_text, seen_by

FRAMINGS = choices_of(TrainConfig, "framing")


class FramingCard(Card):
    """Shows a project's framing as a draft takes it; edits the user's own choice."""

    chosen = Signal(object)  # Framing of the user, None: automatic
    region_wanted = Signal(object)  # Framing to begin with: the user draws its region

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.MEDIUM)
        self._region = ""
        self.picture = SeenPart(width=96, height=64)
        self.words = text(role="muted", wrap=True)
        self.framing_box = choice_box("What the network sees", map(tr, FRAMINGS.values()))
        self.size_box = choice_box("Image size", (f"{size} px" for size in SIZES))
        tip = Message("Side of a square of as many pixels as the input has; larger shows finer detail, slower")
        self.size_box.setToolTip(tr(tip))
        self.region_button = Button("Draw region…", "edit", on_click=lambda: self.region_wanted.emit(self._wanted()))
        self.measure_button = Button("Measure now", "gauge")
        self.detail, self.trials = text(role="small", wrap=True), text(role="small", wrap=True)
        fields = Flow(self.framing_box, self.size_box, self.region_button, self.measure_button)
        editor = widget_of(column(fields, self.detail, self.trials))
        self.change_button = FoldButton("Change", editor)
        title = column(None, text("What the network sees", "heading"), self.words, None, spacing=theme.HAIR)
        self.add(row(self.picture, title, self.change_button, spacing=theme.LARGE, grows=1), editor)
        self.framing_box.activated.connect(self._on_chosen)
        self.size_box.activated.connect(self._on_chosen)

    def show_framing(self, found: ProjectFraming, config: TrainConfig) -> None:
        """Show the framing of a run with these settings, and the project's choice in the editor."""
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
        self.size_box.setCurrentIndex(SIZES.index(min(SIZES, key=lambda each: abs(each - size))))
        self.framing_box.setCurrentIndex(list(FRAMINGS).index(own.framing if own is not None else "auto"))
        for part, is_shown in (
            (self.size_box, own is not None),
            (self.measure_button, own is None),
            (self.detail, is_known),
            (self.region_button, own is not None and own.framing == "region"),
            (self.trials, own is None and is_known),
        ):
            part.setVisible(is_shown)
        self.measure_button.setText(tr("Measure now") if choice is None else tr("Measure again"))

    def show_stage(self, words: str) -> None:
        self.words.setText(words)

    def _wanted(self) -> Framing:
        framing = list(FRAMINGS)[self.framing_box.currentIndex()]
        size = SIZES[self.size_box.currentIndex()]
        return Framing(framing=framing, image_size=size, region=self._region if framing == "region" else "")

    @Slot()
    def _on_chosen(self) -> None:
        wanted = self._wanted()
        if wanted.framing == "region" and not wanted.region:
            self.region_wanted.emit(wanted)
        else:
            self.chosen.emit(None if wanted.framing == "auto" else wanted)


def _words(found: ProjectFraming, config: TrainConfig, seen: TrainConfig) -> str:
    choice = found.choice
    if config.framing != "auto":
        return tr("{framing}, by the settings under More choices.", framing=_name(seen.framing, seen.input_shape))
    if choice is not None and choice.is_own:
        return tr("{framing}: your choice for this project.", framing=_name(seen.framing, seen.input_shape))
    if not found.can_measure:
        return tr("The centre square, until {count} images have labels to measure on.", count=LEAST_IMAGES)
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
        "framing": tr(seen_by(trial.backbone, seen)) if has_networks else seen,
        "share": "–" if trial.accuracy is None else f"{trial.accuracy:.1%}",
        "time": f"{trial.milliseconds:.0f}",
    }
    if 0 < trial.images < choice.images:
        counted = tr("{count} image", "{count} images", count=trial.images)
        return tr("{framing}: {share} of the first {counted}, {time} ms an image", counted=counted, **values)
    return tr("{framing}: {share}, {time} ms an image", **values)
