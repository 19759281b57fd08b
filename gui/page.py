"""What every screen is: a title line with its actions, a scrolling body, and a refresh only when it is looked at.

A page is about one session, for good: when another project opens, the window builds new pages and deletes these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFocusEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gui.actions import Action
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import ElidedLabel, row, scrolling, verbatim
from gui.session import ProjectSession
from gui.state import AppState, ChosenPictures
from visionft.errors import NextStep

CONTENT_WIDTH = 2400  # a window of 2560 is filled; above, lines would grow too long to read


class Page(QWidget):
    """A screen of the window. Subclasses fill `body` and override `refresh`."""

    name: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        state: AppState,
        session: ProjectSession | None,
        *,
        scrolls: bool = True,
        max_width: int = CONTENT_WIDTH,
        is_compact: bool = False,
    ) -> None:
        """Make a page.

        Args:
            state: The state of the window.
            session: The open project; None for a page without one.
            scrolls: Whether the body scrolls as a whole.
            max_width: How wide the content may be.
            is_compact: The title and what is said below it stand in one line.
        """
        super().__init__()
        self.state, self.session = state, session
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.focus_target: QWidget | None = None  # what takes the focus for the page; a focus proxy would break Tab
        self._is_stale = True
        # Beside others in its line it is as wide as it is; alone it gives way to the buttons: a project's name is long.
        name, end = tr(self.title), Qt.TextElideMode.ElideRight
        self.heading = verbatim(name, "title") if is_compact else ElidedLabel(name, "title", mode=end)
        self.subtitle = ElidedLabel(role="muted")
        self.action_row = QHBoxLayout()
        self.action_row.setSpacing(theme.SMALL)
        titles = QHBoxLayout() if is_compact else QVBoxLayout()
        titles.setSpacing(theme.MEDIUM if is_compact else theme.HAIR)
        titles.addWidget(self.heading)
        titles.addWidget(self.subtitle, 1 if is_compact else 0)
        self.header = QWidget()
        line = row(titles, self.action_row, spacing=theme.LARGE)
        line.setStretch(0, 1)
        above, below = (theme.SMALL, theme.TIGHT) if is_compact else (theme.LARGE + theme.TIGHT, theme.MEDIUM)
        line.setContentsMargins(theme.HUGE, above, theme.HUGE, below)
        self.header.setLayout(line)
        self.body = QVBoxLayout()
        self.body.setSpacing(theme.LARGE)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        frame = QWidget()
        frame.setMaximumWidth(max_width)
        layout = QVBoxLayout(frame)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        if scrolls:
            layout.addWidget(scrolling(self.body), 1)
        else:
            layout.addLayout(self.body, 1)
        centred = QHBoxLayout(self)
        centred.setContentsMargins(0, 0, 0, 0)
        centred.addWidget(frame)
        if session is not None:
            session.content_changed.connect(self._on_content_changed)

    @property
    def is_stale(self) -> bool:
        """Whether the page has yet to catch up with the project."""
        return self._is_stale

    def refresh(self) -> None:
        """Show the project as it is now; called when the page is visible and something changed."""

    def show_only(self, image_ids: tuple[int, ...], title: str, *, current: int = 0) -> None:
        """Show just these pictures, beginning with the `current` one, where a page shows pictures."""

    def chosen_pictures(self) -> ChosenPictures:
        """Return the pictures that are chosen, where a page shows pictures: what commands of the window are about."""
        return ChosenPictures()

    def go_on_with(self, run: object) -> None:
        """Go on with a training run, where a page trains."""

    def take_step(self, step: NextStep) -> None:
        """Take the next step of an error, where this page does (`gui.next_steps`); to show the page may be all."""

    def close_workers(self) -> None:
        """Wait for background work of the page's own; called before the page goes."""

    @Slot()
    @Slot(object)
    def _on_content_changed(self, _effects: object = None) -> None:
        self.mark_stale()

    def mark_stale(self) -> None:
        """Refresh now when the page is visible, else when it is next shown."""
        self._is_stale = True
        if self.isVisible():
            self._is_stale = False
            self.refresh()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Hand the focus on to what the page is about."""
        super().focusInEvent(event)
        if self.focus_target is not None:
            self.focus_target.setFocus(event.reason())

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what changed while another page was shown."""
        if self._is_stale:
            self._is_stale = False
            self.refresh()
        super().showEvent(event)


P = TypeVar("P", bound=Page)


def why_no_project(state: AppState) -> str:
    """Return why what needs an open project cannot be done; empty when one is open."""
    return "" if state.session is not None else tr("Open a project first.")


def _possible(_page: object) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLink(Generic[P]):
    """A screen as its commands see it: it may not be built yet, and is another one for each project.

    Attributes:
        state: The state of the window.
        show: Brings the page to the front, building it if need be, and returns it.
        built: Returns the page if there is one.
    """

    state: AppState
    show: Callable[[], P]
    built: Callable[[], P | None]

    def action(
        self,
        name: str,
        title: str,
        act: Callable[[P], object],
        why_not: Callable[[P], str] = _possible,
        *,
        before: Callable[[], str] | None = None,
        needs_project: bool = True,
        **fields: Any,
    ) -> Action:
        """Return a command that shows the page and does something on it.

        Args:
            name: The command's id.
            title: What the user reads.
            act: Does it on the page.
            why_not: What the page says against it; asked once the page has caught up with the project.
            before: What speaks against it whether there is a page or not.
            needs_project: Whether it needs an open project.
            fields: Further fields of the `Action`.
        """

        def reason_without_page() -> str:
            return (why_no_project(self.state) if needs_project else "") or (before() if before is not None else "")

        def reason() -> str:
            page = self.built()
            return reason_without_page() or (why_not(page) if page is not None and not page.is_stale else "")

        def do() -> None:
            page = self.show()
            if against := why_not(page):  # only now it is known
                self.state.say(against)
            else:
                act(page)

        return Action(name, title, do, reason, **fields)
