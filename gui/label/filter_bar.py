"""Which pictures the grid shows, and in what order: one line of chips. Knows Qt and plain data only."""

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from gui.kit import theme
from gui.kit.chips import Chip, ChoiceChip
from gui.kit.i18n import tr
from gui.kit.parts import Button, row
from gui.kit.theme import ClassColour

ANY_TAG, ANY_PREDICTION = "Any tag", "Any suggestion"
ANY_STATE, UNLABELLED, LABELLED, PUT_OFF, IN_CONFLICT = range(5)
LABEL_STATES = ("Any label", "Without label", "Labelled", "Put off", "In conflict")
SPLIT_NAMES = ("Any split", "Training", "Validation", "Test", "Not divided")
SPLIT_KEYS = ("", "train", "val", "test", "unassigned")
AS_IMPORTED, NEWEST_FIRST, BY_NAME, BY_CLASS, UNSURE_FIRST, SURE_FIRST, MOST_USEFUL = range(7)
ORDERS = ("As imported", "Newest first", "By name", "By class", "Unsure first", "Sure first", "Most useful next")
_ALWAYS = (AS_IMPORTED, NEWEST_FIRST, BY_NAME, BY_CLASS)
TYPING_PAUSE_MS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuery:
    """What the user wants to see; empty fields and zeros do not narrow.

    Attributes:
        prediction: Pictures for which this class is suggested.
        label_state: A place in `LABEL_STATES`.
        split: One of `SPLIT_KEYS`.
        order: A place in `ORDERS`.
    """

    text: str = ""
    class_name: str = ""
    tag: str = ""
    prediction: str = ""
    label_state: int = ANY_STATE
    split: str = ""
    order: int = AS_IMPORTED

    @property
    def narrows(self) -> bool:
        """Whether any picture may be left out."""
        return bool(self.text or self.class_name or self.tag or self.prediction or self.label_state or self.split)


class FilterBar(QWidget):
    """A search and chips; those for tags and suggestions show where there are any, the others stay.

    The class is chosen elsewhere (`show_only_class`), and so are single pictures (`show_only`); their chips take the
    choice back.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text_edit = QLineEdit()
        self.text_edit.setPlaceholderText(tr("Find by name or note"))
        self.text_edit.setAccessibleName(tr("Find by file name or note"))
        self.text_edit.setClearButtonEnabled(True)
        self.text_edit.setMinimumWidth(theme.scaled(104))
        self.text_edit.setMaximumWidth(theme.scaled(240))
        self.only_chip, self.class_chip, self.unlabelled_chip = Chip(), Chip(), Chip()
        self.label_chip = ChoiceChip(tr("Labels"), [tr(name) for name in LABEL_STATES])
        self.split_chip = ChoiceChip(tr("Split"), [tr(name) for name in SPLIT_NAMES])
        self.tag_chip = ChoiceChip(tr("Tags"), [tr(ANY_TAG)])
        self.prediction_chip = ChoiceChip(tr("Suggestion"), [tr(ANY_PREDICTION)])
        self._orders: tuple[int, ...] = _ALWAYS
        self.order_chip = ChoiceChip(tr("Order"), [tr(ORDERS[order]) for order in _ALWAYS], names_all=True)
        self.clear_button = Button("Clear", "close", role="quiet", on_click=self.clear)
        self.clear_button.setToolTip(tr("Show all pictures again"))
        for widget in (self.only_chip, self.class_chip, self.tag_chip, self.prediction_chip, self.clear_button):
            widget.hide()
        self._choices = (self.label_chip, self.split_chip, self.tag_chip, self.prediction_chip)
        chips = (self.only_chip, self.class_chip, self.unlabelled_chip, *self._choices)
        line = row(self.text_edit, *chips, self.clear_button, None, self.order_chip, spacing=theme.TIGHT + theme.HAIR)
        line.setStretch(0, 4)
        self.setLayout(line)
        self._colours: Mapping[str, ClassColour] = {}
        self._class_name = ""
        self._pause = QTimer(self, singleShot=True, interval=TYPING_PAUSE_MS)
        self._pause.timeout.connect(self._on_choice_changed)
        self._connect()
        self.show_unlabelled(0)

    def _connect(self) -> None:
        self.text_edit.textChanged.connect(lambda _text: self._pause.start())
        self.only_chip.clicked.connect(lambda _checked=False: self._on_choice_changed())
        self.class_chip.clicked.connect(lambda _checked=False: self.show_only_class(""))
        self.unlabelled_chip.clicked.connect(lambda _checked=False: self._toggle_unlabelled())
        for chip in (*self._choices, self.order_chip):
            chip.changed.connect(self._on_choice_changed)

    def query(self) -> ImageQuery:
        """Return what the user wants to see."""
        return ImageQuery(
            text=self.text_edit.text().strip(),
            class_name=self._class_name,
            tag=self.tag_chip.chosen(),
            prediction=self.prediction_chip.chosen(),
            label_state=self.label_chip.place,
            split=SPLIT_KEYS[self.split_chip.place],
            order=self._orders[self.order_chip.place],
        )

    def show_only(self, title: str) -> None:
        """Say which pictures are shown in place of those of the chips; empty when it is those."""
        self.only_chip.show_words(f"{title}  ×", is_on=True)
        self.only_chip.setVisible(bool(title))

    def show_only_class(self, name: str) -> None:
        """Narrow to a class; with the one that is chosen already, or none, to no class."""
        self._class_name = "" if name == self._class_name else name
        self._on_choice_changed()

    def show_unlabelled(self, count: int) -> None:
        """Say how many pictures have no label."""
        self._unlabelled = count
        words = f"{tr('Without label')} {count:,}" if count else tr("Without label")
        self.unlabelled_chip.show_words(words, is_on=self.label_chip.place == UNLABELLED)

    def show_classes(self, colours: Mapping[str, ClassColour]) -> None:
        """Know the classes with their colours; one that is gone narrows no more."""
        self._colours = colours
        if self._class_name and self._class_name not in colours:
            self.show_only_class("")

    def show_tags(self, names: list[str]) -> None:
        """Offer these tags; without any there is nothing to choose."""
        self.tag_chip.offer([tr(ANY_TAG), *names])
        self.tag_chip.setVisible(bool(names))

    def show_predictions(self, names: list[str], *, has_queue: bool = False) -> None:
        """Offer the classes that are suggested; without any there is nothing to choose or to sort by.

        With `has_queue` it is known which pictures are the most useful to label next.
        """
        self.prediction_chip.offer([tr(ANY_PREDICTION), *names])
        self.prediction_chip.setVisible(bool(names))
        by_suggestion = (UNSURE_FIRST, SURE_FIRST) if names else ()
        self._orders = (*_ALWAYS, *((MOST_USEFUL,) if has_queue else ()), *by_suggestion)
        self.order_chip.offer([tr(ORDERS[order]) for order in self._orders])

    def clear(self) -> None:
        """Show everything again."""
        for chip in self._choices:
            with QSignalBlocker(chip):
                chip.choose(0)
        with QSignalBlocker(self.text_edit):
            self.text_edit.clear()
        self._class_name = ""
        self._on_choice_changed()

    def _toggle_unlabelled(self) -> None:
        self.label_chip.choose(ANY_STATE if self.label_chip.place == UNLABELLED else UNLABELLED)

    def _on_choice_changed(self) -> None:
        self._pause.stop()
        self.clear_button.setVisible(self.query().narrows)
        self.class_chip.setVisible(bool(self._class_name))
        colour = self._colours.get(self._class_name)
        self.class_chip.show_words(f"{self._class_name}  ×", is_on=True, colour=colour)
        self.show_unlabelled(self._unlabelled)
        self.changed.emit()
