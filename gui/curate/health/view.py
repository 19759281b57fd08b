"""The health of the project on one page: what there is, what was found, how the newest run does, what to do next."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.health.cards import HealthPage
from gui.curate.view import Command, Empty, View
from gui.kit.dialogs import ask_save_file
from gui.kit.i18n import tr
from gui.kit.workers import WorkerPool
from gui.tasks import Lane, Task
from visionft.curation.health.facts import Health
from visionft.curation.health.health import health_of
from visionft.curation.health.report_html import save_report
from visionft.errors import VisionFTError
from visionft.project.store import Project

logger = logging.getLogger(__name__)

SCREENS = {"home": "project", "label": "label", "train": "train", "results": "results"}  # {advice's view: page}


def read_health(key: tuple[Project, int]) -> Health | None:
    """Read a project's health; safe in any thread. None where the project was closed meanwhile."""
    try:
        return health_of(key[0])
    except (VisionFTError, OSError) as error:
        logger.warning("The health was not read: %s", error)
        return None


class HealthView(View):
    """Cards with a number, a sentence and a way on each; below, what to do next."""

    name, title, icon = "health", "Health", "shield"
    panel_place = "instead"
    gives_classes = False

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.health: Health | None = None
        self._page: HealthPage | None = None
        self._is_old, self._times = True, 0
        self._reading = WorkerPool(read_health, threads=1, answers_age=True, parent=self)
        self._reading.done.connect(self._on_read)
        curation.found_changed.connect(self._on_found_changed)
        self.commands = {
            "curate.save_report": Command(
                self.save, self.why_not_save, icon="export", words=tr("Save report"), needs_picture=False
            )
        }

    # -- reading ------------------------------------------------------------------------------------------------

    def _on_found_changed(self) -> None:
        self._is_old = True

    def fill(self) -> None:
        """Read the health anew where anything changed since, beside the window."""
        project = self.curation.project
        if self._is_old and project is not None:
            self._is_old = False
            self._times += 1
            self._reading.request([(project, self._times)])

    def _on_read(self, key: tuple[Project, int], health: Health | None) -> None:
        if health is not None and key[1] == self._times:
            self.health = health
            if self._page is not None:
                self._page.show_health(health)
            self.changed.emit()

    def close(self) -> None:
        """Wait for what is being read."""
        self._reading.close()

    # -- answers ------------------------------------------------------------------------------------------------

    def sentence(self) -> str:
        """Return what this is."""
        return tr("What there is, what was found, and what to do next.")

    def empty(self) -> Empty | None:
        """Return that it is being read, the first time."""
        return None if self.health is not None else Empty(title=tr("Reading the project"), words="", icon="shield")

    def build_panel(self) -> QWidget | None:
        """Return the page of cards."""
        self._page = HealthPage(on_open=self.open)
        if self.health is not None:
            self._page.show_health(self.health)
        return self._page

    # -- acting -------------------------------------------------------------------------------------------------

    def open(self, place: str) -> None:
        """Show a view of this page, or another screen, by its name; `look:` and a check has it look."""
        if place.startswith("look:"):
            self.curation.looking.start([name] if (name := place.removeprefix("look:")) else [])
        elif place in SCREENS:
            self.curation.state.page_requested.emit(SCREENS[place])
        else:
            self.curation.view_wanted.emit(place)

    def why_not_save(self) -> str:
        """Return why no report can be saved now."""
        return "" if self.health is not None else tr("Reading the project")

    def save(self) -> None:
        """Ask where to, and write the report beside the window."""
        project = self.curation.project
        if project is None:
            return
        start = Path.home() / f"{project.path.name} health.html"
        target = ask_save_file(self.curation.window, tr("Save report"), "HTML (*.html)", start)
        if target is not None:
            self.curation.state.tasks.run(
                Task(
                    title=tr("Saving the report"),
                    work=partial(save_report, project.path, target),
                    lane=Lane.DISK,
                    page="curate",
                ),
                owner=self,
                on_done=self._on_saved,
            )

    def _on_saved(self, target: Path) -> None:
        self.curation.state.say(tr("The report was saved: {path}", path=str(target)), tone="good")
        self.show_file(target)

    show_file: Callable[[Path], object] = staticmethod(
        lambda target: QDesktopServices.openUrl(QUrl.fromLocalFile(str(target)))
    )
