"""The Curate page: views over the pictures on the left, and one grid that shows what the chosen view has to say.

Every view is an object of its own (`gui.curate.view`); the page asks it what to show and does not know any of them.
"""

from functools import partial

from PySide6.QtCore import QPoint, Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.curate.curation import Curation
from gui.curate.keys import CurateKeys
from gui.curate.look_line import LookLine
from gui.curate.picture_menu import picture_menu
from gui.curate.stage import Stage
from gui.curate.view import Command, View
from gui.curate.view_list import ViewList
from gui.curate.views import all_views
from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, IconButton, column, restyle, row, text
from gui.page import Page
from gui.session import ProjectSession
from gui.state import AppState, ChosenPictures
from visionft.errors import NextStep

_UNBOUNDED = 16777215


class CuratePage(Page):
    """The list of views, and the one that is shown."""

    name = "curate"
    title = "Curate"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False, max_width=_UNBOUNDED, is_compact=True)
        self.curation = Curation(state, session, page=self.name, window=self)
        self.views: dict[str, View] = {view.name: view for view in all_views(self.curation)}
        self.view: View | None = next(iter(self.views.values()), None)
        self.list = ViewList()
        for view in self.views.values():
            self.list.add(view.name, tr(view.title), view.icon)
        self.undo_button, self.redo_button = IconButton("undo", "Undo"), IconButton("redo", "Redo")
        self.look_button = Button("Look through the pictures", "search", role="primary", on_click=self.look)
        self.look_line = LookLine(on_stop=self.curation.looking.stop, on_look=self.look_again)
        self.sentence = text(role="muted", wrap=True)
        self.sentence.setContentsMargins(0, theme.SMALL, 0, 0)  # its line stands level with the first view's title
        self.stage = Stage(self.curation)
        self.grid, self.viewer = self.stage.grid, self.stage.viewer
        self.empty = EmptyState("pictures", "", "")
        self._lay_out()
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        for widget in (self.undo_button, self.redo_button, self.look_button):
            self.action_row.addWidget(widget)
        right = QWidget()
        lines = column(self.look_line, self.sentence, self.stage, spacing=theme.SMALL)
        lines.setStretch(2, 1)
        right.setLayout(lines)
        whole, parts = QWidget(), row(self.list, right, spacing=theme.LARGE)
        parts.setStretch(1, 1)
        whole.setLayout(parts)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(whole)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.SMALL)
        self.body.addWidget(self._stack)

    def _connect(self) -> None:
        curation, session, actions = self.curation, self.session, self.state.actions
        self.focus_target = self.grid
        keys = CurateKeys(curation, self._accept_class, self)
        for watched in (self.grid, self.viewer, self.stage.panels):
            watched.installEventFilter(keys)
        self.grid.menu_wanted.connect(self._offer_menu)
        self.list.chosen.connect(self.show_view)
        curation.view_wanted.connect(self.show_view)
        for view in self.views.values():
            view.changed.connect(partial(self._on_view_changed, view))
        curation.found_changed.connect(self._show_all)
        curation.looking.changed.connect(self._show_looking)
        curation.looking.ended.connect(self._on_look_ended)
        curation.selection.selection_changed.connect(actions.refresh)
        self.undo_button.clicked.connect(lambda _checked=False: session is not None and session.undo())
        self.redo_button.clicked.connect(lambda _checked=False: session is not None and session.redo())
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("project"))
        self.stage.class_chosen.connect(self._accept_class)
        actions.attach(self.undo_button, "edit.undo")
        actions.attach(self.redo_button, "edit.redo")
        actions.attach(self.look_button, "curate.look")

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the project, and what was found in it, anew."""
        self.curation.read()
        self._show_all()

    @Slot()
    @Slot(object)
    def _on_content_changed(self, effects: object = None) -> None:
        for view in self.views.values():
            view.follow(effects)
        if self.is_stale or not self.isVisible():
            self.mark_stale()
        else:
            self.curation.follow(effects)

    @Slot(str)
    def show_view(self, name: str) -> None:
        """Show another view, from where it was left."""
        view = self.views[name]
        if view is not self.view:
            self.stage.leave(self.view)
            self.view = view
        self._show_all()
        self.setFocus()

    @Slot()
    def _show_all(self) -> None:
        """Show what there is now."""
        curation = self.curation
        self._stack.setCurrentIndex(1 if curation.project is not None and curation.is_read and curation.now else 0)
        if curation.project is None:
            words = "Open a project to look through its pictures."
            self.empty.show_words("No project open", words, "To Project")
        elif curation.is_read:
            words = "Import pictures first. What is doubled, blurred or labelled wrong shows here then."
            self.empty.show_words("No pictures yet", words, "Import")
        else:
            self.empty.show_words("Reading the pictures", "", "")
        self._show_counts()
        self._show_looking()

    def _show_counts(self) -> None:
        for name, view in self.views.items():
            self.list.buttons[name].show_count(view.count())
        count = len(self.curation.now)
        self.subtitle.setText(tr("{count} pictures", count=f"{count:,}") if count else "")

    def _show_view(self) -> None:
        """Show the chosen view as it is now."""
        view = self.view
        if view is None or not self.curation.now:
            return
        self.list.show_chosen(view.name)
        view.fill()
        self.list.buttons[view.name].show_count(view.count())
        self.sentence.setText(view.sentence())
        self.sentence.setVisible(bool(self.sentence.text()))
        self.stage.show_view(view)
        self.state.actions.refresh()

    def _on_view_changed(self, view: View) -> None:
        self.list.buttons[view.name].show_count(view.count())
        if view is self.view and self.isVisible():
            self._show_view()

    @Slot()
    def _show_looking(self) -> None:
        """Say how far the look is, or what speaks for another one."""
        looking, has_looked = self.curation.looking, self.curation.has_looked
        self.look_button.setText(tr("Look again") if has_looked else tr("Look through the pictures"))
        is_next_step = self.curation.is_read and not has_looked
        restyle(self.look_button, role="primary" if is_next_step else "")
        self.look_button.set_icon_name("refresh" if has_looked else "search")
        if looking.progress is not None:
            self.look_line.show_progress(looking.progress, is_stopping=looking.is_stopping)
        elif looking.failure is not None:
            self.look_line.show_words(f"{tr(looking.failure.message)} {tr(looking.failure.hint)}", is_bad=True)
        elif looking.was_stopped:
            words = tr("Looking was stopped. What was found so far is kept; the next look goes on from there.")
            self.look_line.show_words(words)
        else:
            self.look_line.show_words(self._words_of_age())
        self._show_view()

    def _words_of_age(self) -> str:
        found = self.curation.found(self.view.check) if self.view is not None and self.view.check else None
        count = found.came_since if found is not None else 0
        return tr("{count} pictures came since this was looked at.", count=f"{count:,}") if count else ""

    # -- acting -------------------------------------------------------------------------------------------------

    def why_not_look(self) -> str:
        """Return why the pictures cannot be looked through now; empty when they can."""
        if self.curation.looking.is_under_way:
            return tr("The pictures are being looked through.")
        return "" if self.curation.now or not self.curation.is_read else tr("There are no pictures here.")

    def look(self) -> None:
        """Look through the pictures by every check."""
        self.curation.looking.start()

    def look_again(self) -> None:
        """Look through them by the check of this view alone, or by all where it has none."""
        view = self.view
        self.curation.looking.start([view.check] if view is not None and view.check else [])

    @Slot()
    def _on_look_ended(self) -> None:
        self._show_looking()

    def why_not(self, name: str) -> str:
        """Return why a command cannot be done in this view now; empty when it can."""
        command = self._command(name)
        if command is None or not self.curation.now:
            return tr("This view does not offer it.")
        if command.needs_picture and not self.curation.has_chosen:
            return tr("Choose a picture first.")
        return command.why_not()

    def do(self, name: str) -> None:
        """Do a command as this view does it."""
        if (command := self._command(name)) is not None:
            command.act()

    def _command(self, name: str) -> Command | None:
        return self.view.commands.get(name) if self.view is not None else None

    @Slot(QPoint)
    def _offer_menu(self, place: QPoint) -> None:
        if self.view is not None:
            menu = picture_menu(self.view, self.curation, self)
            menu.exec(place)
            menu.deleteLater()

    def toggle_viewer(self) -> None:
        """Show the current picture large, or all of them again."""
        self.stage.toggle_viewer()

    def chosen_pictures(self) -> ChosenPictures:
        """Return the selected pictures."""
        return ChosenPictures(self.curation.chosen())

    def show_similar(self, chosen: ChosenPictures) -> None:
        """Show what is most like pictures, of the project or files, in the view `similar`."""
        if (view := self.views.get("similar")) is not None:
            view.take_pictures(chosen)
            self.show_view("similar")

    def step_view(self, step: int) -> None:
        """Show the next (1) or previous (-1) view."""
        names = list(self.views)
        if self.view is not None:
            self.show_view(names[(names.index(self.view.name) + step) % len(names)])

    def _accept_class(self, class_name: str) -> None:
        if self.view is not None and self.view.gives_classes:
            self.view.accept_class(class_name)

    def take_step(self, step: NextStep) -> None:
        """Look through the pictures."""
        if step.action in ("embed", "look_through") and self.session is not None and not self.why_not_look():
            self.look()

    def hideEvent(self, event) -> None:
        """Stop decoding pictures nobody sees."""
        self.stage.thumbnails.prefetch(())
        super().hideEvent(event)

    def close_workers(self) -> None:
        """Wait for what is being read and decoded."""
        for view in self.views.values():
            view.close()
        self.stage.close()
        self.curation.close()
