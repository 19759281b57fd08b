"""The base class of all screens: a title line with actions, a scrolling body, and a refresh only while visible.

A page belongs to one session: when another project is opened, the window deletes the pages and builds new ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFocusEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QLabel, QVBoxLayout, QWidget

from gui.actions import Action
from gui.kit import theme
from gui.kit.parts import ElidedLabel, IconButton, column, row, scrolling, verbatim, widget_of
from gui.kit.translation import tr
from gui.state import AppState, ChosenImages
from visionft.core.errors import NextStep
from visionft.core.messages import Text

if TYPE_CHECKING:
    from gui.session import ProjectSession

_HORIZONTAL, _VERTICAL = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
_MAX_TITLE_PX = 200  # reserved for the title next to the buttons, at the normal text size
MAX_CONTENT_PX = 2400  # fills a window of 2560 pixels; longer lines would be hard to read


class PageHeader(QWidget):
    """The title and subtitle next to the action buttons, or above them where the title would be elided."""

    def __init__(self, heading: QLabel, subtitle: QLabel, *, is_compact: bool) -> None:
        super().__init__()
        self._heading = heading
        self._is_one_line: bool | None = None
        self.action_row = row()
        titles = column(heading, subtitle, spacing=theme.HAIR)
        if is_compact:
            titles = row(heading, subtitle, spacing=theme.MEDIUM, grows=1)
        self._line = QBoxLayout(_HORIZONTAL, self)
        self._line.addLayout(titles, 1)
        self._line.addLayout(self.action_row)
        self._line.setAlignment(self.action_row, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        above, below = (theme.SMALL, theme.TIGHT) if is_compact else (theme.LARGE + theme.TIGHT, theme.MEDIUM)
        self._line.setContentsMargins(theme.HUGE, above, theme.HUGE, below)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._arrange()
        return super().event(event)

    def _arrange(self) -> None:
        title = min(self._heading.sizeHint().width(), theme.scaled(_MAX_TITLE_PX))  # a long project name is elided
        needed = title + self.action_row.minimumSize().width() + theme.LARGE + 2 * theme.HUGE
        is_one_line = needed <= self.width()
        if is_one_line is self._is_one_line:
            return
        self._is_one_line = is_one_line
        self._line.setDirection(_HORIZONTAL if is_one_line else _VERTICAL)
        self._line.setSpacing(theme.LARGE if is_one_line else theme.SMALL)


class Page(QWidget):
    """A screen of the window. Subclasses add widgets to `body` and override `refresh`."""

    name: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        state: AppState,
        session: "ProjectSession | None",
        *,
        scrolls: bool = True,
        max_width: int = MAX_CONTENT_PX,
        is_compact: bool = False,
    ) -> None:
        """Build a page for a project, or without one.

        A compact page has title and subtitle in one line. Without `scrolls` the body fills the height of the page and
        scrolls only if its minimum height does not fit.
        """
        super().__init__()
        self.state, self.session = state, session
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.focus_target: QWidget | None = None  # receives the focus of the page; a focus proxy would break Tab
        self.is_stale = True  # needs a refresh
        # A title on its own line is elided if the buttons need the space, because project names can be long.
        name = tr(self.title)
        end = Qt.TextElideMode.ElideRight
        self.heading = verbatim(name, "title") if is_compact else ElidedLabel(name, "title", mode=end)
        self.subtitle = ElidedLabel(role="muted")
        self.header = PageHeader(self.heading, self.subtitle, is_compact=is_compact)
        self.action_row = self.header.action_row
        self.body = QVBoxLayout()
        self.body.setSpacing(theme.LARGE)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        area = scrolling(self.body, shrinks=not scrolls)
        frame = widget_of(column(self.header, area, spacing=0, grows=1))
        frame.setMaximumWidth(max_width)
        self.setLayout(row(frame, spacing=0))
        if session is not None:
            session.content_changed.connect(self._on_content_changed)

    def add_history_buttons(self) -> None:
        """Add Undo and Redo to the title line."""
        session = self.session
        self.undo_button = IconButton("undo", "Undo", on_click=lambda: session is not None and session.undo())
        self.redo_button = IconButton("redo", "Redo", on_click=lambda: session is not None and session.redo())
        for button, action in ((self.undo_button, "edit.undo"), (self.redo_button, "edit.redo")):
            self.action_row.addWidget(button)
            self.state.actions.attach(button, action)

    def refresh(self) -> None:
        """Show the current state of the project; called when the page is visible after a change."""

    def chosen_images(self) -> ChosenImages:
        """Return the selected images, the target of window commands; empty on pages without images."""
        return ChosenImages()

    def take_step(self, step: NextStep) -> None:
        """Take the next step of an error (`gui.next_steps`); by default, showing the page is enough."""

    def close_workers(self) -> None:
        """Wait for the background work of the page; called before the page is deleted."""

    def _on_content_changed(self, _effects: object = None) -> None:
        self.mark_stale()

    def mark_stale(self) -> None:
        """Refresh the page now if it is visible, otherwise when it is next shown."""
        self.is_stale = True
        if self.isVisible():
            self.is_stale = False
            self.refresh()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Forward the focus to the page's main widget."""
        super().focusInEvent(event)
        if self.focus_target is not None:
            self.focus_target.setFocus(event.reason())

    def showEvent(self, event: QShowEvent) -> None:
        """Refresh after changes made while another page was shown."""
        if self.is_stale:
            self.is_stale = False
            self.refresh()
        super().showEvent(event)


P = TypeVar("P", bound=Page)


def why_no_project(state: AppState) -> str:
    """Return the reason commands that need a project are unavailable; empty if a project is open."""
    return "" if state.session is not None else tr("Open a project first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLink(Generic[P]):
    """Access to a page for its commands: the page may not be built yet, and each project has its own.

    `show` brings the page to the front and builds it if necessary; `built` returns the page, or None before that.
    """

    state: AppState
    show: Callable[[], P]
    built: Callable[[], P | None]

    def action(
        self,
        name: str,
        title: Text,
        act: Callable[[P], object],
        why_not: Callable[[P], str] = lambda _page: "",
        *,
        before: Callable[[], str] | None = None,
        needs_project: bool = True,
        **fields: Any,
    ) -> Action:
        """Return a command that shows the page and calls `act` with it.

        Args:
            name: The id of the command.
            title: Its title.
            act: Receives the page.
            why_not: Returns the reason the command is unavailable; called only with an up-to-date page.
            before: Returns a reason that does not depend on the page.
            needs_project: Whether the command is unavailable without a project.
            **fields: Further fields of the `Action`.
        """

        def reason() -> str:
            general = why_no_project(self.state) if needs_project else ""
            general = general or (before() if before is not None else "")
            page = self.built()
            return general or (why_not(page) if page is not None and not page.is_stale else "")

        def run() -> None:
            page = self.show()
            if late_reason := why_not(page):  # an up-to-date page may refuse only now
                self.state.show_message(late_reason)
            else:
                act(page)

        return Action(name, title, run, reason, **fields)
