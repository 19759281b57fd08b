"""A training run in progress: its stage, the held-out images as it sorts them, and the figures behind *Details*.

Takes the engine's events; does not use the state.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.fold import FoldButton
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Section, Tile
from gui.kit.parts import Card, ElidedLabel, Segments, Tone, column, pill, restyle, row, scrolling, text, widget_of
from gui.kit.progress import JobShare, ProgressBar, progress_text
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.tiles import StatTile
from gui.kit.translation import capitalised, tr
from gui.train.live_charts import BEST_EPOCH_TIP, AccuracyChart, LiveChart
from models.methods.table import known_method
from visionft.core.amounts import count_text, memory_text, rough_duration_text
from visionft.core.events import EpochDone, Event, ImagesClassified, Notice, Progress, RunStarted, StepDone
from visionft.core.messages import Message
from visionft.training.config.presets import PRESETS
from visionft.training.runs.metrics_file import AccuracyPoint

MAX_IMAGES = 600  # shown; the others are only counted


class SortedImages(Card):
    """The images under the class that the run assigns them, the wrong ones first, with their label."""

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.thumbnails = ThumbnailStore(self)
        self.grid = ImageGrid(
            self.thumbnails,
            name=Message("Images the run has sorted"),
            side_px=theme.scaled(84),
            lines=0,
            selectable=False,
        )
        self._answer = text(role="heading")
        self._answer.setAccessibleName(tr("Held-out images that are right"))
        explanation = text("Held-out images as the model sorts them; a wrong one shows its label.", "muted")
        self.body.addLayout(column(self._answer, explanation, spacing=theme.TIGHT))
        self.body.addWidget(self.grid, 1)
        self.start()

    def start(
        self, images: Callable[[], Mapping[int, Path]] = dict, colours: Callable[[], Mapping[str, ClassColour]] = dict
    ) -> None:
        """Clear the view for a run; `images` returns its files by id, `colours` its classes' colours, when needed."""
        self._read_images, self._read_colours = images, colours
        self._paths: Mapping[int, Path] = {}
        self._colours: Mapping[str, ClassColour] = {}
        self._split = ""
        self._found: dict[int, tuple[str, str]] = {}  # image id: the assigned class, and the label of a wrong one
        self._show()

    def count(self) -> int:
        return len(self._found)

    def answer(self) -> str:
        """Return how many images are right, as it is shown."""
        return self._answer.text()

    def show_more(self, event: ImagesClassified) -> None:
        """Show more images; images of another split replace the earlier ones: the test comes last."""
        if not self._found:
            self._paths, self._colours = self._read_images(), self._read_colours()
        if event.split != self._split:
            self._split, self._found = event.split, {}
        for image_id, name, label in zip(event.image_ids, event.predicted, event.labels, strict=True):
            self._found[image_id] = (name, "" if name == label else label)
        self._show()

    def _show(self) -> None:
        right = sum(not label for _, label in self._found.values())
        self._answer.setText(tr("{right} of {count} right", right=f"{right:,}", count=f"{len(self._found):,}"))
        by_class: dict[str, list[tuple[int, str]]] = {name: [] for name in self._colours}
        for image_id, (name, label) in self._found.items():
            by_class.setdefault(name, []).append((image_id, label))
        tiles: list[Tile] = []
        sections: list[Section] = []
        for name, found in by_class.items():
            shown = sorted((each for each in found if each[0] in self._paths), key=lambda each: not each[1])
            shown = shown[: max(1, MAX_IMAGES // len(by_class))]
            if shown:
                wrong = sum(bool(label) for _, label in found)
                right = tr("{right} of {count} right", right=f"{len(found) - wrong:,}", count=f"{len(found):,}")
                sections.append(Section(name, self._colours.get(name), len(shown), right))
            for image_id, label in shown:
                tone = "bad" if label else ""
                tiles.append(Tile(image_id=image_id, path=self._paths[image_id], mark=label, tone=tone))
        self.grid.show_tiles(tiles, tuple(sections))

    def close_workers(self) -> None:
        self.thumbnails.close()


_STATES: dict[str, Tone] = {
    **dict.fromkeys((Message("Starting"), Message("Running"), Message("Pausing"), Message("Stopping")), "accent"),
    **dict.fromkeys((Message("Paused"), Message("Stopped")), "warn"),
    Message("Finished"): "good",
    Message("Failed"): "bad",
}
_TELLING_S = 1.0  # a speed from less is unreliable
_ONE_POINT = Message("The head was fitted in closed form, without epochs: the chart has one point.")


class RunLine(Card):
    """What the run does, the time left, and one bar over all its stages; at its end the result."""

    def __init__(self) -> None:
        super().__init__()
        self._words = text("", "heading", wrap=True)
        self._left = text("", "muted")
        self._bar = ProgressBar()
        self.start()
        self.body.addLayout(column(row(self._words, self._left, grows=0), self._bar, spacing=theme.TIGHT))

    def start(self) -> None:
        self._share = JobShare()
        self._stage, self._began_s, self._first = "", 0.0, 0
        self.pace = 0.0  # units of the present stage per second; 0 while unknown

    def show_progress(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._began_s = time.monotonic()
            self._first = progress.done
        spent = time.monotonic() - self._began_s
        self.pace = (progress.done - self._first) / spent if spent >= _TELLING_S else 0.0
        self.show_step(progress, progress_text(progress))

    def show_step(self, event: Progress | StepDone, words: str) -> None:
        self._share.take(event)
        self._show(words, self._share.words(), self._share.share)

    def forget_time(self) -> None:
        """Forecast the time anew: what is left to do has changed."""
        self._share = JobShare()

    def show_words(self, words: str) -> None:
        """Show a moment without a count; the bar stays."""
        self._stage, self.pace = "", 0.0
        self._show(words, self._share.words(), self._share.share)

    def end(self, words: str, aside: str = "") -> None:
        self._show(words, aside, None)
        self._bar.hide()

    def words(self) -> str:
        return " ".join(filter(None, (self._words.text(), self._left.text())))

    def share(self) -> float | None:
        """Return the share of the whole run that the bar shows."""
        return self._share.share

    def _show(self, words: str, left: str, share: float | None) -> None:
        self._words.setText(words)
        self._left.setText(left)
        self._bar.show_share(share)
        self._bar.show()


class RunMonitor(QWidget):
    """Shows one run; `start` clears it for the next."""

    budget_chosen = Signal(str)  # a name of `PRESETS`

    def __init__(self) -> None:
        super().__init__()
        self.chart = LiveChart()
        self.accuracies = AccuracyChart()
        self.budget = Segments({name: tr(preset.title) for name, preset in PRESETS.items()}, tr("How long it trains"))
        for name, button in self.budget.buttons.items():
            button.setToolTip(tr(PRESETS[name].words))
        self.budget.chosen.connect(self._on_budget_chosen)
        self._budget_row = widget_of(row(text("How long", "muted"), self.budget, spacing=theme.MEDIUM))
        self.tiles = {
            "best": StatTile(Message("Best epoch"), "check-circle"),
            "speed": StatTile(Message("Speed"), "play"),
            "device": StatTile(Message("Device"), "chip"),
        }
        self.tiles["best"].setToolTip(tr(BEST_EPOCH_TIP))
        self._name = ElidedLabel("", "heading")
        self._state = pill()
        self._note = ElidedLabel("", "muted")
        self.line, self.sorted = RunLine(), SortedImages()
        self._nothing = EmptyState("pictures", "", "")
        self._forget(0, 0)
        charts = Card()
        charts.body.addWidget(self.chart, 1)
        figures = row(*self.tiles.values(), spacing=theme.MEDIUM)
        for index in range(figures.count()):
            figures.setStretch(index, 1)
        charts.setMinimumHeight(theme.scaled(270))  # with large text the page scrolls
        over_time = Card()
        over_time.body.addWidget(self.accuracies, 1)
        self._charts = charts
        parts = column(self._note, over_time, figures, charts, spacing=theme.MEDIUM, grows=3)
        self._details = scrolling(parts, shrinks=True)
        self.details_button = FoldButton("Details", self._details, on_click=self._on_details_clicked)
        head = row(self._state, self._name, self.details_button, spacing=theme.MEDIUM, grows=1)
        self.setLayout(
            column(head, self.line, self._budget_row, self._nothing, self.sorted, self._details, spacing=theme.MEDIUM)
        )
        for part in (self._nothing, self.sorted, self._details):
            self.layout().setStretchFactor(part, 1)  # type: ignore[union-attr]
        self.show_nothing()

    def _forget(self, epochs: int, patience: int, *, learns_from_features: bool = False) -> None:
        self._epochs, self._patience, self._learns_from_features = epochs, patience, learns_from_features
        self._train_images = 0
        self._place = 0.0  # in epochs
        self._best: tuple[str, int] | None = None
        self._waited = 0
        self._device, self._precision = "", ""
        self._has_chosen = False  # whether the user has opened or closed the details of this run

    def show_nothing(self) -> None:
        self.show_state("No run yet")
        self.line.hide()
        self._budget_row.hide()
        self._name.setText("")
        self._show_note("")
        self._nothing.show_words(Message("No run yet"), Message("Choose what to train under Set up."), "")
        for tile in self.tiles.values():
            tile.show_figure("–")
        self._open_details(False)

    def start(
        self, title: str, *, epochs: int, patience: int = 0, learns_from_features: bool = False, budget: str = ""
    ) -> None:
        """Clear the view for a new run.

        Args:
            title: Its name until its folder has one.
            epochs: Their number; none for a closed-form head.
            patience: Number of epochs without improvement before early stopping, 0 for never.
            learns_from_features: Its steps use cached features, so their speed is no image rate.
            budget: The preset that it goes through, which can be changed; empty for settings of the user's own.
        """
        self._forget(epochs, patience, learns_from_features=learns_from_features)
        self.chart.clear(epochs=epochs)
        self.accuracies.show_points(())
        self._budget_row.setVisible(bool(budget))
        if budget:
            self.budget.choose(budget)
        self.sorted.start()
        self.show_state("Starting")
        self.line.start()
        self.line.show_words(tr("Starting"))
        self.line.show()
        self._name.setText(title)
        self._show_note("")
        for tile in self.tiles.values():
            tile.show_figure("–")
        hint = Message("The held-out images appear here as soon as the model sorts them.")
        self._nothing.show_words(Message("The model is learning"), hint, "")
        self._open_details(
            bool(epochs) and not learns_from_features and not budget
        )  # no image is to be seen for a while

    def finish(self, *, seconds: float, was_stopped: bool, run: str, is_paused: bool = False, result: str = "") -> None:
        """Show that the run ended without an error, or is paused; `result` is a sentence."""
        self.show_state("Paused" if is_paused else "Stopped" if was_stopped else "Finished")
        self._name.setText(run)
        nothing = Message("No epoch had ended yet.") if self._epochs else Message("It was not fitted yet.")
        kept = Message("The best checkpoint is kept.") if self._best else nothing
        note = Message("Resume continues at this step; the device's memory is free.") if is_paused else kept
        ended = Message("Ended early: no better epoch in {patience}.", patience=self._patience)
        is_early = self._epochs and self._patience and self._place < self._epochs
        ending = ended if is_early else "" if self._epochs else _ONE_POINT
        self._show_note(tr(ending) if ending and not was_stopped else "")
        self._budget_row.hide()
        words = tr(note) if was_stopped else result or tr("The run has ended.")
        self.line.end(words, tr("took {time}", time=rough_duration_text(seconds)))

    def fail(self, message: str) -> None:
        """Show that the run failed; the notification over the page has the next step."""
        self.show_state("Failed")
        self._budget_row.hide()
        self.line.end(tr(message))

    def show_waiting(self, words: str) -> None:
        self.line.show_words(capitalised(words))

    def state(self) -> str:
        return self._state.text()

    def show_state(self, word: str) -> None:
        self._state.setText(tr(word))
        restyle(self._state, tone=_STATES.get(word, ""))

    def show_accuracies(self, points: Sequence[AccuracyPoint]) -> None:
        """Show the recorded accuracies over time in place of the accuracies from events."""
        self.accuracies.show_points(points)

    def _on_budget_chosen(self, name: str) -> None:
        self.line.forget_time()
        self.budget_chosen.emit(name)

    def _show_note(self, note: str) -> None:
        """Show a line above the charts; an empty one takes no room."""
        self._note.setText(note)
        self._note.setVisible(bool(note))

    def _on_details_clicked(self) -> None:
        self._has_chosen = True
        self._open_details(self.details_button.isChecked())

    def _open_details(self, is_open: bool) -> None:
        """Show the figures and charts, or the images."""
        self.details_button.setChecked(is_open)
        self.sorted.setVisible(not is_open and self.sorted.count() > 0)
        self._nothing.setVisible(not is_open and not self.sorted.count())

    def handle(self, event: Event) -> None:
        match event:
            case Progress():
                self.line.show_progress(event)
                if event.unit == "images" and self.line.pace > 0:
                    self._show_speed(self.line.pace)
            case Notice(message=message, level=level):
                self._show_note(tr(message))
                if level == "warning":
                    self.chart.add_note(self._place, message)
            case ImagesClassified():
                self.sorted.show_more(event)
                self._open_details(self._has_chosen and self.details_button.isChecked())
            case RunStarted():
                self._on_started(event)
            case StepDone():
                self._on_step(event)
            case EpochDone():
                self._on_epoch(event)
            case _:
                pass

    def _show_speed(self, images_a_second: float | None) -> None:
        if images_a_second:
            self.tiles["speed"].show_figure(f"{images_a_second:,.0f}", tr("images / s"))

    def _on_started(self, event: RunStarted) -> None:
        method = known_method(event.method)
        self._learns_from_features = method is not None and method.caches_features
        if event.epochs != self._epochs or (event.first_epoch == 1 and self._place):  # another stage
            self.chart.clear(epochs=event.epochs)
            self._place = 0.0
        self._epochs, self._train_images = event.epochs, event.train_images
        self.show_state("Running")
        trainable, total = event.trainable_parameters, event.total_parameters
        counts = {"train": f"{event.train_images:,}", "val": f"{event.val_images:,}"}
        counts |= {"some": count_text(trainable), "all": count_text(total), "share": f"{trainable / max(1, total):.1%}"}
        words = Message(
            "{train} training and {val} validation images; {some} of {all} parameters are trainable ({share})"
        )
        self._show_note(tr(words, **counts))
        self._device, self._precision = event.device, event.precision
        self.tiles["device"].show_figure(event.device, event.precision)
        if self._epochs and not self._learns_from_features and not self._has_chosen:
            self._open_details(True)  # the images that a framing was measured on are seen by now
        if event.first_epoch == 1:
            words = Message("Evaluating the initial weights on {count} validation images")
            self.line.show_words(tr(words, count=f"{event.val_images:,}"))

    def _on_step(self, event: StepDone) -> None:
        self._place = event.epoch - 1 + event.step / event.steps
        self.chart.add_step(self._place, event.loss)
        words = Message("Epoch {epoch} of {epochs}: {done} of {count} images")
        done = round(self._train_images * event.step / event.steps)
        self.line.show_step(
            event, tr(words, epoch=event.epoch, epochs=self._epochs, done=f"{done:,}", count=f"{self._train_images:,}")
        )
        if not self._learns_from_features:
            self._show_speed(event.images_per_second)
        if event.memory_mb:
            self.tiles["device"].show_figure(self._device, f"{self._precision}, {memory_text(event.memory_mb)}")

    def _on_epoch(self, event: EpochDone) -> None:
        self._place = float(event.epoch)
        if (point := AccuracyPoint.of(event)) is not None:
            self.accuracies.show_points([*self.accuracies.points, point])
        if event.figures:
            self.chart.add_epoch(event)
        if not self._learns_from_features:
            self._show_speed(event.images_per_second)
        self._waited = event.waited
        if event.is_best:
            self._best = (event.accuracy_text, event.epoch)
        if self._best is not None:
            top1, epoch = self._best
            words = tr("validation {accuracy}", accuracy=top1)
            if self._patience:
                left = max(0, self._patience - self._waited)  # further epochs without improvement before early stopping
                words += ", " + tr("patience {left} of {patience}", left=left, patience=self._patience)
            self.tiles["best"].show_figure(str(epoch) if self._epochs else "–", words)
