"""Modal dialogs: their frame, and the few questions (folder, file, text, yes or no), so that tests can answer them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QSize
from PySide6.QtWidgets import QDialog, QFileDialog, QInputDialog, QLayout, QMessageBox, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.parts import SCROLLBAR_WIDTH, Button, column, row, scrolling, text, verbatim, widget_of
from gui.kit.translation import tr
from visionft.core.messages import Message, Text

_LEAST_PX = 120  # height of a scrolling content, at the normal text size


class Dialog(QDialog):
    """A heading, a sentence about it, the content and the buttons; `width` and `height` are its minimum in pixels.

    It never exceeds the window that it belongs to: all above the last row, its buttons, scrolls then.
    """

    def __init__(
        self, parent: QWidget | None, title: Text, about: Text = "", *, width: int = 0, height: int = 0
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr(title))
        self._about: Text = about
        self._room = (parent.window() if parent is not None else self.screen()).size()
        self._scrolls = False
        self.setMinimumSize(QSize(theme.scaled(width), theme.scaled(height)).boundedTo(self._room))

    def lay_out(
        self,
        *items: QWidget | QLayout | int | None,
        accept: Button | None = None,
        aside: Sequence[QWidget] = (),
        spacing: int = theme.SMALL,
    ) -> None:
        """Lay the items below each other, as `column` does, between the heading and the buttons.

        Args:
            *items: The content.
            accept: The button that accepts the dialog, beside one to cancel; without it there is one to close.
            aside: Further buttons, at the left.
            spacing: Between the items, in pixels.
        """
        if accept is not None:
            ends = (Button("Cancel", on_click=self.reject), accept)
            accept.clicked.connect(self.accept)
        else:
            ends = (Button("Close", role="primary", on_click=self.accept),)
        ends[-1].setDefault(True)
        about = (text(self._about, "muted", wrap=True),) if self._about else ()
        head = column(verbatim(self.windowTitle(), "title", wrap=True), *about, spacing=theme.HAIR)
        layout = column(head, *items, theme.SMALL, row(*aside, None, *ends), spacing=spacing)
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Show, QEvent.Type.LayoutRequest):
            if not self._scrolls:
                self._fit()
            self.resize(self.size().boundedTo(self._room))
        return super().event(event)

    def _fit(self) -> None:
        """Let the content scroll if its minimum height exceeds that of the window."""
        layout = self.layout()
        if not isinstance(layout, QVBoxLayout):
            return
        too_much = layout.minimumSize().height() - self._room.height()
        if too_much <= 0:
            return
        self._scrolls = True
        content = column(spacing=layout.spacing())
        buttons = column()
        last = layout.count() - 1
        for place in range(last + 1):
            stretch = layout.stretch(0)
            part = content if place < last else buttons
            if (item := layout.takeAt(0)) is not None:
                part.addItem(item)
                part.setStretch(part.count() - 1, stretch)
        area = scrolling(content, shrinks=True)
        least = content.minimumSize()
        width = min(least.width() + SCROLLBAR_WIDTH, self._room.width() - 2 * theme.HUGE)
        area.setMinimumSize(width, max(theme.scaled(_LEAST_PX), least.height() - too_much))
        layout.addWidget(area, 1)
        layout.addWidget(widget_of(buttons))  # after the content in the order of Tab, too

    def ask(self) -> bool:
        """Show the dialog until it is closed, and delete it; return whether it was accepted."""
        is_accepted = self.exec() == QDialog.DialogCode.Accepted
        self.deleteLater()
        return is_accepted


def ask_folder(parent: QWidget, title: str, start: Path | None = None) -> Path | None:
    """Let the user choose an existing folder; None if cancelled."""
    chosen = QFileDialog.getExistingDirectory(parent, title, str(start or Path.home()))
    return Path(chosen) if chosen else None


def ask_files(parent: QWidget, title: str, pattern: str, start: Path | None = None) -> list[Path]:
    """Let the user choose existing files; `pattern` is a Qt name filter such as `Images (*.jpg *.png)`."""
    chosen, _ = QFileDialog.getOpenFileNames(parent, title, str(start or Path.home()), pattern)
    return [Path(name) for name in chosen]


def ask_save_file(parent: QWidget, title: str, pattern: str, start: Path | None = None) -> Path | None:
    """Let the user name a file to write; None if cancelled."""
    chosen, _ = QFileDialog.getSaveFileName(parent, title, str(start or Path.home()), pattern)
    return Path(chosen) if chosen else None


def ask_yes(parent: QWidget, title: str, question: str, *, yes: str, no: str = Message("Cancel")) -> bool:
    """Ask for confirmation; the safe answer is the default."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, title, title, parent=parent)
    box.setInformativeText(question)
    accept = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    refuse = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(refuse)
    box.setEscapeButton(refuse)
    box.exec()
    is_yes = box.clickedButton() is accept
    box.deleteLater()
    return is_yes


def ask_choice(parent: QWidget, title: str, question: str, choices: Sequence[str], chosen: str = "") -> str | None:
    """Let the user choose one of several texts; None if cancelled."""
    place = choices.index(chosen) if chosen in choices else 0
    answer, is_given = QInputDialog.getItem(parent, title, question, list(choices), place, False)
    return answer if is_given else None


def ask_tag(parent: QWidget, count: int, known: Iterable[str]) -> str:
    """Ask for a tag of images, new or one of the `known`; return it, empty if cancelled."""
    question = tr(
        "Tag {count} image (a tag it has is taken off)",
        "Tag {count} images (a tag that all have is taken off)",
        count=count,
    )
    tag, is_accepted = QInputDialog.getItem(parent, tr("Tag"), question, list(known), -1, True)
    return tag.strip() if is_accepted else ""
