"""The base class of dialogs, and functions that ask for a folder, files, a choice or a confirmation.

Tests replace these functions to answer the questions.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QSize
from PySide6.QtWidgets import QDialog, QFileDialog, QInputDialog, QLayout, QMessageBox, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.parts import SCROLLBAR_WIDTH, Button, column, row, scrolling, text, verbatim, widget_of
from gui.kit.translation import tr
from visionft.core.messages import Message, Text

_MIN_SCROLLED_PX = 120  # minimum height of scrolled content, at the normal text size


class Dialog(QDialog):
    """A dialog with a heading, an explanation, content and buttons.

    It never exceeds the size of its window: if the content is too high, everything above the buttons scrolls.
    """

    def __init__(
        self, parent: QWidget | None, title: Text, about: Text = "", *, width: int = 0, height: int = 0
    ) -> None:
        """Args: `about` explains the heading; `width` and `height` are minimum sizes in pixels."""
        super().__init__(parent)
        self.setWindowTitle(tr(title))
        self._about: Text = about
        self._max_size = (parent.window() if parent is not None else self.screen()).size()
        self._scrolls = False
        self.setMinimumSize(QSize(theme.scaled(width), theme.scaled(height)).boundedTo(self._max_size))

    def lay_out(
        self,
        *items: QWidget | QLayout | int | None,
        accept: Button | None = None,
        aside: Sequence[QWidget] = (),
        spacing: int = theme.SMALL,
    ) -> None:
        """Arrange the items in a column between the heading and the buttons.

        Args:
            *items: The content, as in `column`.
            accept: The button that accepts the dialog, next to Cancel; without it there is only Close.
            aside: Further buttons, at the left.
            spacing: The distance between items in pixels.
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
            self.resize(self.size().boundedTo(self._max_size))
        return super().event(event)

    def _fit(self) -> None:
        """Make the content scroll if the minimum height of the dialog exceeds the height of its window."""
        layout = self.layout()
        if not isinstance(layout, QVBoxLayout):
            return
        excess_px = layout.minimumSize().height() - self._max_size.height()
        if excess_px <= 0:
            return
        self._scrolls = True
        content = column(spacing=layout.spacing())
        buttons = column()
        last = layout.count() - 1
        for index in range(last + 1):
            stretch = layout.stretch(0)
            part = content if index < last else buttons
            if (item := layout.takeAt(0)) is not None:
                part.addItem(item)
                part.setStretch(part.count() - 1, stretch)
        area = scrolling(content, shrinks=True)
        min_size = content.minimumSize()
        width = min(min_size.width() + SCROLLBAR_WIDTH, self._max_size.width() - 2 * theme.HUGE)
        area.setMinimumSize(width, max(theme.scaled(_MIN_SCROLLED_PX), min_size.height() - excess_px))
        layout.addWidget(area, 1)
        layout.addWidget(widget_of(buttons))  # added last, so that Tab reaches the buttons after the content

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
    """Return whether the user confirms; `no` is the default button."""
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
    index = choices.index(chosen) if chosen in choices else 0
    answer, is_accepted = QInputDialog.getItem(parent, title, question, list(choices), index, False)
    return answer if is_accepted else None


def ask_tag(parent: QWidget, count: int, tags: Iterable[str]) -> str:
    """Ask for a tag, new or one of `tags`, for `count` images; return an empty string if cancelled."""
    question = tr(
        "Tag {count} image (a tag it has is taken off)",
        "Tag {count} images (a tag that all have is taken off)",
        count=count,
    )
    tag, is_accepted = QInputDialog.getItem(parent, tr("Tag"), question, list(tags), -1, True)
    return tag.strip() if is_accepted else ""
