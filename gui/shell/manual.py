"""The user's manual: one page for each task of the user, opened at the page in front."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QTextCursor
from PySide6.QtWidgets import QListWidget, QSplitter, QTextBrowser, QWidget

import resources
from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.markdown import markdown_document
from gui.kit.translation import language, tr
from visionft.core.messages import Message

_RESOURCES = Path(resources.__file__).parent
_FIRST = "first-steps"


def manual_folder() -> Path:
    packaged = _RESOURCES / "manual"  # of an installation
    return packaged if packaged.is_dir() else _RESOURCES.parent / "docs" / "manual"


def manual_page(name: str) -> Path:
    """Return the file of a page in the language of the window, or in English where it is not translated."""
    translated = manual_folder() / language() / f"{name}.md"
    return translated if translated.is_file() else manual_folder() / f"{name}.md"


def manual_pages() -> list[tuple[str, str]]:
    """Return (name, title) of each page in order: the links of `README.md`, the manual's contents."""
    lines = manual_page("README").read_text(encoding="utf-8").splitlines()
    links = [line.split("](") for line in lines if "](" in line and ".md)" in line]
    return [(link.split(".md)")[0], title.rpartition("[")[2]) for title, link, *_ in links]


class ManualView(QTextBrowser):
    """Shows a page; its images have at most the width of the text."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setOpenLinks(False)
        self.setAccessibleName(tr("Manual"))

    def show_page(self, path: Path) -> None:
        self.setDocument(markdown_document(self, path.read_text(encoding="utf-8")))
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def loadResource(self, _kind: int, name: QUrl | str) -> Any:
        """Return a screenshot of the resources by its file name."""
        path = name if isinstance(name, str) else name.path()
        image = QImage(str(_RESOURCES / "screenshots" / Path(path).name))
        width = min(image.width(), theme.scaled(720))
        return image.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)


class ManualDialog(Dialog):
    """The list of pages beside the page; Esc closes."""

    def __init__(self, parent: QWidget, page: str = "") -> None:
        super().__init__(parent, Message("Manual"))
        self.resize(theme.scaled(1080), theme.scaled(760))
        self.pages, self.view = QListWidget(), ManualView()
        self.pages.setAccessibleName(tr("Pages of the manual"))
        self.pages.setMaximumWidth(theme.scaled(220))
        self.pages.setWordWrap(True)
        pages = manual_pages()
        self._names = [name for name, _ in pages]
        self.pages.addItems([title for _, title in pages])
        splitter = QSplitter()
        splitter.addWidget(self.pages)
        splitter.addWidget(self.view)
        self.lay_out(splitter)
        self.pages.setSpacing(theme.HAIR)
        self.pages.currentRowChanged.connect(self._show)
        self.view.anchorClicked.connect(self.follow)
        name = {"project": "import"}.get(page, page)  # other pages have the page of their own name
        self.pages.setCurrentRow(self._names.index(name if name in self._names else _FIRST))

    @property
    def page(self) -> str:
        return self._names[self.pages.currentRow()]

    def follow(self, link: QUrl) -> None:
        """Show the page of a link, or open another address in the browser."""
        name = Path(link.path()).stem
        if link.isRelative() and name in self._names:
            self.pages.setCurrentRow(self._names.index(name))
        else:
            QDesktopServices.openUrl(link)

    def _show(self, number: int) -> None:
        self.view.show_page(manual_page(self._names[number]))
