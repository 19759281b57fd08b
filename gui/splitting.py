"""Dividing the project's pictures into training, validation and test: the one task that does it, for every screen."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gui.kit.i18n import tr
from gui.tasks import Lane, Task, Tasks
from visionft.curation.leaks.check import known_together
from visionft.errors import ProjectError
from visionft.events import Notice, OnEvent, Progress, ShouldStop
from visionft.project.splits import SplitReport, SplitWish, assign_splits

if TYPE_CHECKING:
    from visionft.project.store import Project


def split_pictures(
    project: "Project", wish: SplitWish, *, or_without_test: bool, on_event: OnEvent, should_stop: ShouldStop
) -> SplitReport:
    """Divide the labelled pictures in a task; takes a moment and cannot be stopped.

    Args:
        project: Open for writing.
        wish: The shares, and what stays together.
        or_without_test: Where the pictures are too few for a test set, do without one, and say so.
        on_event: Receives what is done.
        should_stop: Not asked: it is over before anybody could.
    """
    on_event(Progress(stage="Splitting", done=0, total=0))
    try:
        return _assign(project, wish)
    except ProjectError as error:
        step = error.next_step
        if not or_without_test or step is None or step.action != "split_without_test":
            raise
    report = _assign(project, dataclasses.replace(wish, test=0.0))
    words = "There are too few pictures for a test set: they are divided into training and validation only."
    on_event(Notice(message=tr(words), level="warning"))
    return report


def _assign(project: "Project", wish: SplitWish) -> SplitReport:
    group = wish.group or None
    together = known_together(project)
    return assign_splits(
        project, val=wish.val, test=wish.test, seed=wish.seed, group=group, together=together, again=wish.again
    )


class Splitter(QObject):
    """Divides the pictures of one project, one division at a time."""

    changed = Signal()  # whether it divides now

    def __init__(self, project: "Project", tasks: Tasks, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._tasks = project, tasks
        self.is_splitting = False

    def split(
        self,
        wish: SplitWish,
        *,
        page: str,
        or_without_test: bool = False,
        then: Callable[[SplitReport], object] = lambda _report: None,
    ) -> None:
        """Divide the pictures in a task; `then` is called once they are. `page` is where the task bar leads to."""
        if self.is_splitting:
            return
        work = partial(split_pictures, self._project, wish, or_without_test=or_without_test)
        task = Task(title=tr("Splitting the pictures"), work=work, lane=Lane.DISK, page=page, writes=True)
        self._set_splitting(True)
        self._tasks.run(task, owner=self, on_done=then, on_end=lambda _outcome: self._set_splitting(False))

    def _set_splitting(self, is_splitting: bool) -> None:
        self.is_splitting = is_splitting
        self.changed.emit()
