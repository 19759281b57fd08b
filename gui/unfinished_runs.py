"""The runs of a project that a person may resume: the paused one, and the interrupted ones that were dismissed.

Plain data without Qt, kept in the project's folder.
"""

import logging
from pathlib import Path
from typing import Any

from visionft.core.errors import RunError, VisionFTError
from visionft.core.files import read_json, write_json
from visionft.training.runs.run_folder import RUNS_FOLDER, Run, read_run

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1
FILE_NAME = "queue.json"  # earlier versions kept waiting runs there, too
_LOOK_BACK = 10


class UnfinishedRuns:
    """The paused run and the dismissed ones of a project; every change is written at once."""

    def __init__(self, project_dir: Path) -> None:
        self._file = project_dir / FILE_NAME
        try:
            stored = read_json(self._file)
        except FileNotFoundError:
            stored = {}
        except (OSError, ValueError) as error:
            logger.warning("The file %s cannot be read: %s", self._file, error)
            stored = {}
        stored = stored if isinstance(stored, dict) else {}
        self.paused: str = _text(stored.get("paused"))
        dismissed = stored.get("dismissed")
        self.dismissed = frozenset(filter(None, map(_text, dismissed if isinstance(dismissed, list) else [])))

    def set_paused(self, name: str) -> None:
        """Store `name` as the paused run; empty for none."""
        if name != self.paused:
            self.paused = name
            self._write()

    def dismiss(self, name: str) -> None:
        """Do not offer a run again."""
        self.dismissed |= {name}
        self.paused = "" if self.paused == name else self.paused
        self._write()

    def newest(self) -> Run | None:
        """Return the run to offer: the paused one, else the newest if it stopped or crashed before its end."""
        folder = self._file.parent / RUNS_FOLDER
        paths = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
        for path in paths[:_LOOK_BACK] if not self.paused else [folder / self.paused]:
            try:
                run = read_run(path)
            except RunError:
                continue
            return run if run.name not in self.dismissed and run.is_unfinished else None
        return None

    def _write(self) -> None:
        value = {"format_version": FORMAT_VERSION, "paused": self.paused, "dismissed": sorted(self.dismissed)}
        try:
            write_json(self._file, value)
        except VisionFTError as error:  # a full disk loses the mark, never the run
            logger.warning("The paused run was not noted: %s", error)


def _text(stored: Any) -> str:
    return stored if isinstance(stored, str) else ""
