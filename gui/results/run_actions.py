"""What can be done with a training run besides evaluating it: rename, pin, lighten, train again, open its folder.

Knows the state and asks through `gui.kit.dialogs`; the screens that show runs offer these as a menu.
"""

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtWidgets import QMenu, QWidget

from gui.kit import dialogs
from gui.kit.i18n import tr
from gui.kit.recipe_files import ask_recipe_target
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane
from visionft.amounts import size_text
from visionft.errors import VisionFTError
from visionft.training.recipe import Recipe, write_recipe
from visionft.training.runs.run_folder import RunSummary, change_notes, delete_weights, require_weights, weights_bytes

AGAIN, ANEW = "Train on from here", "Make it anew"


class RunActions(QObject):
    """Acts on runs of the open project; every change ends in `session.runs_changed`."""

    def __init__(self, state: AppState, session: ProjectSession | None, parent: QWidget) -> None:
        super().__init__(parent)
        self._state, self._session, self._parent = state, session, parent

    def rename(self, run: RunSummary, title: str) -> None:
        """Show a run under another name; its own when `title` is empty."""
        self._change(run, title=title)

    def toggle_pin(self, run: RunSummary) -> None:
        """Keep a run on top of the list, or no longer."""
        self._change(run, is_pinned=not run.notes.is_pinned)

    def _change(self, run: RunSummary, **values: Any) -> None:
        try:
            change_notes(run, **values)
        except VisionFTError as error:
            self._state.report(error)
        self._tell_changed()

    def _tell_changed(self) -> None:
        if self._session is not None:
            self._session.runs_changed.emit()

    def delete_weights(self, run: RunSummary) -> None:
        """Free the space of a run's weights, after saying what goes and what stays."""
        size = size_text(weights_bytes(run))
        question = tr(
            "This frees {size}. Curves, figures and predictions stay, and so do exported files. The run can no longer "
            "be evaluated, explained, exported or continued, and this cannot be undone.",
            size=size,
        )
        title = tr("Delete the weights of “{run}”?", run=run.title)
        if not dialogs.ask_yes(self._parent, title, question, yes=tr("Delete weights")):
            return
        try:
            freed = delete_weights(run)
        except VisionFTError as error:
            self._state.report(error)
        else:
            done = tr("The weights of {run} were deleted.", run=run.title)
            self._state.say(done, tr("{size} are free again.", size=size_text(freed)), tone="good")
        self._tell_changed()

    def train_again(self, run: RunSummary) -> None:
        """Begin a new run with this one's settings and best weights, on the labels as they are now.

        What is solved for at once is solved for anew: no weights are left to go on from.
        """
        if self._session is None:
            return
        try:
            require_weights(run)
        except VisionFTError as error:
            self._state.report(error)
            return
        self._state.page_requested.emit("train")
        self._session.runner.start(replace(run.config, start_from=run.name if run.config.total_epochs else ""))

    def why_no_recipe(self, run: RunSummary | None) -> str:
        """Return why a run has no recipe; empty where it has one."""
        if run is None:
            return tr("Choose a training run first.")
        return tr("A combination was not trained: take the recipe of one of its parts.") if run.parts else ""

    def save_recipe(self, run: RunSummary | None) -> None:
        """Write a run's settings, and what it began with, as a file to train with again."""
        target = None if run is None else ask_recipe_target(self._parent, run.name)
        if run is None or target is None:
            return
        try:
            write_recipe(target, Recipe.of_run(run))
        except VisionFTError as error:
            self._state.report(error)
        else:
            self._state.say(tr("Saved: {path}", path=str(target)), tone="good")

    def open_folder(self, run: RunSummary) -> None:
        """Show a run's folder in the system's file manager."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.path)))

    def menu(self, run: RunSummary, parent: QWidget, *, edit_name: Any) -> QMenu:
        """Return the menu of a run; `edit_name` lets the user type its new name in place."""
        menu = QMenu(parent)
        is_free = not self._state.tasks.is_busy(Lane.COMPUTE, Lane.TRAINING)
        again = AGAIN if run.config.total_epochs else ANEW
        pin = tr("Unpin") if run.notes.is_pinned else tr("Pin on top")
        can_train_on = run.has_weights and run.best is not None and not run.parts
        entries: list[tuple[str, Any, bool]] = [
            (tr("Rename") + "\tF2", edit_name, True),
            (pin, lambda: self.toggle_pin(run), True),
            (tr(again), lambda: self.train_again(run), can_train_on),
            (tr("Change settings and train"), lambda: self._state.run_duplicate_requested.emit(run), not run.parts),
            (tr("Save its recipe…"), lambda: self.save_recipe(run), not run.parts),
            (tr("Open folder"), lambda: self.open_folder(run), True),
            (tr("Delete weights…"), lambda: self.delete_weights(run), is_free and weights_bytes(run) > 0),
        ]
        for index, (title, act, is_possible) in enumerate(entries):
            if index == len(entries) - 1:
                menu.addSeparator()
            action = QAction(title, menu)
            action.setEnabled(is_possible)
            action.triggered.connect(lambda _checked=False, act=act: act())
            menu.addAction(action)
        return menu
