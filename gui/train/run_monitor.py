"""A training run in progress: figures, the chart, the outcome. Takes the engine's events; does not use the state."""

import time

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.parts import Card, ElidedLabel, Tone, column, pill, restyle, row, text
from gui.kit.progress import ProgressBar, progress_text
from gui.kit.tiles import StatTile
from gui.kit.translation import tr
from gui.train.metric_chart import BEST_EPOCH_TIP, MetricChart
from models.messages import Message
from visionft.amounts import count_text, duration_text, memory_text, rough_duration_text
from visionft.events import EpochDone, Event, Notice, Progress, RunStarted, StepDone

_STATES: dict[str, Tone] = {
    **dict.fromkeys((Message("Starting"), Message("Running"), Message("Pausing"), Message("Stopping")), "accent"),
    **dict.fromkeys((Message("Paused"), Message("Stopped")), "warn"),
    Message("Finished"): "good",
    Message("Failed"): "bad",
}
_SHOWN_S = 0.05  # shorter epochs show no time
_TELLING_S = 1.0  # a speed from less is unreliable
_NO_EPOCHS = Message("closed form")
_TOOK = Message("took {time}")
_ONE_POINT = Message("The head was fitted in closed form, without epochs: the chart has one point.")


class StageLine(QWidget):
    """One stage with its bar; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._words, self._left = text(role="strong"), text(role="muted")
        self._bar = ProgressBar()
        self._stage, self._began_s, self._first = "", 0.0, 0
        self.pace = 0.0  # units of this stage per second; 0 while unknown
        self.setLayout(column(row(self._words, None, self._left), self._bar, spacing=theme.TIGHT))
        self.hide()

    def show_progress(self, progress: Progress) -> None:
        done, total = progress.done, progress.total
        if progress.stage != self._stage:
            self._stage, self._began_s, self._first = progress.stage, time.monotonic(), done
        spent = time.monotonic() - self._began_s
        self.pace = (done - self._first) / spent if spent >= _TELLING_S else 0.0
        left = tr("about {time} left", time=rough_duration_text((total - done) / self.pace)) if self.pace > 0 else ""
        self._show(progress_text(progress), left, done, total)

    def show_words(self, words: str) -> None:
        self._stage, self.pace = "", 0.0
        self._show(words, "", 0, 0)

    def end(self) -> None:
        """Hide the line: the run takes steps, or has ended."""
        self._stage = ""
        self.hide()

    def words(self) -> str:
        return "" if self.isHidden() else " ".join(filter(None, (self._words.text(), self._left.text())))

    def _show(self, words: str, left: str, done: int, total: int) -> None:
        self._words.setText(words)
        self._left.setText(left)
        self._bar.show_progress(done, total)
        self.show()


class RunMonitor(QWidget):
    """Shows one run; `start` clears it for the next."""

    def __init__(self) -> None:
        super().__init__()
        self.chart = MetricChart()
        self.tiles = {
            "epoch": StatTile(Message("Epoch"), "refresh"),
            "best": StatTile(Message("Best epoch"), "check-circle"),
            "left": StatTile(Message("Time left"), "clock"),
            "speed": StatTile(Message("Speed"), "play"),
            "device": StatTile(Message("Device"), "chip"),
        }
        self.tiles["best"].setToolTip(tr(BEST_EPOCH_TIP))
        self._name = ElidedLabel("", "heading")
        self._state = pill()
        self._note = ElidedLabel("", "muted")
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.stage = StageLine()
        self._forget(0, 0)
        card = Card()
        card.body.addWidget(self.stage)
        words = text("The curve begins here with the first step.", "muted")
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._views = QStackedWidget()  # the text as long as the chart has no point
        self._views.addWidget(words)
        self._views.addWidget(self.chart)
        card.body.addWidget(self._views, 1)
        head = row(self._state, self._name, self._note, spacing=theme.MEDIUM)
        head.setStretch(1, 2)
        head.setStretch(2, 3)
        figures = row(*self.tiles.values(), spacing=theme.MEDIUM)
        for index in range(figures.count()):
            figures.setStretch(index, 1)
        self.setLayout(column(head, figures, card, spacing=theme.LARGE, grows=2))
        self.show_nothing()

    def _forget(self, epochs: int, patience: int, *, learns_from_features: bool = False) -> None:
        self._epochs, self._patience, self._learns_from_features = epochs, patience, learns_from_features
        self._place = 0.0  # in epochs
        self._best: tuple[str, int] | None = None
        self._waited = 0
        self._device, self._precision = "", ""

    def show_nothing(self) -> None:
        self.show_state("No run yet")
        self.stage.end()
        self._name.setText("")
        self._note.setText(tr("Choose what to train under Set up, then press Start."))
        for tile in self.tiles.values():
            tile.show_figure("–")

    def start(self, title: str, *, epochs: int, patience: int = 0, learns_from_features: bool = False) -> None:
        """Clear the view for a new run.

        Args:
            title: Its name until its folder has one.
            epochs: Their number; none for a closed-form head.
            patience: Number of epochs without improvement before early stopping, 0 for never.
            learns_from_features: Its steps use cached features, so their speed is no image rate.
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
        self.tiles["epoch"].show_figure(_place(0, epochs), "" if epochs else tr(_NO_EPOCHS))

    def finish(
        self, *, seconds: float, was_stopped: bool, run: str, is_paused: bool = False, accuracy: str = ""
    ) -> None:
        """Show that the run ended without an error, or is paused; `accuracy` is a sentence."""
        self.stage.end()
        self.show_state("Paused" if is_paused else "Stopped" if was_stopped else "Finished")
        self._name.setText(run)
        nothing = Message("No epoch had ended yet.") if self._epochs else Message("It was not fitted yet.")
        kept = Message("The best checkpoint is kept.") if self._best else nothing
        note = Message("Resume continues at this step; the device's memory is free.") if is_paused else kept
        ended = Message("Ended early: no better epoch in {patience}.", patience=self._patience)
        is_early = self._epochs and self._patience and self._place < self._epochs
        ending = ended if is_early else "" if self._epochs else _ONE_POINT
        self._note.setText(" ".join(filter(None, map(tr, (accuracy, note if was_stopped else ending)))))
        self.tiles["left"].show_figure("–", tr(_TOOK, time=duration_text(seconds)))

    def fail(self, message: str) -> None:
        """Show that the run failed; the notification over the page has the next step."""
        self.stage.end()
        self.show_state("Failed")
        self._note.setText(tr(message))
        self.tiles["left"].show_figure("–")

    def show_waiting(self, words: str) -> None:
        self.stage.show_words(words[:1].upper() + words[1:])

    def state(self) -> str:
        return self._state.text()

    def show_state(self, word: str) -> None:
        self._state.setText(tr(word))
        restyle(self._state, tone=_STATES.get(word, ""))

    def handle(self, event: Event) -> None:
        match event:
            case Progress():
                self.stage.show_progress(event)
                if event.unit == "images" and self.stage.pace > 0:
                    self._show_speed(self.stage.pace)
            case Notice(message=message, level=level):
                self._note.setText(tr(message))
                if level == "warning":
                    self.chart.add_note(self._place, message)
            case RunStarted():
                self._on_started(event)
            case StepDone():
                self._on_step(event)
            case EpochDone():
                self._on_epoch(event)

    def _show_speed(self, images_a_second: float | None) -> None:
        if images_a_second:
            self.tiles["speed"].show_figure(f"{images_a_second:,.0f}", tr("images / s"))

    def _show_chart(self) -> None:
        self.stage.end()
        self._views.setCurrentIndex(1)

    def _on_started(self, event: RunStarted) -> None:
        self._epochs = event.epochs
        self.show_state("Running")
        trainable, total = event.trainable_parameters, event.total_parameters
        counts = {"train": f"{event.train_images:,}", "val": f"{event.val_images:,}"}
        counts |= {"some": count_text(trainable), "all": count_text(total), "share": f"{trainable / max(1, total):.1%}"}
        words = Message(
            "{train} training and {val} validation images; {some} of {all} parameters are trainable ({share})"
        )
        self._note.setText(tr(words, **counts))
        self._device, self._precision = event.device, event.precision
        self.tiles["device"].show_figure(event.device, event.precision)
        if event.first_epoch == 1:
            words = Message("Evaluating the initial weights on {count} validation images")
            self.stage.show_words(tr(words, count=f"{event.val_images:,}"))

    def _on_step(self, event: StepDone) -> None:
        self._place = event.epoch - 1 + event.step / event.steps
        self._show_chart()
        self.chart.add_step(self._place, event.loss)
        step = tr("step {step} of {steps}", step=f"{event.step:,}", steps=f"{event.steps:,}")
        self.tiles["epoch"].show_figure(_place(event.epoch, self._epochs), step)
        patience = ""
        if self._patience and self._best is not None:
            left = max(0, self._patience - self._waited)  # further epochs without improvement before early stopping
            patience = tr("patience {left} of {patience}", left=left, patience=self._patience)
        self.tiles["left"].show_figure(duration_text(event.eta_s), patience)
        if not self._learns_from_features:
            self._show_speed(event.images_per_second)
        if event.memory_mb:
            self.tiles["device"].show_figure(self._device, f"{self._precision}, {memory_text(event.memory_mb)}")

    def _on_epoch(self, event: EpochDone) -> None:
        self._place = float(event.epoch)
        self._show_chart()
        if event.figures:
            self.chart.add_epoch(
                event.epoch, train_loss=event.train_loss, val_loss=event.figures[0],
                train_accuracy=event.train_accuracy, val_accuracy=event.figures[1], is_best=event.is_best,
            )  # fmt: skip
        took = tr(_TOOK, time=duration_text(event.seconds)) if event.seconds >= _SHOWN_S else ""
        self.tiles["epoch"].show_figure(_place(event.epoch, event.epochs), took if event.epochs else tr(_NO_EPOCHS))
        if not self._learns_from_features:
            self._show_speed(event.images_per_second)
        self._waited = event.waited
        if event.is_best:
            self._best = (event.accuracy_text, event.epoch)
        if self._best is not None:
            top1, epoch = self._best
            chosen_by = tr("validation {accuracy}", accuracy=top1)
            self.tiles["best"].show_figure(str(epoch) if self._epochs else "–", chosen_by)


def _place(epoch: int, epochs: int) -> str:
    return tr("{epoch} of {epochs}", epoch=epoch, epochs=epochs) if epochs else "–"
