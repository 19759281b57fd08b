"""Splitting the project's images into train, validation and test: one task for every screen."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gui.kit.translation import tr
from gui.tasks import Lane, Task, Tasks
from models.messages import Message
from visionft.errors import ProjectError
from visionft.events import Notice, Progress
from visionft.jobs import JobContext
from visionft.project.splits import SplitReport, SplitRequest, assign_splits, missing_texts

if TYPE_CHECKING:
    from visionft.project.store import Project


def split_images(project: "Project", wish: SplitRequest, *, or_without_test: bool, job: JobContext) -> SplitReport:
    """Split the labelled images in a task; takes a moment and cannot be cancelled.

    Args:
        project: Open for writing.
        wish: The shares, and the images to keep together.
        or_without_test: With too few images for a test set, split without one, and report it.
    """
    from visionft.curation.leaks.leak_check import related_groups  # slow to import

    def assign(test: float) -> SplitReport:
        return assign_splits(
            project, val=wish.val, test=test, seed=wish.seed, group=wish.group or None,
            together=related_groups(project), again=wish.again,
        )  # fmt: skip

    job.report(Progress(stage="Splitting", done=0, total=0))
    try:
        report = assign(wish.test)
        for words in missing_texts(report):
            job.report(Notice(message=tr(words), level="warning"))
        return report
    except ProjectError as error:
        step = error.next_step
        if not or_without_test or step is None or step.action != "split_without_test":
            raise
    report = assign(0.0)
    words = Message("There are too few images for a test set: they are divided into training and validation only.")
    job.report(Notice(message=tr(words), level="warning"))
    return report


class Splitter(QObject):
    """Splits the images of one project, one task at a time."""

    changed = Signal()  # whether a split is running

    def __init__(self, project: "Project", tasks: Tasks, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._tasks = project, tasks
        self.is_splitting = False

    def split(
        self,
        wish: SplitRequest,
        *,
        page: str,
        or_without_test: bool = False,
        then: Callable[[SplitReport], object] = lambda _report: None,
    ) -> None:
        """Split the images in a task; `then` is called afterwards. `page` is linked from the task bar."""
        if self.is_splitting:
            return
        work = partial(split_images, self._project, wish, or_without_test=or_without_test)
        task = Task(title=tr("Splitting the images"), work=work, lane=Lane.DISK, page=page, writes=True)
        self._set_splitting(True)
        self._tasks.run(task, owner=self, on_done=then, on_end=lambda _outcome: self._set_splitting(False))

    def _set_splitting(self, is_splitting: bool) -> None:
        self.is_splitting = is_splitting
        self.changed.emit()
