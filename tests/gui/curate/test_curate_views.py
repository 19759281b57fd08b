"""The page's handling of any view: its widgets, images and commands, and navigation between views."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QWidget

from gui.curate.curation import Curation
from gui.curate.view import Command, EmptyContent, PanelPlace, View, ViewContent
from gui.kit.image_model import Section
from visionft.project.edits.changes import RemoveImages

KEY = Qt.Key
LEFT = Qt.MouseButton.LeftButton


class Halves(View):
    """The images under two headings, with a panel of its own; nothing in the grid until the panel is pressed."""

    name, title, icon = "halves", "Halves", "layers"
    gives_classes = False

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.ids: tuple[int, ...] = ()
        self.followed: list[object] = []
        self.done: list[str] = []
        self.commands = {
            "curate.tag": Command(lambda: self.done.append("tag"), words="Mark"),
            "curate.open": Command(lambda: None, lambda: "Not today.", needs_image=False),
            "curate.fine": Command(lambda: self.done.append("fine"), is_button=False),
        }

    def build_panel(self) -> QWidget:
        self.panel = QPushButton("Fill")
        self.panel.clicked.connect(self._take_all)
        return self.panel

    def build_controls(self) -> QWidget:
        self.controls = QPushButton("Control")
        return self.controls

    def _take_all(self) -> None:
        self.ids = tuple(self.curation.now)
        self.changed.emit()

    def count(self) -> int | None:
        return len(self.ids) or None

    def shown(self) -> ViewContent:
        half = len(self.ids) // 2
        parts = (Section("First", 0, half), Section("Last", 1, len(self.ids) - half)) if half else ()
        return ViewContent(self.ids, parts)

    def follow(self, effects: object) -> None:
        self.followed.append(effects)
        self.ids = tuple(each for each in self.ids if each not in getattr(effects, "image_ids", ()))


class Bare(View):
    """Has no content, and shows a text about it."""

    name, title = "bare", "Bare"

    def empty(self) -> EmptyContent | None:
        return EmptyContent(title="Nothing", words="Here is nothing.", button="Leave", act=self._leave)

    def _leave(self) -> None:
        self.curation.state.page_requested.emit("project")


@pytest.fixture(autouse=True)
def two_views(use_views) -> None:
    use_views(Halves, Bare)


@pytest.fixture
def halves(page) -> Halves:
    page.list.buttons["halves"].click()
    return page.view


def buttons(page) -> list[str]:
    return [each.text() for each in page.stage.findChildren(QPushButton) if each.isVisible() and not each.menu()]


def test_a_panel_fills_the_grid_and_the_list_shows_the_count(qtbot, page, halves):
    assert list(page.list.buttons) == ["halves", "bare", "dull"] and page.view.name == "halves"
    assert halves.panel.isVisible() and page.grid.isVisible() and not page.grid.count()
    qtbot.mouseClick(halves.panel, LEFT)
    assert page.grid.count() == 12 and page.list.buttons["halves"].count() == 12
    assert [section.count for section in page.grid.images.sections] == [6, 6]
    page.session.apply(RemoveImages((page.grid.images.ids[0],)))
    assert page.grid.count() == 11 and halves.followed


@pytest.mark.parametrize(("place", "shares"), [("above", True), ("beside", True), ("instead", False)])
def test_a_panel_stands_where_the_view_says(page, monkeypatch, place: PanelPlace, shares: bool):
    page.show_view("bare")
    monkeypatch.setattr(Halves, "panel_place", place)
    page.show_view("halves")
    panel, grid = page.view.panel, page.grid
    assert panel.isVisible() and grid.isVisible() is shares
    at, of_grid = (each.mapTo(page, each.rect().topLeft()) for each in (panel, grid))
    if shares:
        assert (at.y() < of_grid.y()) is (place == "above") and (at.x() < of_grid.x()) is (place == "beside")


def test_only_its_own_commands_are_buttons_and_why_not_is_said(qtbot, page, halves):
    qtbot.mouseClick(halves.panel, LEFT)
    actions, before = page.state.actions, {each: now.labels for each, now in page.curation.now.items()}
    titles = {actions.title(name) for name in ("curate.open", "curate.fine", "curate.remove")}
    assert titles.intersection(buttons(page)) == {actions.title("curate.open")} and "Mark" in buttons(page)
    page.grid.setFocus()
    qtbot.keyClick(page.grid, KEY.Key_2)
    assert not page.stage.label_box.isVisible()  # it gives no classes
    assert {each: now.labels for each, now in page.curation.now.items()} == before
    qtbot.keyClick(page.grid, KEY.Key_K)
    qtbot.keyClick(page.grid, KEY.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert halves.done == ["fine", "tag"]
    assert actions.why_not("curate.open") == "Not today."
    qtbot.keyClick(page.grid, KEY.Key_Delete)
    assert page.grid.count() == 12 and actions.why_not("curate.remove") == page.window().toasts.newest.hint()


def test_each_view_is_found_as_it_was_left(qtbot, page, halves):
    qtbot.mouseClick(halves.panel, LEFT)
    page.grid.selection.set_current(4)
    left = page.grid.selection.current_id()
    page.show_view("dull")
    assert page.grid.selection.place == 0 and not halves.panel.isVisible() and not halves.controls.isVisible()
    page.grid.selection.set_current(2)
    page.show_view("halves")
    assert page.grid.selection.current_id() == left
    page.show_view("dull")
    assert page.grid.selection.place == 2


def test_keys_lead_from_view_to_view(qtbot, page):
    def shown(key: Qt.Key) -> str:
        qtbot.keyClick(page.grid, key, Qt.KeyboardModifier.ControlModifier)
        return page.view.name

    page.show_view("dull")
    assert [shown(KEY.Key_PageDown), shown(KEY.Key_PageUp), shown(KEY.Key_PageUp)] == ["halves", "dull", "bare"]


def test_an_empty_view_says_why_and_its_button_does_what_it_says(qtbot, page, window):
    page.show_view("bare")
    assert page.stage.empty.isVisible() and not page.grid.isVisible()
    assert page.stage.empty.button.text() == "Leave"
    qtbot.mouseClick(page.stage.empty.button, LEFT)
    assert window.current_page.name == "project"
