"""A training run while it goes on: figures, the chart, how it ended. Takes the engine's events; knows no state."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Card, ElidedLabel, Tone, column, pill, restyle, row, text
from gui.kit.tiles import StatTile
from gui.train.metric_chart import WHY_KEPT, MetricChart
from gui.train.stage_line import StageLine
from visionft.amounts import count_text, duration_text, memory_text
from visionft.events import EpochDone, Event, Notice, Progress, RunStarted, StepDone

_STATES: dict[str, Tone] = {
    "Starting": "accent", "Running": "accent", "Pausing": "accent", "Stopping": "accent",
    "Paused": "warn", "Stopped": "warn", "Finished": "good", "Failed": "bad",
}  # fmt: skip


_TOLD_S = 0.05
_NO_EPOCHS = "solved at once"
_ONE_POINT = "The head was solved for at once, without epochs: the chart has one point, the result."


class RunMonitor(QWidget):
    """Shows one run; `start` empties it for the next."""

    def __init__(self) -> None:
        super().__init__()
        self.chart = MetricChart()
        self.tiles = {
            "epoch": StatTile("Epoch", "refresh"),
            "best": StatTile("Kept", "check-circle"),
            "left": StatTile("Time left", "clock"),
            "speed": StatTile("Speed", "play"),
            "device": StatTile("Device", "chip"),
        }
        self.tiles["best"].setToolTip(tr(WHY_KEPT))
        self._name = ElidedLabel("", "heading")
        self._state = pill()
        self._note = ElidedLabel("", "muted")
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.stage = StageLine()
        self._forget(0, 0)
        card = Card()
        card.body.addWidget(self.stage)
        card.body.addWidget(self._chart_or_words(), 1)
        head = row(self._state, self._name, self._note, spacing=theme.MEDIUM)
        head.setStretch(1, 2)
        head.setStretch(2, 3)
        figures = row(*self.tiles.values(), spacing=theme.MEDIUM)
        for index in range(figures.count()):
            figures.setStretch(index, 1)
        layout = column(head, figures, card, spacing=theme.LARGE)
        layout.setStretch(2, 1)
        self.setLayout(layout)
        self.show_nothing()

    def _chart_or_words(self) -> QStackedWidget:
        """Return the chart, which gives way to a line of words while it has no point: bare axes say nothing."""
        words = text("The curve begins here with the first step.", "muted")
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._views = QStackedWidget()
        self._views.addWidget(words)
        self._views.addWidget(self.chart)
        return self._views

    def _forget(self, epochs: int, patience: int, *, learns_from_features: bool = False) -> None:
        self._epochs, self._patience, self._learns_from_features = epochs, patience, learns_from_features
        self._steps_per_epoch = 1
        self._place = 0.0  # in epochs
        self._best: tuple[str, int] | None = None
        self._waited = 0
        self._device, self._precision = "", ""

    # -- how it stands ------------------------------------------------------------------------------------------

    def show_nothing(self) -> None:
        """Show the empty state."""
        self.show_state("No run yet")
        self.stage.end()
        self._name.setText("")
        self._note.setText(tr("Choose what to train under Set up, then press Start."))
        for tile in self.tiles.values():
            tile.show_figure("–")

    def start(self, title: str, *, epochs: int, patience: int = 0, learns_from_features: bool = False) -> None:
        """Begin a new run.

        Args:
            title: What it is called until its folder has a name.
            epochs: How many there will be; none where the head is solved for.
            patience: How many epochs without a better one end it, 0 for never.
            learns_from_features: Its steps see no pictures, so that their speed says nothing of pictures.
        """
        self._forget(epochs, patience, learns_from_features=learns_from_features)
        self.chart.clear(epochs=epochs)
        self._views.setCurrentIndex(0)
        self.show_state("Starting")
        self.stage.show_words(tr("Starting"))
        self._name.setText(title)
        self._note.setText("")
        for tile in self.tiles.values():
            tile.show_figure("–")
        self.tiles["epoch"].show_figure(f"0 of {epochs}" if epochs else "–", "" if epochs else tr(_NO_EPOCHS))

    def finish(self, *, seconds: float, was_stopped: bool, run: str, is_paused: bool = False) -> None:
        """Show that the run ended well, or waits to be resumed."""
        self.stage.end()
        self.show_state("Paused" if is_paused else "Stopped" if was_stopped else "Finished")
        self._name.setText(run)
        nothing = "No epoch had ended yet." if self._epochs else "It was not solved for yet."
        kept = "What was best so far is kept." if self._best else nothing
        note = "Resume goes on at this very step; the device's memory is free." if is_paused else kept
        self._note.setText(note if was_stopped else self._ending())
        self.tiles["left"].show_figure("–", f"took {duration_text(seconds)}")

    def _ending(self) -> str:
        if self._epochs and self._patience and self._place < self._epochs:
            return f"Ended early: no better epoch in {self._patience}."
        return "" if self._epochs else tr(_ONE_POINT)

    def fail(self, message: str) -> None:
        """Show that the run failed; the toast over the page has the next step."""
        self.stage.end()
        self.show_state("Failed")
        self._note.setText(message)
        self.tiles["left"].show_figure("–")

    def show_waiting(self, words: str) -> None:
        """Show what the run waits for before it begins."""
        self.stage.show_words(words[:1].upper() + words[1:])

    def state(self) -> str:
        """Return the word on the badge."""
        return self._state.text()

    def show_state(self, word: str) -> None:
        """Show how the run stands, in one word."""
        self._state.setText(tr(word))
        restyle(self._state, tone=_STATES.get(word, ""))

    # -- events -------------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Take one event of the run."""
        match event:
            case Progress():
                self._on_progress(event)
            case Notice(message=message, level=level):
                self._note.setText(message)
                if level == "warning":
                    self.chart.add_note(self._place, message)
            case RunStarted():
                self._on_started(event)
            case StepDone():
                self._on_step(event)
            case EpochDone():
                self._on_epoch(event)

    def _on_progress(self, event: Progress) -> None:
        self.stage.show_progress(event)
        if event.unit == "items" and self.stage.pace > 0:
            self._show_speed(self.stage.pace)

    def _show_speed(self, pictures_a_second: float) -> None:
        if pictures_a_second > 0:
            self.tiles["speed"].show_figure(f"{pictures_a_second:,.0f}", tr("pictures / s"))

    def _show_chart(self) -> None:
        self.stage.end()
        self._views.setCurrentIndex(1)

    def _on_started(self, event: RunStarted) -> None:
        self._epochs, self._steps_per_epoch = event.epochs, event.steps_per_epoch
        self.show_state("Running")
        self._name.setText(event.run)
        trainable, total = event.trainable_parameters, event.total_parameters
        self._note.setText(
            f"{event.train_images:,} training and {event.val_images:,} validation pictures; "
            f"{count_text(trainable)} of {count_text(total)} parameters are trainable ({trainable / max(1, total):.1%})"
        )
        self._device, self._precision = event.device, event.precision
        self.tiles["device"].show_figure(event.device, event.precision)
        if event.first_epoch == 1:
            words = "Looking at what it begins with on {count} validation pictures"
            self.stage.show_words(tr(words, count=f"{event.val_images:,}"))

    def _on_step(self, event: StepDone) -> None:
        self._place = event.epoch - 1 + event.step / event.steps
        self._show_chart()
        self.chart.add_step(self._place, event.loss)
        self.tiles["epoch"].show_figure(f"{event.epoch} of {self._epochs}", f"step {event.step:,} of {event.steps:,}")
        self.tiles["left"].show_figure(duration_text(event.eta_s), self._patience_words())
        if not self._learns_from_features:
            self._show_speed(event.images_per_second)
        if event.memory_mb:
            self.tiles["device"].show_figure(self._device, f"{self._precision}, {memory_text(event.memory_mb)}")

    def _on_epoch(self, event: EpochDone) -> None:
        self._place = float(event.epoch)
        self._show_chart()
        if event.figures:
            self.chart.add_epoch(
                event.epoch,
                train_loss=event.train_loss,
                val_loss=event.figures[0],
                train_accuracy=event.train_accuracy,
                val_accuracy=event.figures[1],
                is_best=event.is_best,
            )
        place = f"{event.epoch} of {event.epochs}" if event.epochs else "–"
        took = f"took {duration_text(event.seconds)}" if event.seconds >= _TOLD_S else ""
        self.tiles["epoch"].show_figure(place, took if event.epochs else tr(_NO_EPOCHS))
        if not self._learns_from_features:
            self._show_speed(event.images_per_second)
        self._waited = event.waited
        if event.is_best:
            self._best = (event.accuracy_text, event.epoch)
        if self._best is not None:
            top1, epoch = self._best
            self.tiles["best"].show_figure(top1, f"epoch {epoch}" if self._epochs else "")

    def _patience_words(self) -> str:
        """Return how many epochs without a better one are left before the run ends early."""
        if not self._patience or self._best is None:
            return ""
        return f"patience {max(0, self._patience - self._waited)} of {self._patience}"
