"""All answers of one go: tiles, one of them large with its card, and what is really there. Knows no project."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QLabel, QSizePolicy, QSplitter, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.image_view import ImageView
from gui.kit.parts import Button, ElidedLabel, choice_box, column, row, scrolling, text
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import PictureModel, Tile
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.predict.answer_card import AnswerCard, likeness, several, speed
from gui.predict.class_picker import ClassPicker
from gui.predict.evidence_panel import EvidencePanel, Places, nowhere
from gui.predict.predicting import Answers
from visionft.export.predictor import Prediction

ORDERS = ("As given", "Least sure first", "By class", "Least like yours first")


class AnswersPanel(QSplitter):
    """The answers on the left, one of them large over its card on the right."""

    class_named = Signal(str)  # of the selected pictures

    def __init__(self, thumbnails: ThumbnailStore, find_places: Places = nowhere) -> None:
        """Args: `find_places` tells where the open project has the labelled pictures behind an answer."""
        super().__init__()
        self.answers: tuple[Prediction, ...] = ()
        self._result: Answers | None = None
        self._places: dict[str, int] = {}
        self._said: Mapping[Path, str] = {}
        self.grid = PictureGrid(thumbnails, PictureModel(self._load_tiles, self), side_px=152)
        self.view = ImageView(thumbnails)
        self.card, self.evidence = AnswerCard(), EvidencePanel()
        self._find_places = find_places
        self.picker = ClassPicker("Wrong? Say what it is")
        self._note = text("", "small", wrap=True)
        self._tally = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.order_box = choice_box("Order of the answers", map(tr, ORDERS))
        self.csv_button = Button("Save CSV", "export")
        self.csv_button.setToolTip(tr("Write these answers into a table"))
        self._lay_out()
        self.grid.current_changed.connect(self._show_current)
        self.grid.selection_changed.connect(self._show_selected)
        self.order_box.activated.connect(lambda _place: self._show_ids())
        self.picker.class_named.connect(self._on_class_named)

    def _lay_out(self) -> None:
        left = QWidget()
        head = row(self._tally, self.order_box, self.csv_button)
        head.setStretch(0, 1)
        left_layout = column(head, self.grid)
        left_layout.setStretch(1, 1)
        left.setLayout(left_layout)
        self.card.body.insertWidget(3, self.picker)
        self.card.body.insertWidget(4, self._note)
        right_layout = column(self.view, self.card, self.evidence, spacing=theme.LARGE)
        right_layout.setStretch(0, 1)
        right = scrolling(right_layout)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        for label in right.findChildren(QLabel):  # else it scrolls for lines that they have only in a narrow column
            if label.wordWrap():
                label.setSizePolicy(policy)
        right.setMinimumWidth(theme.scaled(300))
        self.addWidget(left)
        self.addWidget(right)
        self.setHandleWidth(theme.LARGE)
        self.setChildrenCollapsible(False)
        self.setSizes([600, 440])

    def close_workers(self) -> None:
        """Wait for what is being decoded."""
        self.view.close_pool()
        self.evidence.close_workers()

    # -- showing ------------------------------------------------------------------------------------------------

    def show_answers(self, result: Answers) -> None:
        """Show what the model said."""
        self.answers, self._result = result.answers, result
        self._places = {name: index for index, name in enumerate(result.class_names)}
        self._tally.setText(result.tally())
        self._show_ids()

    def class_names(self) -> tuple[str, ...]:
        """Return the classes that the model knows."""
        return self._result.class_names if self._result else ()

    def offer(self, classes: Sequence[tuple[str, ClassColour]], why_not: str, note: str) -> None:
        """Offer these classes as what a picture really shows, unless there is a reason against it."""
        self.picker.offer(classes)
        self.picker.setEnabled(not why_not)
        self.picker.setToolTip(why_not)
        self._note.setText(note)
        self._note.setVisible(bool(note))

    def show_said(self, said: Mapping[Path, str]) -> None:
        """Mark the pictures that are in the project as a person said."""
        if said != self._said:
            self._said = said
            self.grid.pictures.invalidate()

    def note(self) -> str:
        """Return what is said below the box of classes."""
        return self._note.text()

    def tally(self) -> str:
        """Return how often each class was answered."""
        return self._tally.text()

    def chosen(self) -> tuple[Prediction, ...]:
        """Return the answers that are selected, or else the current one; those that could be read."""
        answers = (self.answers[image_id - 1] for image_id in self.grid.selection.selected_ids())
        return tuple(answer for answer in answers if not answer.error)

    def _show_ids(self) -> None:
        answers, order = self.answers, self.order_box.currentIndex()
        places = list(range(len(answers)))
        if order == 1:
            places.sort(key=lambda index: answers[index].probability)
        elif order == 2:
            places.sort(key=lambda index: (answers[index].class_name, -answers[index].probability))
        elif order == 3:
            places.sort(key=lambda index: -(answers[index].distance or 0.0))
        self.grid.pictures.set_ids(())  # numbers of earlier answers mean nothing now
        self.grid.pictures.set_ids(tuple(index + 1 for index in places))

    def _load_tiles(self, image_ids: Sequence[int]) -> list[Tile]:
        return [self._tile(image_id) for image_id in image_ids if image_id <= len(self.answers)]

    def _tile(self, image_id: int) -> Tile:
        answer = self.answers[image_id - 1]
        names = () if answer.error else (answer.class_name,) if answer.classes is None else answer.classes
        said = self._said.get(answer.path, "")
        return Tile(
            image_id=image_id,
            path=answer.path,
            title=tr("unlike your pictures") if answer.is_unlike else ", ".join(names) or tr("no label"),
            tone="warn" if answer.is_unlike else "" if names else "muted",
            swatches=() if answer.is_unlike else tuple(self._places.get(name, 0) for name in names),
            aside=tr("unreadable") if answer.error else "" if answer.is_unlike else f"{answer.probability:.0%}",
            mark=tr("now “{name}”", name=said) if said else "",
        )

    @Slot(int)
    def _show_current(self, image_id: int) -> None:
        answer = self.answers[image_id - 1] if 0 < image_id <= len(self.answers) else None
        self.view.show_picture(answer.path if answer else None, neighbours=[])
        self.card.show_answer(answer, answer.path.name if answer else "", self._facts_of(answer))
        self.evidence.show_evidence(answer, self._result.pictures if self._result else {}, self._find_places)

    @Slot()
    def _show_selected(self) -> None:
        count = len(self.chosen())
        many = tr("{count} pictures: say what they are", count=f"{count:,}")
        self.picker.show_words(many if count > 1 else tr("Wrong? Say what it is"))

    def _facts_of(self, answer: Prediction | None) -> list[str]:
        result = self._result
        if answer is None or answer.error or result is None:
            return []
        facts = [*several(answer), *likeness(answer, result.border), speed(answer, result.provider)]
        facts.append(tr("{time} ms each with reading.", time=f"{result.milliseconds_each:.0f}"))
        if result.temperature is not None:
            value = f"{result.temperature:.2f}"
            facts.append(tr("Probabilities are calibrated on validation (temperature {value}).", value=value))
        return facts + ([tr("Stopped before the end.")] if result.was_stopped else [])

    @Slot(str)
    def _on_class_named(self, name: str) -> None:
        self.grid.setFocus()
        self.class_named.emit(name)
