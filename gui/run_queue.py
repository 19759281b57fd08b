"""Training runs that wait for their turn, kept in the project's folder: settings as they were when each was added.

Plain data without Qt. The file also remembers which run is paused and which interrupted runs the user waved away.
"""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.errors import ConfigError, RunError, VisionFTError
from visionft.files import read_json, write_json
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, RunSummary, read_run
from visionft.training.runs.run_titles import config_title

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1
FILE_NAME = "queue.json"
_LOOK_BACK = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """One run that waits. `number` identifies it; `failure` says why it could not be trained, if it was tried."""

    number: int
    config: TrainConfig
    failure: str = ""

    @property
    def title(self) -> str:
        """Return what it trains, for people."""
        return config_title(self.config)


class RunQueue:
    """The queue of one project; every change is written at once."""

    def __init__(self, project_dir: Path | None) -> None:
        """Read the project's queue; without a project it is empty and stays so."""
        self._file = project_dir / FILE_NAME if project_dir else None
        stored = self._read()
        self.runs: tuple[QueuedRun, ...] = _runs(stored.get("runs"))
        self.paused: str = _text(stored.get("paused"))
        self.dismissed: frozenset[str] = frozenset(filter(None, map(_text, _list(stored.get("dismissed")))))

    # -- changing -----------------------------------------------------------------------------------------------

    def add(self, config: TrainConfig, *, is_first: bool = False) -> QueuedRun:
        """Let a run wait, behind all others or before them."""
        number = max((run.number for run in self.runs), default=0) + 1
        added = QueuedRun(number=number, config=config)
        self._set((added, *self.runs) if is_first else (*self.runs, added))
        return added

    def remove(self, number: int) -> QueuedRun | None:
        """Take a run out, and return it."""
        found = self.find(number)
        self._set(tuple(run for run in self.runs if run.number != number))
        return found

    def move(self, number: int, index: int) -> None:
        """Move a run to a place, counted from 0 among all."""
        found = self.find(number)
        if found is not None:
            others = [run for run in self.runs if run.number != number]
            others.insert(max(0, min(index, len(others))), found)
            self._set(tuple(others))

    def take_next(self) -> QueuedRun | None:
        """Take out and return the first run that was not tried yet."""
        waiting = self.waiting()
        return self.remove(waiting[0].number) if waiting else None

    def put_back(self, run: QueuedRun, failure: str) -> None:
        """Show a run that failed at the end of the queue, with the reason; it is not tried again by itself."""
        self._set((*self.runs, dataclasses.replace(run, failure=failure)))

    def retry(self, number: int) -> None:
        """Let a failed run wait again."""
        self._set(tuple(dataclasses.replace(r, failure="") if r.number == number else r for r in self.runs))

    def set_paused(self, name: str) -> None:
        """Remember that run `name` is paused; empty when none is."""
        if name != self.paused:
            self.paused = name
            self._write()

    def dismiss(self, name: str) -> None:
        """Never offer run `name` again."""
        self.dismissed |= {name}
        self.paused = "" if self.paused == name else self.paused
        self._write()

    def _set(self, runs: tuple[QueuedRun, ...]) -> None:
        self.runs = runs
        self._write()

    # -- looking ------------------------------------------------------------------------------------------------

    def find(self, number: int) -> QueuedRun | None:
        """Return the run with this number."""
        return next((run for run in self.runs if run.number == number), None)

    def waiting(self) -> tuple[QueuedRun, ...]:
        """Return the runs that were not tried yet, in order."""
        return tuple(run for run in self.runs if not run.failure)

    def unfinished_run(self) -> RunSummary | None:
        """Return the run to offer: the paused one, else the newest when it stopped or crashed before its end."""
        if self._file is None:
            return None
        folder = self._file.parent / RUNS_FOLDER
        paths = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
        for path in paths[:_LOOK_BACK] if not self.paused else [folder / self.paused]:
            try:
                run = read_run(path)
            except RunError:
                continue
            return run if run.name not in self.dismissed and run.is_unfinished else None
        return None

    # -- the file -----------------------------------------------------------------------------------------------

    def _read(self) -> dict[str, Any]:
        try:
            stored = read_json(self._file) if self._file else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            logger.warning("The queue %s cannot be read: %s", self._file, error)
            return {}
        return stored if isinstance(stored, dict) else {}

    def _write(self) -> None:
        if self._file is None:
            return
        runs = [{"number": r.number, "config": r.config.to_dict(), "failure": r.failure} for r in self.runs]
        value = {
            "format_version": FORMAT_VERSION,
            "runs": runs,
            "paused": self.paused,
            "dismissed": sorted(self.dismissed),
        }
        try:
            write_json(self._file, value)
        except VisionFTError as error:  # a full disk costs the queue its memory, never the run
            logger.warning("The queue was not written: %s", error)


def _runs(stored: Any) -> tuple[QueuedRun, ...]:
    found = []
    for entry in _list(stored):
        try:
            config = TrainConfig.from_dict(entry["config"])
            assert config.backbone_row and config.method_row
            found.append(QueuedRun(number=int(entry["number"]), config=config, failure=_text(entry.get("failure"))))
        except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
            logger.warning("A queued run cannot be read: %s", error)
    return tuple(found)


def _list(stored: Any) -> list[Any]:
    return stored if isinstance(stored, list) else []


def _text(stored: Any) -> str:
    return stored if isinstance(stored, str) else ""
