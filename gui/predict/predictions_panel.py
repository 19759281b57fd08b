"""The predictions of one batch: tiles, a large one with its card, and the box to correct its class. Uses no project."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QCompleter, QLabel, QLineEdit, QSizePolicy, QSplitter, QWidget

from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import ImageModel, Tile
from gui.kit.image_view import ImageView
from gui.kit.near_images import NearImages
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, choice_box, column, row, scrolling, text, widget_of
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.predict.predicting import PredictionBatch
from visionft.core.messages import Message, Text
from visionft.export.predictor import IndexEntry, Prediction
from visionft.training.retrieval import TOP_CLASSES, Neighbour

LINE_PX = 40
MAX_BARS = 5


class ClassPicker(QComboBox):
    """A box to correct a class by a part of its name; empty before and after, and a typed name may be new."""

    class_named = Signal(str)

    def __init__(self, words: Text) -> None:
        super().__init__()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMaxVisibleItems(12)
        self.setAccessibleName(tr(words))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self._edit.setPlaceholderText(tr(words))
        completer = QCompleter(self.model(), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        completer.setMaxVisibleItems(12)
        self.setCompleter(completer)
        self.activated.connect(lambda place: self._name(self.itemText(place)))
        self._edit.returnPressed.connect(self._on_return)

    @property
    def _edit(self) -> QLineEdit:
        edit = self.lineEdit()
        assert edit is not None
        return edit

    def show_words(self, words: str) -> None:
        self._edit.setPlaceholderText(words)

    def offer(self, classes: Sequence[tuple[str, ClassColour]]) -> None:
        if classes != tuple((self.itemText(place), self.itemData(place)) for place in range(self.count())):
            self.clear()
            for name, colour in classes:
                self.addItem(swatch(theme.class_colour(colour).name()), name, colour)
        self.empty()

    def empty(self) -> None:
        self.setCurrentIndex(-1)
        self.clearEditText()

    @Slot()
    def _on_return(self) -> None:
        """Accept a name outside the offered classes; Qt emits `activated` for the others."""
        name = self._edit.text().strip()
        if self.findText(name, Qt.MatchFlag.MatchFixedString) < 0:
            self._name(name)

    def _name(self, name: str) -> None:
        self.empty()
        if name:
            self.class_named.emit(name)


class ProbabilityBars(QWidget):
    """Up to a given number of bars, the first one strong unless all are doubtful."""

    def __init__(self) -> None:
        super().__init__()
        self.bars: tuple[tuple[str, float], ...] = ()  # class and probability, the best first
        self._most = MAX_BARS
        self._is_doubtful = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(
        self, bars: tuple[tuple[str, float], ...], *, is_doubtful: bool = False, most: int = MAX_BARS
    ) -> None:
        """Show (class, share of 1), best first; reserve room for `most` bars."""
        self.bars, self._is_doubtful, self._most = bars[:most], is_doubtful, most
        self.setAccessibleName("; ".join(f"{name} {share:.1%}" for name, share in self.bars))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, self._most * theme.scaled(LINE_PX))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        palette = theme.colours()
        painter = QPainter(self)
        height = theme.scaled(LINE_PX)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for index, (name, share) in enumerate(self.bars):
            top, vertical = index * height, Qt.AlignmentFlag.AlignVCenter
            words = QRect(0, top, self.width(), height - 14)
            figure = f"{share:.1%}"
            room = self.width() - painter.fontMetrics().horizontalAdvance(figure) - 12
            font = painter.font()
            is_strong = index == 0 and not self._is_doubtful
            font.setBold(is_strong)
            painter.setFont(font)
            painter.setPen(QColor(palette.muted if self._is_doubtful else palette.text))
            shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft | vertical), shown)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignRight | vertical), figure)
            painter.setPen(Qt.PenStyle.NoPen)
            groove = QRectF(0, top + height - 13, self.width(), 7)
            painter.setBrush(QColor(palette.sunken))
            painter.drawRoundedRect(groove, 3.5, 3.5)
            painter.setBrush(QColor(palette.accent if is_strong else palette.outline))
            painter.drawRoundedRect(QRectF(0, groove.top(), max(3.0, groove.width() * share), 7), 3.5, 3.5)


class PredictionCard(Card):
    """Name, out-of-distribution warning, the five most probable classes, their correction, and the inference time."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ElidedLabel("", "heading")
        self.bars = ProbabilityBars()
        self.facts = text("", "small", wrap=True)
        self.unlike = QWidget()  # the warning: the image is out of distribution
        words = Message("It is unlike the training images: the prediction is a guess.")
        said = column(text("Out of distribution", "strong"), text(words, "small", wrap=True), spacing=0)
        self.unlike.setLayout(row(IconLabel("warning", tone="warn"), said, grows=1))
        self.unlike.hide()
        self.picker = ClassPicker("Correct the class")
        self.note = text("", "small", wrap=True)
        self.add(self.name, self.unlike, self.bars, self.picker, self.note, self.facts)

    def show_prediction(self, prediction: Prediction | None, facts: Sequence[str]) -> None:
        """Show a prediction; `facts` are sentences about its computation."""
        title = prediction.path.name if prediction else ""
        is_unlike = prediction is not None and prediction.is_unlike
        self.unlike.setVisible(is_unlike)
        # Classes with supporting and opposing images below: the room is theirs.
        most = TOP_CLASSES if prediction is not None and prediction.evidence is not None else MAX_BARS
        self.bars.show_bars(prediction.top5 if prediction else (), is_doubtful=is_unlike, most=most)
        fault = tr("Could not be decoded: {reason}", reason=prediction.error) if prediction and prediction.error else ""
        self.name.setText(fault or title)
        self.facts.setText(" ".join(facts))


ORDERS = (
    Message("Original order"),
    Message("Lowest confidence first"),
    Message("By class"),
    Message("Highest distance first"),
)


SIDE_PX = 64
MAX_NOTES = 3

Places = Callable[[Mapping[int, IndexEntry]], Mapping[int, Path]]  # the files of these images in the project


class EvidencePanel(QWidget):
    """The labelled images for and against a prediction, and their notes; hidden where it has none."""

    def __init__(self) -> None:
        super().__init__()
        self.supporting, self.contradicting = NearImages(side_px=SIDE_PX), NearImages(side_px=SIDE_PX)
        self.notes = text("", "small", wrap=True)
        sides = row(self.supporting, self.contradicting, spacing=theme.MEDIUM)
        for place in range(2):
            sides.setStretch(place, 1)
        self.setLayout(column(sides, self.notes, spacing=theme.SMALL))
        self.hide()

    def show_evidence(self, prediction: Prediction | None, images: Mapping[int, IndexEntry], places: Places) -> None:
        """Show the evidence for a prediction, from the images of the index and their files in the open project."""
        evidence = prediction.evidence if prediction is not None else None
        self.setVisible(evidence is not None)
        if evidence is None:
            return
        shown = (*evidence.supporting, *evidence.contradicting, *evidence.doubles)
        named = {each.image_id: images[each.image_id] for each in shown if each.image_id in images}
        paths = places(named)
        classes = ", ".join(evidence.classes) or tr("no label")
        own = [_neighbour_tile(each, f"{each.similarity:.2f}", named, paths) for each in evidence.supporting]
        self.supporting.show_images(tr("For “{classes}”", classes=classes), own)
        others = [_neighbour_tile(each, ", ".join(each.classes), named, paths) for each in evidence.contradicting]
        self.contradicting.show_images(tr("Against it"), others)
        self.contradicting.setVisible(bool(evidence.contradicting))
        lines: list[str] = []
        if names := ", ".join(named[each.image_id].name for each in evidence.doubles if each.image_id in named):
            lines.append(tr("The same image is in the index and was not used: {names}.", names=names))
        for each in [each for each in dict.fromkeys(named.values()) if each.note or each.tags][:MAX_NOTES]:
            remarks = " ".join(filter(None, (each.note, *(f"#{tag}" for tag in each.tags))))
            lines.append(f"{each.name}: {remarks}" if each.name else remarks)
        self.notes.setText("\n".join(lines))
        self.notes.setVisible(bool(lines))

    def close_workers(self) -> None:
        self.supporting.close_workers()
        self.contradicting.close_workers()


class PredictionsPanel(QSplitter):
    """The predictions on the left, one of them large over its card on the right."""

    def __init__(self, thumbnails: ThumbnailStore, find_places: Places) -> None:
        super().__init__()
        self.predictions: tuple[Prediction, ...] = ()
        self._result: PredictionBatch | None = None
        self._places: dict[str, int] = {}
        self._corrected: Mapping[Path, str] = {}
        self.grid = ImageGrid(thumbnails, ImageModel(self._load_tiles, self), side_px=152)
        self.view = ImageView(thumbnails)
        self.card, self.evidence = PredictionCard(), EvidencePanel()
        self._find_places = find_places
        self.picker, self.note = self.card.picker, self.card.note
        self.tally = text("", "small", wrap=True)
        self.order_box = choice_box("Order of the predictions", map(tr, ORDERS))
        self.csv_button = Button("Save CSV", "export")
        self.csv_button.setToolTip(tr("Save these predictions as a table"))
        self.grid.current_changed.connect(self._show_current)
        self.grid.selection_changed.connect(self._show_selected)
        self.order_box.activated.connect(lambda _place: self._show_ids())
        head = row(self.order_box, None, self.csv_button)
        left = widget_of(column(self.tally, head, self.grid, grows=2))
        right = scrolling(column(self.view, self.card, self.evidence, spacing=theme.LARGE, grows=0))
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        for label in right.findChildren(QLabel):  # else it scrolls for lines needed only in a narrow column
            if label.wordWrap():
                label.setSizePolicy(policy)
        right.setMinimumWidth(theme.scaled(300))
        self.addWidget(left)
        self.addWidget(right)
        self.setHandleWidth(theme.LARGE)
        self.setChildrenCollapsible(False)
        self.setSizes([600, 440])

    def close_workers(self) -> None:
        self.view.close_reader()
        self.evidence.close_workers()

    def show_predictions(self, result: PredictionBatch) -> None:
        self.predictions, self._result = result.predictions, result
        self._places = {name: index for index, name in enumerate(result.class_names)}
        self.tally.setText(result.tally())
        self._show_ids()

    def class_names(self) -> tuple[str, ...]:
        return self._result.class_names if self._result else ()

    def offer(self, classes: Sequence[tuple[str, ClassColour]], why_not: str, note: str) -> None:
        """Offer these classes as corrections, or show the reason against it."""
        self.picker.offer(classes)
        self.picker.setEnabled(not why_not)
        self.picker.setToolTip(why_not)
        self.note.setText(note)
        self.note.setVisible(bool(note))

    def show_corrections(self, corrected: Mapping[Path, str]) -> None:
        if corrected != self._corrected:
            self._corrected = corrected
            self.grid.images.invalidate()

    def chosen(self) -> tuple[Prediction, ...]:
        """Return the selected predictions, or else the current one; without unreadable images."""
        predictions = (self.predictions[image_id - 1] for image_id in self.grid.selection.selected_ids())
        return tuple(prediction for prediction in predictions if not prediction.error)

    def _show_ids(self) -> None:
        predictions = self.predictions
        order = self.order_box.currentIndex()
        places = list(range(len(predictions)))
        if order == 1:
            places.sort(key=lambda index: predictions[index].probability)
        elif order == 2:
            places.sort(key=lambda index: (predictions[index].class_name, -predictions[index].probability))
        elif order == 3:
            places.sort(key=lambda index: -(predictions[index].distance or 0.0))
        self.grid.images.set_ids(())  # numbers of earlier predictions are invalid now
        self.grid.images.set_ids(tuple(index + 1 for index in places))

    def _load_tiles(self, image_ids: Sequence[int]) -> list[Tile]:
        return [self._tile(image_id) for image_id in image_ids if image_id <= len(self.predictions)]

    def _tile(self, image_id: int) -> Tile:
        found = self.predictions[image_id - 1]
        names = () if found.error else (found.class_name,) if found.classes is None else found.classes
        corrected = self._corrected.get(found.path, "")
        probability = f"{found.probability:.0%}"
        return Tile(
            image_id=image_id,
            path=found.path,
            title=tr("out of distribution") if found.is_unlike else ", ".join(names) or tr("no label"),
            tone="warn" if found.is_unlike or found.warnings else "" if names else "muted",
            swatches=() if found.is_unlike else tuple(self._places.get(name, 0) for name in names),
            aside=tr("could not be decoded") if found.error else "" if found.is_unlike else probability,
            mark=tr("now “{name}”", name=corrected) if corrected else "",
        )

    @Slot(int)
    def _show_current(self, image_id: int) -> None:
        prediction = self.predictions[image_id - 1] if 0 < image_id <= len(self.predictions) else None
        result = self._result
        facts = list[str]()
        if prediction is not None and result is not None and not prediction.error:
            facts = [tr("Warning: {reason}.", reason=tr(each)) for each in prediction.warnings]
            if prediction.classes is not None:  # of a multi-label model, those above their threshold
                names = ", ".join(prediction.classes)
                facts.append(tr("Labels: {classes}.", classes=names) if names else tr("No label."))
            provider = result.provider.removesuffix("ExecutionProvider")
            time = f"{prediction.model_ms:.1f}"
            facts.append(tr("{time} ms for inference, on {provider}.", time=time, provider=provider))
            facts += [tr("Stopped before the end.")] * result.was_stopped
        self.view.show_image(prediction.path if prediction else None, neighbours=[])
        self.card.show_prediction(prediction, facts)
        self.evidence.show_evidence(prediction, result.images if result else {}, self._find_places)

    @Slot()
    def _show_selected(self) -> None:
        count = len(self.chosen())
        many = tr("Correct the class of {count} image", "Correct the class of {count} images", count=count)
        self.picker.show_words(many if count > 1 else tr("Correct the class"))


def _neighbour_tile(each: Neighbour, title: str, named: Mapping[int, IndexEntry], paths: Mapping[int, Path]) -> Tile:
    image = named.get(each.image_id, IndexEntry("", ""))
    return Tile(
        image_id=each.image_id,
        path=paths.get(each.image_id, Path(image.name)),
        title=title,
        aside=tr("{classes}, similarity {n}", classes=", ".join(each.classes), n=f"{each.similarity:.2f}"),
        detail=" ".join(filter(None, (image.note, ", ".join(image.tags)))),
    )
