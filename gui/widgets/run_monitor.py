"""A training run while it goes on: figures, the chart, how it ended. Takes the engine's events; knows no state."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from gui import theme
from gui.widgets.job_bar import duration
from gui.widgets.metric_chart import MetricChart
from gui.widgets.parts import Card, ElidedLabel, column, pill, restyle, row
from gui.widgets.tiles import StatTile
from visionft.events import EpochDone, Event, Notice, Progress, RunStarted, StepDone


class RunMonitor(QWidget):
    """Shows one run; `start` empties it for the next."""

    def __init__(self) -> None:
        super().__init__()
        self.chart = MetricChart()
        self.tiles = {
            "epoch": StatTile("Epoch", "refresh"),
            "best": StatTile("Best accuracy", "check-circle"),
            "left": StatTile("Time left", "clock"),
            "speed": StatTile("Speed", "play"),
            "device": StatTile("Computing on", "chip"),
        }
        self._name = ElidedLabel("", "heading")
        self._state = pill()
        self._note = ElidedLabel("", "muted")
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._epochs, self._steps_per_epoch, self._best = 0, 1, -1.0
        card = Card()
        card.body.addWidget(self.chart)
        head = row(self._state, self._name, self._note, spacing=theme.MEDIUM)
        head.setStretch(1, 2)
        head.setStretch(2, 3)
        figures = row(*self.tiles.values(), spacing=theme.MEDIUM)
        for place in range(figures.count()):
            figures.setStretch(place, 1)
        layout = column(head, figures, card, spacing=theme.LARGE)
        layout.setStretch(2, 1)
        self.setLayout(layout)
        self.show_nothing()

    def show_nothing(self) -> None:
        """Show the empty state."""
        self._set_state("No run yet", "")
        self._name.setText("")
        self._note.setText("Choose a backbone and a method under Set up, then press Start.")
        for tile in self.tiles.values():
            tile.show_figure("–")

    def start(self, title: str, *, epochs: int) -> None:
        """Begin a new run."""
        self._epochs, self._steps_per_epoch, self._best = epochs, 1, -1.0
        self.chart.clear(epochs=epochs)
        self._set_state("Starting", "accent")
        self._name.setText(title)
        self._note.setText("")
        for tile in self.tiles.values():
            tile.show_figure("–")
        self.tiles["epoch"].show_figure(f"0 of {epochs}")

    def handle(self, event: Event) -> None:
        """Take one event of the run."""
        match event:
            case Progress(stage=stage, done=done, total=total):
                self._note.setText(f"{stage}: {done:,} of {total:,}" if total else stage)
            case Notice(message=message):
                self._note.setText(message)
            case RunStarted():
                self._on_started(event)
            case StepDone():
                self._on_step(event)
            case EpochDone():
                self._on_epoch(event)

    def finish(self, *, seconds: float, was_stopped: bool, run: str) -> None:
        """Show that the run ended well."""
        self._set_state("Stopped" if was_stopped else "Finished", "warn" if was_stopped else "good")
        self._name.setText(run)
        self._note.setText("The best epoch so far is kept." if was_stopped else "")
        self.tiles["left"].show_figure("–", f"took {duration(seconds)}")

    def fail(self, message: str) -> None:
        """Show that the run failed; the banner over the page has the next step."""
        self._set_state("Failed", "bad")
        self._note.setText(message)
        self.tiles["left"].show_figure("–")

    def state(self) -> str:
        """Return the word on the badge."""
        return self._state.text()

    def _set_state(self, word: str, tone: str) -> None:
        self._state.setText(word)
        restyle(self._state, tone=tone)

    def _on_started(self, event: RunStarted) -> None:
        self._epochs, self._steps_per_epoch = event.epochs, event.steps_per_epoch
        self._set_state("Running", "accent")
        self._name.setText(event.run)
        learning, total = event.trainable_parameters, event.total_parameters
        self._note.setText(
            f"{event.train_images:,} training and {event.val_images:,} validation pictures; "
            f"{millions(learning)} of {millions(total)} parameters learn ({learning / max(1, total):.1%})"
        )
        self.tiles["device"].show_figure(event.device, event.precision)

    def _on_step(self, event: StepDone) -> None:
        self.chart.add_step(event.epoch - 1 + event.step / event.steps, event.loss)
        self.tiles["epoch"].show_figure(f"{event.epoch} of {self._epochs}", f"step {event.step:,} of {event.steps:,}")
        self.tiles["left"].show_figure(duration(event.eta_s), f"loss now {event.loss:.3f}")
        self.tiles["speed"].show_figure(f"{event.images_per_second:,.0f}", "pictures per second")

    def _on_epoch(self, event: EpochDone) -> None:
        self.chart.add_epoch(
            event.epoch,
            train_loss=event.train_loss,
            val_loss=event.val_loss,
            train_top1=event.train_top1,
            val_top1=event.val_top1,
            is_best=event.is_best,
        )
        self.tiles["epoch"].show_figure(f"{event.epoch} of {event.epochs}", f"took {duration(event.seconds)}")
        self.tiles["speed"].show_figure(f"{event.images_per_second:,.0f}", "pictures per second")
        if event.is_best:
            self.tiles["best"].show_figure(f"{event.val_top1:.1%}", f"validation, epoch {event.epoch}")


def millions(count: int) -> str:
    """Return a parameter count for people: `950`, `12.3 K`, `11.2 M`."""
    if count < 1000:
        return str(count)
    if count < 1_000_000:
        return f"{count / 1000:.1f} K"
    return f"{count / 1_000_000:.1f} M"
