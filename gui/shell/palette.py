"""The command palette: type a few letters, press Enter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from gui.kit import theme
from gui.kit.parts import text
from gui.kit.translation import tr

_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An entry of the palette.

    `keys` is its shortcut in display format; `why_not` is the reason it is unavailable, if any; `also` has further
    search words.
    """

    title: str
    keys: str = ""
    act: Callable[[], object]
    why_not: str = ""
    also: str = ""


def score(title: str, typed: str) -> int | None:
    """Return how well typed letters match a title (lower is better), None without a match; their order counts."""
    title, typed = title.casefold(), typed.casefold().strip()
    if typed in title:
        return title.index(typed)
    if all(word in title for word in typed.split()):
        return 100
    place, gaps = -1, 300
    for letter in typed.replace(" ", ""):
        found = title.find(letter, place + 1)
        if found < 0:
            return None
        gaps += found - place
        place = found
    return gaps


def rank_of(command: Command, typed: str) -> int | None:
    """Return the match rank of a command for the typed text: by its title, else by its search words."""
    rank = score(command.title, typed)
    words = typed.casefold().split()
    is_meant = bool(words) and all(word in f"{command.title} {command.also}".casefold() for word in words)
    return min(200, rank if rank is not None else 200) if is_meant else rank


class _CommandDelegate(QStyledItemDelegate):
    """A title on the left, its shortcut on the right; unavailable commands are pale, with the reason in its place."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index) -> QSize:
        return QSize(200, theme.scaled(36))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index) -> None:
        palette = theme.colours()
        command = index.data(_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_soft))
            painter.drawRoundedRect(option.rect.adjusted(0, 1, 0, -1), 6, 6)
        box: QRect = option.rect.adjusted(12, 0, -12, 0)
        vertical = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(palette.muted))
        side, title = command.why_not or command.keys, command.title
        if command.why_not:
            metrics = painter.fontMetrics()
            elide = Qt.TextElideMode.ElideRight
            title = metrics.elidedText(title, elide, box.width() // 2)
            side = metrics.elidedText(side, elide, box.width() - metrics.horizontalAdvance(title) - theme.LARGE)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | vertical), side)
        painter.setPen(QColor(palette.muted if command.why_not else palette.text))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignLeft | vertical), title)
        painter.restore()


class CommandPalette(QDialog):
    """A search field over the list of commands, filtered while typing. Unavailable commands are last."""

    def __init__(self, parent: QWidget, commands: Sequence[Command]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Commands"))
        self.setObjectName("palette")
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self._commands = list(commands)
        self.field = QLineEdit()
        self.field.setPlaceholderText(tr("What would you like to do?"))
        self.field.setAccessibleName(tr("Find a command"))
        self.list = QListWidget()
        self.list.setItemDelegate(_CommandDelegate(self.list))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName(tr("Commands"))
        self.nothing = text("", "muted", wrap=True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.MEDIUM, theme.MEDIUM, theme.MEDIUM, theme.MEDIUM)
        layout.setSpacing(theme.SMALL)
        layout.addWidget(self.field)
        layout.addWidget(self.list)
        layout.addWidget(self.nothing, 1)
        self.setFixedSize(theme.scaled(560), theme.scaled(420))
        self.field.textChanged.connect(self._show_matches)
        self.field.returnPressed.connect(self.run_chosen)
        self.field.installEventFilter(self)
        self.list.itemClicked.connect(lambda _item: self.run_chosen())
        self._show_matches("")

    def listed(self) -> list[Command]:
        """Return the listed commands, best match first, unavailable ones last."""
        return [self.list.item(line).data(_ROLE) for line in range(self.list.count())]

    def run_chosen(self) -> None:
        """Close and run the selected command; stay open if it is unavailable."""
        item = self.list.currentItem()
        command: Command | None = item.data(_ROLE) if item is not None else None
        if command is not None and not command.why_not:
            self.accept()
            command.act()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrow keys move in the list while the field keeps the focus."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self.list.count():
                self.list.setCurrentRow((self.list.currentRow() + step) % self.list.count())
                return True
        return super().eventFilter(watched, event)

    def _show_matches(self, typed: str) -> None:
        scored = [(rank_of(command, typed), place, command) for place, command in enumerate(self._commands)]
        fitting = sorted((bool(command.why_not), rank, place) for rank, place, command in scored if rank is not None)
        self.list.clear()
        for _, _, place in fitting:
            command = self._commands[place]
            item = QListWidgetItem(command.title)
            item.setData(_ROLE, command)
            item.setToolTip(command.why_not)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.list.setVisible(bool(fitting))
        self.nothing.setVisible(not fitting)
        self.nothing.setText(tr("No command is called “{typed}”. Try another word.", typed=typed.strip()))
