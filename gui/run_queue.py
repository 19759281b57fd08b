"""The queue of training runs, kept in the project's folder: each with its settings at the time it was added.

Plain data without Qt. The file also stores the paused run and the interrupted runs dismissed by the user.
"""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.messages import Message, load_message, store_message
from visionft.errors import ConfigError, RunError, VisionFTError
from visionft.files import read_json, write_json
from visionft.training.config.presets import PRESETS
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, RunSummary, read_run
from visionft.training.runs.run_titles import config_title

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1
FILE_NAME = "queue.json"
_LOOK_BACK = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """A queued run. `number` identifies it; `failure` is the reason it could not be trained, after an attempt.

    `preset` is the budget that the settings are of; empty for settings of the user's own.
    """

    number: int
    config: TrainConfig
    preset: str = ""
    failure: str = ""

    @property
    def title(self) -> Message:
        return config_title(self.config)


class RunQueue:
    """The queue of one project; every change is written at once."""

    def __init__(self, project_dir: Path) -> None:
        self._file = project_dir / FILE_NAME
        try:
            stored = read_json(self._file)
        except FileNotFoundError:
            stored = {}
        except (OSError, ValueError) as error:
            logger.warning("The queue %s cannot be read: %s", self._file, error)
            stored = {}
        stored = stored if isinstance(stored, dict) else {}
        self.runs: tuple[QueuedRun, ...] = _runs(_list(stored.get("runs")))
        self.paused: str = _text(stored.get("paused"))
        self.dismissed: frozenset[str] = frozenset(filter(None, map(_text, _list(stored.get("dismissed")))))

    def _set(self, runs: tuple[QueuedRun, ...]) -> None:
        self.runs = runs
        self._write()

    def add(self, config: TrainConfig, *, preset: str = "", is_first: bool = False) -> QueuedRun:
        number = max((run.number for run in self.runs), default=0) + 1
        added = QueuedRun(number=number, config=config, preset=preset)
        self._set((added, *self.runs) if is_first else (*self.runs, added))
        return added

    def remove(self, number: int) -> QueuedRun | None:
        found = next((run for run in self.runs if run.number == number), None)
        self._set(tuple(run for run in self.runs if run.number != number))
        return found

    def move(self, number: int, index: int) -> None:
        """Move a run to an index, counted from 0 among all."""
        others = [run for run in self.runs if run.number != number]
        moved = [run for run in self.runs if run.number == number]
        index = max(0, min(index, len(others)))
        self._set((*others[:index], *moved, *others[index:]))

    def take_next(self) -> QueuedRun | None:
        """Remove and return the first run not tried yet."""
        waiting = self.waiting()
        return self.remove(waiting[0].number) if waiting else None

    def put_back(self, run: QueuedRun, failure: str) -> None:
        """Append a failed run to the queue, with the reason; it is not retried automatically."""
        self._set((*self.runs, dataclasses.replace(run, failure=failure)))

    def retry(self, number: int) -> None:
        self._set(tuple(dataclasses.replace(r, failure="") if r.number == number else r for r in self.runs))

    def set_paused(self, name: str) -> None:
        """Store `name` as the paused run; empty for none."""
        if name != self.paused:
            self.paused = name
            self._write()

    def dismiss(self, name: str) -> None:
        self.dismissed |= {name}
        self.paused = "" if self.paused == name else self.paused
        self._write()

    def waiting(self) -> tuple[QueuedRun, ...]:
        """Return the runs not tried yet, in order."""
        return tuple(run for run in self.runs if not run.failure)

    def unfinished_run(self) -> RunSummary | None:
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
        runs = [
            {
                "number": each.number,
                "config": each.config.to_dict(),
                "preset": each.preset,
                "failure": store_message(each.failure),
            }
            for each in self.runs
        ]
        value = {"format_version": FORMAT_VERSION, "runs": runs, "paused": self.paused}
        value["dismissed"] = sorted(self.dismissed)
        try:
            write_json(self._file, value)
        except VisionFTError as error:  # a full disk loses the stored queue, never the run
            logger.warning("The queue was not written: %s", error)


def _runs(stored: list[Any]) -> tuple[QueuedRun, ...]:
    found = []
    for entry in stored:
        try:
            config = TrainConfig.from_dict(entry["config"])
            assert config.backbone_row and config.method_row
            failure = load_message(_text(entry.get("failure")))
            preset = _text(entry.get("preset"))
            preset = preset if preset in PRESETS else ""
            found.append(QueuedRun(number=int(entry["number"]), config=config, preset=preset, failure=failure))
        except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
            logger.warning("A queued run cannot be read: %s", error)
    return tuple(found)


def _list(stored: Any) -> list[Any]:
    return stored if isinstance(stored, list) else []


def _text(stored: Any) -> str:
    return stored if isinstance(stored, str) else ""
