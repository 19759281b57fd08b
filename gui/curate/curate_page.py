"""The Curate page: a list of views on the left, and one grid for the content of the chosen view.

Every view is an object of its own (`gui.curate.view`); the page asks it for its content and does not know any of them.
"""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtWidgets import QMenu, QWidget

from gui.actions import CURATE
from gui.curate.curate_views import all_views
from gui.curate.curation import Curation
from gui.curate.stage import ViewBody
from gui.curate.view import Command, View
from gui.curate.view_list import ViewList
from gui.image_edits import ImageKeys, ImageMenu
from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, restyle, row, stacked, text, widget_of
from gui.kit.progress import JobShare, ProgressBar, progress_text
from gui.kit.translation import tr
from gui.page import Page
from gui.session import ProjectSession
from gui.state import AppState, ChosenImages
from visionft.core.errors import NextStep
from visionft.core.events import Progress
from visionft.core.messages import Message

_MAX_WIDGET_SIZE = 16777215


class ScanLine(Card):
    """A status line above a view; hidden while empty."""

    def __init__(self, *, on_stop: Callable[[], object], on_run: Callable[[], object]) -> None:
        super().__init__(margin=theme.SMALL)
        self._icon = IconLabel("info", size=17)
        self._words = ElidedLabel("", mode=Qt.TextElideMode.ElideRight)
        self._bar = ProgressBar(width=160)
        self.stop_button = Button("Stop", "stop", on_click=on_stop)
        self.run_button = Button("Find issues", "refresh", on_click=on_run)
        line = row(self._icon, self._words, self._bar, self.stop_button, self.run_button, spacing=theme.MEDIUM, grows=1)
        line.setContentsMargins(theme.TIGHT, 0, 0, 0)
        self.body.addLayout(line)
        self.hide()

    def show_progress(self, progress: Progress, share: JobShare, *, is_stopping: bool) -> None:
        words = ", ".join(filter(None, (progress_text(progress), share.words())))
        self._show(words, "search", "accent", "info", is_running=True)
        self._bar.show_share(share.share)
        self._bar.setAccessibleName(progress_text(progress))
        self.stop_button.setEnabled(not is_stopping)

    def show_words(self, words: str, *, is_bad: bool = False) -> None:
        """Show a message, with the button to run the checks again; an empty one hides the line."""
        tone = "bad" if is_bad else "warn"
        self._show(words, "error" if is_bad else "info", tone, tone, is_running=False)

    def words(self) -> str:
        return "" if self.isHidden() else self._words.text()

    def _show(self, words: str, icon: str, ink: str, tone: str, *, is_running: bool) -> None:
        for widget in (self._bar, self.stop_button):
            widget.setVisible(is_running)
        self.run_button.setVisible(not is_running)
        self._words.setText(words)
        self._icon.show_icon(icon, ink)
        restyle(self, tone=tone)
        self.setVisible(bool(words))


def image_menu(view: View, curation: Curation, parent: QWidget) -> QMenu:
    menu = ImageMenu(curation.state.actions, parent)
    if view.gives_classes and curation.classes:
        menu.add_classes(curation, view.accept_class)
        menu.addSeparator()
    for name, command in view.commands.items():
        if command.needs_image:
            menu.add_command(name, command.words)
    menu.addSeparator()
    for name in ("curate.toggle_viewer", "image.similar"):
        menu.add_command(name)
    return menu


class CuratePage(Page):
    """The list of views, and the active one."""

    name = "curate"
    title = Message("Curate")

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False, max_width=_MAX_WIDGET_SIZE, is_compact=True)
        self.curation = curation = Curation(state, session, page=self.name, window=self)
        self.views: dict[str, View] = {view.name: view for view in all_views(curation)}
        self.view: View | None = next(iter(self.views.values()), None)
        self.list = ViewList()
        for view in self.views.values():
            self.list.add(view.name, tr(view.title), view.icon)
            view.changed.connect(partial(self._on_view_changed, view))
        self.list.chosen.connect(self.show_view)
        self.stage = ViewBody(curation)
        self.grid, self.viewer = self.stage.grid, self.stage.viewer
        self.focus_target = self.grid
        keys = ImageKeys(
            curation, self._accept_class, self, command_of=lambda event: state.actions.command_for_key(event, (CURATE,))
        )
        for watched in (self.grid, self.viewer, self.stage.panels):
            watched.installEventFilter(keys)
        self.stage.class_chosen.connect(self._accept_class)
        self.grid.menu_wanted.connect(self._offer_menu)
        curation.view_wanted.connect(self.show_view)
        curation.issues_changed.connect(self._show_all)
        curation.scan.changed.connect(self._show_scan)
        curation.scan.ended.connect(self._show_scan)
        curation.selection.selection_changed.connect(state.actions.refresh)
        self._lay_out()

    def _lay_out(self) -> None:
        self.add_history_buttons()
        self.find_button = Button("Find issues", "search", role="primary", on_click=self.find_issues)
        self.action_row.addWidget(self.find_button)
        self.state.actions.attach(self.find_button, "curate.find_issues")
        self.scan_line = ScanLine(on_stop=self.curation.scan.stop, on_run=self.run_again)
        self.sentence = text(role="muted", wrap=True)
        self.sentence.setContentsMargins(0, theme.SMALL, 0, 0)  # aligned with the first view's title
        right = column(self.scan_line, self.sentence, self.stage, grows=2)
        self.empty = EmptyState("pictures", "", "")
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("project"))
        self._stack = stacked(self.empty, widget_of(row(self.list, right, spacing=theme.LARGE, grows=1)))
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.SMALL)
        self.body.addWidget(self._stack)

    def refresh(self) -> None:
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
        """Show another view, at its last position."""
        view = self.views[name]
        if view is not self.view:
            self.stage.leave(self.view)
            self.view = view
        self._show_all()
        self.setFocus()

    @Slot()
    def _show_all(self) -> None:
        curation = self.curation
        self._stack.setCurrentIndex(1 if curation.project is not None and curation.is_read and curation.now else 0)
        if curation.project is None:
            words = Message("Open a project to find issues in its images.")
            self.empty.show_words("No project open", words, "To Project")
        elif curation.is_read:
            words = Message("Import images first. Duplicates, label errors and quality issues are shown here.")
            self.empty.show_words("No images yet", words, "Import")
        else:
            self.empty.show_words("Reading the images", "", "")
        for name, view in self.views.items():
            self.list.buttons[name].show_count(view.count())
        count = len(curation.now)
        self.subtitle.setText(tr("{count} image", "{count} images", count=count) if count else "")
        self._show_scan()

    def _show_view(self) -> None:
        view = self.view
        if view is None or not self.curation.now:
            return
        self.list.buttons[view.name].setChecked(True)
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
    def _show_scan(self) -> None:
        """Show the progress of the checks, or a reason to run them again."""
        scan = self.curation.scan
        has_results = bool(self.curation.results)
        restyle(self.find_button, role="primary" if self.curation.is_read and not has_results else "")
        self.find_button.set_icon_name("refresh" if has_results else "search")
        if scan.progress is not None:
            self.scan_line.show_progress(scan.progress, scan.share, is_stopping=scan.is_stopping)
        elif scan.failure is not None:
            self.scan_line.show_words(f"{tr(scan.failure.message)} {tr(scan.failure.hint)}", is_bad=True)
        elif scan.was_stopped:
            self.scan_line.show_words(
                tr("The checks were cancelled. Results so far are kept; they continue from there.")
            )
        else:
            issues = self.curation.results.get(self.view.check) if self.view is not None else None
            count = issues.added_since if issues is not None else 0
            words = tr(
                "{count} image was added since this check.", "{count} images were added since this check.", count=count
            )
            self.scan_line.show_words(words if count else "")
        self._show_view()

    def why_not_find(self) -> str:
        if self.curation.scan.is_running:
            return tr("The checks are running.")
        return "" if self.curation.now or not self.curation.is_read else tr("There are no images here.")

    def find_issues(self) -> None:
        self.curation.scan.start()

    def run_again(self) -> None:
        """Run the check of this view, or all where it has none."""
        view = self.view
        self.curation.scan.start([view.check] if view is not None and view.check else [])

    def why_not(self, name: str) -> str:
        command = self._command(name)
        if command is None or not self.curation.now:
            return tr("This view does not offer it.")
        if command.needs_image and not self.curation.has_chosen:
            return tr("Choose an image first.")
        return command.why_not()

    def do(self, name: str) -> None:
        if (command := self._command(name)) is not None:
            command.act()

    def _command(self, name: str) -> Command | None:
        return self.view.commands.get(name) if self.view is not None else None

    @Slot(QPoint)
    def _offer_menu(self, place: QPoint) -> None:
        if self.view is not None:
            menu = image_menu(self.view, self.curation, self)
            menu.exec(place)
            menu.deleteLater()

    def chosen_images(self) -> ChosenImages:
        return ChosenImages(self.curation.chosen())

    def show_similar(self, chosen: ChosenImages) -> None:
        """Show the images most similar to images of the project or files, in the view `similar`."""
        if (view := self.views.get("similar")) is not None:
            view.take_images(chosen)
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
        if step.action in (views := {"keep_best": "duplicates", "mend": "leaks", "decide_conflicts": "conflicts"}):
            self.show_view(views[step.action])
        if step.action == "find_issues" and self.session is not None and not self.why_not_find():
            self.find_issues()

    def hideEvent(self, event) -> None:
        """Stop decoding invisible images."""
        self.stage.thumbnails.prefetch(())
        super().hideEvent(event)

    def close_workers(self) -> None:
        """Wait for the reader and decoder threads."""
        for view in self.views.values():
            view.close()
        self.stage.close()
        self.curation.close()
