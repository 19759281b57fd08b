"""Run folders: where a run's config, metrics and checkpoints live, and reading them back. Torch-free.

`<project>/runs/<name>/` holds `config.json`, `classes.json`, `snapshot.json.gz`, `metrics.jsonl`, `last/` `prev/`
`best/` checkpoints and, once training ended, `result.json`. What a person decided about the run (its title, whether it
is pinned) is in `notes.json`. The window and the command line read the same files.
"""

import contextlib
import dataclasses
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from models.methods.table import METHODS
from visionft.errors import ConfigError, NextStep, RunError
from visionft.events import EpochDone
from visionft.files import fsync_folder, list_folder, read_json, write_error, write_json
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.manifest import MANIFEST, fault_of
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.parts import Part, read_parts
from visionft.training.runs.run_lock import is_going

RUNS_FOLDER = "runs"
NOTES_FILE = "notes.json"
MAX_TITLE = 120
BEST_FOLDER = "best"
CHECKPOINT_FOLDERS = (BEST_FOLDER, "last", "prev")


@dataclass(frozen=True, kw_only=True)
class BaseWeights:
    """What a run started from; the content of `weights.json` in its folder.

    Attributes:
        source: The setting: `pretrained`, `random` or a path.
        file: Name of the file; empty for random weights, as all below it.
        sha256: Hash of the file.
        bytes: Its size.
        licence: Of the weights; `not stated` where neither the catalog nor the file tells.
        origin: The hub's repository, who made the weights that ship with VisionFT, or the file that was imported.
        revision: The hub's commit, where it is known.
        head_classes: Width of the classifier head that was left out; 0 where the file has none.
        left_out: All tensors of the file that this network has no place for.
        resized_from: Count of position embeddings before they were interpolated; 0 where they fit.
    """

    source: str
    file: str = ""
    sha256: str = ""
    bytes: int = 0
    licence: str = ""
    origin: str = ""
    revision: str = ""
    head_classes: int = 0
    left_out: tuple[str, ...] = ()
    resized_from: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return what JSON kept."""
        return cls(**{**values, "left_out": tuple(values["left_out"])})


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a finished or stopped run achieved; the content of `result.json`.

    Attributes:
        best: None when the run was stopped before its first epoch had ended.
        images_per_second: Training pictures per second in the fastest epoch.
        artefact_bytes: Size of what was learnt, as the checkpoint `best` holds it.
        feature_drift: 1 - mean cosine similarity of validation features with the pretrained network's; None when it
            was not measured.
        weights: What it started from; None where that was not kept.
        left_out: Pictures that could not be read and were left out.
    """

    run: str
    best: EpochDone | None
    seconds: float
    stopped: bool
    trainable_parameters: int
    total_parameters: int
    device: str
    precision: str
    images_per_second: float = 0.0
    peak_memory_mb: int = 0
    artefact_bytes: int = 0
    feature_drift: float | None = None
    weights: BaseWeights | None = None
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class RunNotes:
    """What a person decided about a run.

    Attributes:
        title: The name to show; empty for the folder's own.
        is_pinned: Whether the run stays on top of the list.
    """

    title: str = ""
    is_pinned: bool = False


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run as its folder tells it.

    Attributes:
        result: None while the run is going, or when it was killed before its end.
        is_going: Whether it is being trained now, by any process on this computer.
        has_weights: Whether it has its best checkpoint; it can be deleted to free space, the metrics stay.
        faults: What a quick look found wrong with its checkpoints, by the name of the folder.
        parts: Of a combination: the runs that it is made of; empty for every other run.
    """

    name: str
    path: Path
    config: TrainConfig
    class_names: tuple[str, ...]
    epochs: tuple[EpochDone, ...]
    result: TrainResult | None
    notes: RunNotes = RunNotes()
    has_weights: bool = True
    is_going: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @property
    def title(self) -> str:
        """Return the name to show."""
        return self.notes.title or self.name

    @property
    def best(self) -> EpochDone | None:
        """Return the epoch kept so far, or None before the first has ended."""
        return best_epoch(self.epochs)

    @property
    def last_epoch(self) -> int:
        """Return the last epoch that has ended; 0 before the first."""
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def _has_last_epoch(self) -> bool:
        return bool(self.epochs) and self.last_epoch >= self.config.total_epochs

    @property
    def is_unfinished(self) -> bool:
        """Tell whether the run can go on: it was stopped, paused or killed before its end."""
        has_ended = self.result is not None and not self.result.stopped
        return not has_ended and not self.is_going and not self._has_last_epoch

    @property
    def finished(self) -> bool:
        """Tell whether the run ended in order (also when it was stopped)."""
        return self.result is not None


def best_epoch(epochs: tuple[EpochDone, ...]) -> EpochDone | None:
    """Return the epoch whose checkpoint `best` holds: the last one marked."""
    return next((epoch for epoch in reversed(epochs) if epoch.is_best), None)


def new_run_dir(project_dir: Path, config: TrainConfig) -> Path:
    """Return the folder for a new run, numbered after the highest number so far; it is not made yet."""
    runs = project_dir / RUNS_FOLDER
    names = [path.name for path in list_folder(runs)]
    numbers = [int(match[1]) for name in names if (match := re.match(r"\.?(\d+)-", name))]
    return runs / f"{max(numbers, default=0) + 1:03d}-{config.backbone.replace('/', '_')}-{config.method}"


def claim_run_dir(project_dir: Path, config: TrainConfig) -> Path:
    """Make the folder for a new run; of several runs that start at once each gets a number of its own.

    Raises:
        VisionFTError: The project's folder cannot be written.
    """
    runs = project_dir / RUNS_FOLDER
    try:
        runs.mkdir(parents=True, exist_ok=True)
        while True:
            folder = new_run_dir(project_dir, config)
            number = folder.name.partition("-")[0]
            claim = runs / f".{number}-"  # `new_run_dir` counts it, and one process alone can make it
            with contextlib.suppress(FileExistsError):
                claim.mkdir()
                try:
                    if not any(runs.glob(f"{number}-*")):
                        folder.mkdir()
                        fsync_folder(runs)
                        return folder
                finally:
                    claim.rmdir()
    except OSError as error:
        raise write_error(runs, error) from error


def list_runs(project_dir: Path) -> list[RunSummary]:
    """Return every readable run of a project, oldest first; folders that are no run are passed over."""
    return scan_runs(project_dir)[0]


def scan_runs(project_dir: Path) -> tuple[list[RunSummary], dict[str, str]]:
    """Return every readable run of a project, oldest first, and {folder name: what is wrong} of the damaged ones.

    A folder without `config.json` never became a run and is passed over.
    """
    summaries: list[RunSummary] = []
    damaged: dict[str, str] = {}
    for folder in list_folder(project_dir / RUNS_FOLDER):
        try:
            if not (folder / "config.json").is_file():
                continue
            summaries.append(read_run(folder))
        except RunError as error:
            damaged[folder.name] = error.message
        except OSError as error:
            damaged[folder.name] = f"{folder} cannot be read: {error.strerror}."
    return summaries, damaged


def load_run(project_dir: Path, name: str) -> RunSummary:
    """Return the run called `name`, or whose number it is.

    Raises:
        RunError: There is none, or its folder is damaged.
    """
    runs = project_dir / RUNS_FOLDER
    names = [path.name for path in list_folder(runs) if path.is_dir()]
    wanted = [each for each in names if each == name or (name.isdigit() and each.startswith(f"{int(name):03d}-"))]
    if not wanted:
        known = f"The project has {', '.join(names)}." if names else "Train one first."
        raise RunError(f"There is no run {name!r}.", known, None if names else NextStep("train"))
    return read_run(runs / wanted[0])


def read_run(run_dir: Path) -> RunSummary:
    """Read one run folder.

    Raises:
        RunError: The folder is no run, or a file of it is damaged.
    """
    try:
        config = TrainConfig.from_dict(read_json(run_dir / "config.json"))
        class_names = _read_class_names(run_dir / "classes.json")
        epochs = read_metrics(run_dir)
        result = _read_result(run_dir / "result.json")
        parts = read_parts(run_dir / BEST_FOLDER)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "Check its permissions, or restore the folder from a copy."
        raise RunError(f"{run_dir} is not a readable run: {error.filename or run_dir}: {reason}.", hint) from error
    except (ValueError, TypeError, KeyError, ConfigError) as error:
        hint = "Restore the folder from a copy, or train again."
        raise RunError(f"{run_dir} is not a readable run: {error}.", hint) from error
    faults = checkpoint_faults(run_dir, is_quick=True)
    return RunSummary(
        name=run_dir.name,
        path=run_dir,
        config=config,
        class_names=class_names,
        epochs=epochs,
        result=result,
        notes=_read_notes(run_dir),
        has_weights=(run_dir / BEST_FOLDER / MANIFEST).is_file() or BEST_FOLDER in faults,
        is_going=is_going(run_dir),
        faults=faults,
        parts=parts,
    )


def checkpoint_faults(run_dir: Path, *, is_quick: bool = False) -> dict[str, str]:
    """Return {folder: what is wrong} of a run's damaged checkpoints; those that were deleted together are not damaged.

    Args:
        is_quick: Look at lengths and headers only, for lists; else every byte is compared with its hash.
    """
    there = {name for name in CHECKPOINT_FOLDERS if (run_dir / name).is_dir()}
    if there and best_epoch(read_metrics(run_dir)) and not (run_dir / _deleted(BEST_FOLDER)).exists():
        there.add(BEST_FOLDER)
    found = {name: fault_of(run_dir / name, is_quick=is_quick) for name in CHECKPOINT_FOLDERS if name in there}
    return {name: fault for name, fault in found.items() if fault}


def _read_class_names(path: Path) -> tuple[str, ...]:
    names = read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path.name} is no list of names")
    return tuple(names)


def _read_notes(run_dir: Path) -> RunNotes:
    """Return the notes of a run; damaged ones are as good as none: a lost title is no reason to lose the run."""
    try:
        values = read_json(run_dir / NOTES_FILE)
        return RunNotes(title=str(values["title"]), is_pinned=bool(values["is_pinned"]))
    except (OSError, ValueError, TypeError, KeyError):
        return RunNotes()


def change_notes(run: RunSummary, **values: Any) -> RunNotes:
    """Give a run another `title`, or pin it (`is_pinned`); returns the notes as they are now.

    Raises:
        RunError: The title is too long, or the run's folder is gone.
        VisionFTError: The folder cannot be written.
    """
    notes = dataclasses.replace(_read_notes(run.path), **values)
    title = " ".join(notes.title.split())
    if len(title) > MAX_TITLE:
        raise RunError(f"A run's name has at most {MAX_TITLE} characters; this one has {len(title)}.", "Shorten it.")
    notes = dataclasses.replace(notes, title="" if title == run.name else title)
    _require_folder(run)
    write_json(run.path / NOTES_FILE, dataclasses.asdict(notes))
    return notes


def weight_folders() -> tuple[str, ...]:
    """Return every folder of a run that may hold weights: its checkpoints, and what methods write for others."""
    exchanged = (method.exchange_folder for method in METHODS.values() if method.exchange_folder)
    return (BEST_FOLDER, "last", "prev", "start", *exchanged)


def weights_bytes(run: RunSummary) -> int:
    """Return the size of all weights in a run's folder: the best ones, and those that the run could go on from."""
    files = (path for name in weight_folders() for path in (run.path / name).rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file())


def delete_weights(run: RunSummary) -> int:
    """Delete the weights of a run and keep its settings, metrics and evaluations; returns the bytes freed.

    Raises:
        RunError: The run's folder is gone, it is being trained, or a file cannot be deleted.
    """
    _require_folder(run)
    if is_going(run.path):
        raise RunError(f"{run.title} is being trained.", "Wait for its end, or stop it first.")
    freed = weights_bytes(run)
    try:
        for name in weight_folders():
            shutil.rmtree(run.path / _deleted(name), ignore_errors=True)
            if (run.path / name).is_dir():
                # Renamed first, all of them: what is half deleted must not look like a checkpoint, whole or damaged.
                (run.path / name).rename(run.path / _deleted(name))
        for name in weight_folders():
            if (run.path / _deleted(name)).is_dir():
                shutil.rmtree(run.path / _deleted(name))
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"The weights of {run.title} cannot be deleted: {reason}.", "Close what uses them.") from error
    return freed


def _deleted(name: str) -> str:
    return f".{name}.deleted"


def require_weights(run: RunSummary) -> None:
    """Return when a run has the weights that evaluating, exporting, explaining and going on need.

    Raises:
        RunError: It has none; the message says why.
    """
    _require_folder(run)
    if run.best is None:
        hint = "Train it for at least one epoch, or choose another run."
        raise RunError(f"{run.title} was stopped before its first epoch had ended.", hint)
    if not run.has_weights:
        hint = "Its curves and figures are still there. Choose another run, or train again with the same settings."
        raise RunError(f"The weights of {run.title} were deleted.", hint)
    if fault := run.faults.get(BEST_FOLDER):
        hint = "Its curves and figures are still there. Bring the folder back from a copy, or train again."
        raise RunError(f"The weights of {run.title} are damaged ({BEST_FOLDER}: {fault}).", hint)


def _require_folder(run: RunSummary) -> None:
    if not run.path.is_dir():
        raise RunError(f"The folder of {run.title} is gone: {run.path}", "Restore it from a copy, or train again.")


def _read_result(path: Path) -> TrainResult | None:
    if not path.exists():
        return None
    values = read_json(path)
    best = EpochDone.from_dict(values["best"]) if values["best"] else None
    weights = BaseWeights.from_dict(values["weights"]) if values.get("weights") else None
    return TrainResult(**{**values, "best": best, "weights": weights})
