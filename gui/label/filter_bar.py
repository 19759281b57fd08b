"""The bars around the grid: filter and sort order, and suggestions. Knows Qt and plain data only."""

from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QLineEdit, QWidget

from gui.kit import theme
from gui.kit.chips import Chip, ChoiceChip
from gui.kit.flow import Flow
from gui.kit.parts import Button, Card, ElidedLabel, IconButton, IconLabel, row
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from gui.label.image_search import (
    ANY_STATE,
    AS_IMPORTED,
    BY_CLASS,
    BY_NAME,
    LABEL_STATES,
    MIN_LABELS,
    MOST_USEFUL,
    NEWEST_FIRST,
    ORDERS,
    SPLIT_KEYS,
    SPLIT_NAMES,
    SURE_FIRST,
    UNLABELLED,
    UNSURE_FIRST,
    ImageQuery,
)
from visionft.core.messages import Message

ANY_TAG, ANY_PREDICTION = Message("Any tag"), Message("Any suggestion")
_ALWAYS = (AS_IMPORTED, NEWEST_FIRST, BY_NAME, BY_CLASS)


class FilterBar(QWidget):
    """A search field and chips; those for tags and suggestions are visible only if there are any.

    The class is chosen elsewhere (`show_only_class`), and so are single images (`show_only`); their chips remove the
    filter.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text_edit = QLineEdit()
        self.text_edit.setPlaceholderText(tr("Find by name or note"))
        self.text_edit.setAccessibleName(tr("Find by file name or note"))
        self.text_edit.setClearButtonEnabled(True)
        self.text_edit.setFixedWidth(theme.scaled(200))
        self.only_chip, self.class_chip, self.unlabelled_chip = Chip(), Chip(), Chip()
        self.label_chip = ChoiceChip(tr("Labels"), [tr(name) for name in LABEL_STATES])
        self.split_chip = ChoiceChip(tr("Split"), [tr(name) for name in SPLIT_NAMES])
        self.tag_chip = ChoiceChip(tr("Tags"), [tr(ANY_TAG)])
        self.prediction_chip = ChoiceChip(tr("Suggestion"), [tr(ANY_PREDICTION)])
        self._orders: tuple[int, ...] = _ALWAYS
        self.order_chip = ChoiceChip(tr("Order"), [tr(ORDERS[order]) for order in _ALWAYS], names_all=True)
        self.clear_button = Button("Clear", "close", role="quiet", on_click=self.clear)
        self.clear_button.setToolTip(tr("Show all images again"))
        for widget in (self.only_chip, self.class_chip, self.tag_chip, self.prediction_chip, self.clear_button):
            widget.hide()
        self._choices = (self.label_chip, self.split_chip, self.tag_chip, self.prediction_chip)
        chips = (self.only_chip, self.class_chip, self.unlabelled_chip, *self._choices)
        self.setLayout(
            Flow(self.text_edit, *chips, self.order_chip, self.clear_button, spacing=theme.TIGHT + theme.HAIR)
        )
        self._colours: Mapping[str, ClassColour] = {}
        self._class_name = ""
        self._pause = QTimer(self, singleShot=True, interval=200)
        self._pause.timeout.connect(self._on_choice_changed)
        self.text_edit.textChanged.connect(lambda _text: self._pause.start())
        self.only_chip.clicked.connect(lambda _checked=False: self._on_choice_changed())
        self.class_chip.clicked.connect(lambda _checked=False: self.show_only_class(""))
        self.unlabelled_chip.clicked.connect(
            lambda: self.label_chip.choose(ANY_STATE if self.label_chip.place == UNLABELLED else UNLABELLED)
        )
        for chip in (*self._choices, self.order_chip):
            chip.changed.connect(self._on_choice_changed)
        self.show_unlabelled(0)

    def query(self) -> ImageQuery:
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
        """Show the title of a set of images that replaces the chips' filter; empty for none."""
        self.only_chip.show_words(f"{title}  ×", is_on=True)
        self.only_chip.setVisible(bool(title))

    def show_only_class(self, name: str) -> None:
        """Filter by a class; the selected class, or an empty name, removes this filter."""
        self._class_name = "" if name == self._class_name else name
        self._on_choice_changed()

    def show_unlabelled(self, count: int) -> None:
        self._unlabelled = count
        words = f"{tr('Without label')} {count:,}" if count else tr("Without label")
        self.unlabelled_chip.show_words(words, is_on=self.label_chip.place == UNLABELLED)

    def show_classes(self, colours: Mapping[str, ClassColour]) -> None:
        """Set the classes with their colours; a filter by a deleted class is removed."""
        self._colours = colours
        if self._class_name and self._class_name not in colours:
            self.show_only_class("")

    def show_tags(self, names: list[str]) -> None:
        """Offer these tags; hidden without tags."""
        self.tag_chip.set_choices([tr(ANY_TAG), *names])
        self.tag_chip.setVisible(bool(names))

    def show_predictions(self, names: list[str], *, has_queue: bool = False) -> None:
        """Offer the suggested classes; without any, this filter and the orders by suggestion are hidden.

        With `has_queue` the order by usefulness for labelling is offered.
        """
        self.prediction_chip.set_choices([tr(ANY_PREDICTION), *names])
        self.prediction_chip.setVisible(bool(names))
        by_suggestion = (UNSURE_FIRST, SURE_FIRST) if names else ()
        self._orders = (*_ALWAYS, *((MOST_USEFUL,) if has_queue else ()), *by_suggestion)
        self.order_chip.set_choices([tr(ORDERS[order]) for order in self._orders])

    def clear(self) -> None:
        for chip in self._choices:
            with QSignalBlocker(chip):
                chip.choose(0)
        with QSignalBlocker(self.text_edit):
            self.text_edit.clear()
        self._class_name = ""
        self._on_choice_changed()

    def _on_choice_changed(self) -> None:
        self._pause.stop()
        self.clear_button.setVisible(self.query().narrows)
        self.class_chip.setVisible(bool(self._class_name))
        colour = self._colours.get(self._class_name)
        self.class_chip.show_words(f"{self._class_name}  ×", is_on=True, colour=colour)
        self.show_unlabelled(self._unlabelled)
        self.changed.emit()


class SuggestionBar(Card):
    """The line about suggestions: their source and bulk actions."""

    def __init__(self) -> None:
        super().__init__(tone="info", margin=theme.SMALL)
        self.text_label = ElidedLabel("", mode=Qt.TextElideMode.ElideRight)
        self.accept_button = Button("Accept in bulk", "check")
        self.accept_button.setToolTip(
            tr("Accept all suggestions above a threshold, after a check of a sample if you like")
        )
        self.hide_button = IconButton("close", "Hide the suggestions")
        words = row(IconLabel("sample", tone="accent"), self.text_label, grows=1)
        buttons = Flow(self.accept_button, self.hide_button)
        self._line = QWidget()
        self._parts = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._line)
        self._parts.setContentsMargins(0, 0, 0, 0)
        self._parts.addLayout(words, 1)
        self._parts.addLayout(buttons)
        self.add(self._line)
        self.hide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_buttons()

    def _place_buttons(self) -> None:
        """Put the buttons beside the text, or below it if it would be elided."""
        parts = (self.text_label, self.accept_button, self.hide_button)
        is_wide = self.width() >= sum(each.sizeHint().width() for each in parts) + theme.scaled(80)
        self._parts.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)

    def show_counts(self, words: str, count: int, *, expected: float | None) -> None:
        """Show the number and source of the suggestions (`words`) and their expected accuracy, None for guesses.

        Without a suggestion the line is hidden.
        """
        self._line.setVisible(count > 0)
        accuracy = tr("guesses until each class has {count} labels", count=MIN_LABELS)
        if expected is not None:
            accuracy = tr("expected accuracy {share}", share=f"{expected:.0%}")
        self.text_label.setText(f"{words}, {accuracy}")
        self._place_buttons()

    def show_wanted(self, *, is_wanted: bool) -> None:
        """Show the line if it has content, unless `is_wanted` is False."""
        self.setVisible(is_wanted and not self._line.isHidden())
