"""No name is read as markup: all pages, dialogs, tooltips and messages, with HTML in every name."""

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from named_project import name_all
from PIL import Image
from PySide6.QtCore import QEvent, QModelIndex, QPoint, QTimer
from PySide6.QtGui import QColor, QHelpEvent, Qt  # this `Qt` has `mightBeRichText`, QtCore's has not
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QLabel,
    QPushButton,
    QToolTip,
    QWidget,
)

import gui
from gui.app import PAGES as APP_PAGES
from gui.home.new_project import NewProjectDialog
from gui.kit import dialogs
from gui.kit.parts import ElidedLabel
from gui.results.classes_view import FIRST, ConfusionTable
from gui.results.results_page import CLASSES
from gui.shell.window import MainWindow

pytestmark = pytest.mark.usefixtures("styled")
FOLDER_NAME = '<h1>Free<img src="trap.png">'  # as far as a file system lets a name go: no slash
MARKUP = '<h1>Free</h1><a href="https://example.org">here</a><img src="trap.png"> &lt;b&gt;'  # all other names
PAGES = [page.name for page in APP_PAGES]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a project with markup in every name: folder, files, classes, tags, notes, runs."""
    if os.name == "nt":
        pytest.skip("Windows has no file of such a name")
    return name_all(tmp_path, folder_name=FOLDER_NAME, name=MARKUP, file_name="<b>{}<img src=trap.png>.png")


def reads_markup(label: QLabel) -> bool:
    kind = label.textFormat()
    guesses = kind == Qt.TextFormat.AutoText and Qt.mightBeRichText(label.text())
    return guesses or kind in (Qt.TextFormat.RichText, Qt.TextFormat.MarkdownText)


def tip() -> QLabel | None:
    """Return the tooltip on the screen."""
    found = [each for each in QApplication.topLevelWidgets() if each.inherits("QTipLabel") and each.isVisible()]
    return found[0] if found else None  # type: ignore[return-value]


class Walk:
    """Reads every text on the screen and hovers every widget with a tooltip; records the texts."""

    def __init__(self, indexes: Callable[[QAbstractItemView], list[QModelIndex]]) -> None:
        self._indexes = indexes
        self.read: list[str] = []
        self.hovered: list[str] = []

    def look(self, root: QWidget, where: str) -> None:
        for _ in range(3):
            QApplication.processEvents()
        widgets = [each for each in (root, *root.findChildren(QWidget)) if each.isVisible()]
        labels = [each for each in widgets if isinstance(each, QLabel)]
        wrong = [f"{where}: {each.text()!r}" for each in labels if reads_markup(each)]
        assert not wrong
        self.read += [each.text() for each in labels]
        for widget in widgets:
            if "<" in widget.toolTip():
                self.hover(widget, QPoint(2, 2), widget.toolTip())
            if isinstance(widget, QAbstractItemView):
                self._hover_items(widget)

    def _hover_items(self, view: QAbstractItemView) -> None:
        for index in self._indexes(view):
            box = view.visualRect(index)
            is_shown = view.viewport().rect().contains(box.center()) and not box.isEmpty()
            words = str(index.data(Qt.ItemDataRole.ToolTipRole))
            if is_shown and "<" in words:
                self.hover(view.viewport(), box.center(), words)

    def hover(self, widget: QWidget, place: QPoint, words: str) -> None:
        """Hover over a place: the tooltip's text equals `words` exactly."""
        QToolTip.hideText()
        QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, place, widget.mapToGlobal(place)))
        label = tip()
        assert label is not None and label.text() == words, f"{widget} does not say {words!r}"
        assert not reads_markup(label), words
        self.hovered.append(label.text())

    def saw(self, name: str) -> bool:
        """Return whether a recorded text or tooltip contains this."""
        return any(name in shown for shown in (*self.read, *self.hovered))


@pytest.fixture
def walk(qtbot, indexes) -> Iterator[Walk]:
    yield Walk(indexes)
    QToolTip.hideText()
    qtbot.waitUntil(lambda: tip() is None)


@pytest.fixture
def opened(window: MainWindow, hostile: Path) -> MainWindow:
    assert window.state.open_project(hostile)
    return window


def answer_dialog(walk: Walk, ask: Callable[[], object], where: str) -> None:
    """Call a function with a dialog, read the dialog, and reject it."""
    seen: list[str] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QDialog)
        seen.append(where)
        try:
            walk.look(dialog, where)
        finally:
            dialog.reject()

    QTimer.singleShot(0, look)
    ask()
    assert seen


def test_tooltips_show_markup_letter_by_letter_and_load_no_image(walk, window, tmp_path):
    trap = tmp_path / "trap.png"
    Image.new("RGB", (400, 300), (255, 0, 0)).save(trap)
    words = f'<img src="{trap}">'
    label = ElidedLabel(words)
    label.setParent(window)
    label.setFixedWidth(40)
    label.show()
    label.grab()  # it shortens its text, so the tooltip has all of it
    walk.hover(label, QPoint(2, 2), words)
    shown = tip()
    assert shown is not None and shown.text() == words
    image = shown.grab().toImage()
    assert image.height() < 100
    red = QColor(255, 0, 0).rgb()
    assert not any(image.pixel(x, y) == red for x in range(image.width()) for y in range(image.height()))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_no_page_reads_a_name_as_markup(walk, opened, qtbot, name):
    opened.show_page(name)
    page = opened.page(name)
    qtbot.wait(50)
    walk.look(opened, name)
    if name == "label":
        page.grid.selection.set_current(0)  # type: ignore[attr-defined]
        page.labels.view(True)  # type: ignore[attr-defined]
        walk.look(opened, "viewer")
    if name == "results":
        for button in page.view_buttons.buttons():  # type: ignore[attr-defined]
            button.click()
            walk.look(opened, f"results, {button.text()}")
        page.view_buttons.button(CLASSES).click()  # type: ignore[attr-defined]
        table = next(each for each in opened.findChildren(ConfusionTable) if each.isVisible())
        cell = table.visualItemRect(table.item(0, FIRST + 1))
        walk.hover(table.viewport(), cell.center(), table.describe(0, 1))
    assert walk.saw(FOLDER_NAME)
    if name in ("project", "label", "results"):
        assert any("<h1>Free</h1>" in words for words in walk.hovered)


def test_no_preview_and_report_of_an_import_reads_a_name_as_markup(walk, opened, hostile, qtbot, tmp_path):
    more = tmp_path / "<b>more<img src=trap.png>"
    (more / "<i>class<img src=trap.png>").mkdir(parents=True)
    Image.new("RGB", (30, 30), (9, 9, 9)).save(more / "<i>class<img src=trap.png>" / "<b>x.png")
    (more / "<i>class<img src=trap.png>" / "<b>broken<img src=trap.png>.png").write_bytes(b"no image")
    (more / "other").mkdir()  # two are classes
    Image.new("RGB", (30, 30), (9, 99, 9)).save(more / "other" / "y.png")
    opened.show_page("project")
    page = opened.page("project")
    page.take_source(more)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: not opened.state.jobs.pending, timeout=20_000)
    walk.look(opened, "preview")
    assert walk.saw(more.name) and walk.saw("<i>class")
    look_at_left_out(walk, page.imports.panel.left_out.show_button)  # type: ignore[attr-defined]
    page.imports.panel.import_button.click()  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: not opened.state.jobs.pending, timeout=20_000)
    walk.look(opened, "report")
    walk.hovered.clear()
    look_at_left_out(walk, page.overview.report.details_button)  # type: ignore[attr-defined]


def look_at_left_out(walk: Walk, button: QPushButton) -> None:
    """Open the list of the files that are left out, read it, and close it."""
    button.click()
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, QDialog)
    walk.look(dialog, "files left out")
    assert any("broken" in words for words in walk.hovered)
    dialog.accept()


def test_no_dialog_reads_a_name_as_markup(walk, opened, hostile):
    opened.show_page("label")
    page = opened.page("label")
    page.grid.selection.set_current(0)  # type: ignore[attr-defined]
    name = f"{MARKUP} red"
    box = lambda: dialogs.ask_yes(opened, MARKUP, MARKUP, yes=MARKUP)  # noqa: E731
    answer_dialog(walk, box, "yes or no")
    answer_dialog(walk, lambda: page.panel.rename_wanted.emit(name), "rename a class")  # type: ignore[attr-defined]
    answer_dialog(walk, lambda: page.panel.key_wanted.emit(name), "key of a class")  # type: ignore[attr-defined]
    answer_dialog(walk, page.labeller.ask_tag, "tag")  # type: ignore[attr-defined]
    asks = NewProjectDialog(opened, folder=hostile, name=MARKUP)
    answer_dialog(walk, asks.exec, "new project")
    asks.deleteLater()
    assert walk.saw(f"“{name}”") and MARKUP in walk.read


MARKUP_CALLS = {"setHtml", "insertHtml", "appendHtml", "setMarkdown", "insertMarkdown", "setOpenExternalLinks"}
MARKUP_NAMES = {"RichText", "MarkdownText", "QTextBrowser", "QTextDocument", "QStaticText", "QErrorMessage"}
# The manual is the program's own text.
ALLOWED = {
    "manual.py": {"QTextBrowser"},
    "markdown.py": {"QTextDocument", "setMarkdown"},
}


def test_a_label_that_qt_makes_never_guesses_and_one_that_holds_markup_says_so(qtbot):
    guessing, saying = QLabel("<b>x</b>"), QLabel("<b>x</b>")
    saying.setTextFormat(Qt.TextFormat.RichText)
    for label in (guessing, saying):
        qtbot.addWidget(label)
        label.ensurePolished()
    assert not reads_markup(guessing) and reads_markup(saying)


@pytest.mark.slow
def test_no_source_of_the_window_asks_for_markup():
    """A file in need of markup for the program's own words is added here, with the reason."""
    found: dict[str, set[str]] = {}
    for path in Path(gui.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if name in MARKUP_CALLS | MARKUP_NAMES:
                found.setdefault(path.name, set()).add(name)
    assert found == ALLOWED
