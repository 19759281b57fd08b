"""Run folders: config, metrics and checkpoints of a run on disk. Torch-free.

`<project>/runs/<name>/` holds `config.json`, `classes.json`, `snapshot.json.gz`, `metrics.jsonl`, `last/` `prev/`
`best/` checkpoints and, once training ended, `result.json`. Its title is in `notes.json`. The
window and the command line read the same files.

A run of several stages always holds the best of those that have ended. The stage under way is a run of its own in
`next/`; at its end it replaces the others if it is better. `plan.json` names the remaining stages.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout

from visionft.core.errors import ConfigError, NextStep, RunError, VisionFTError
from visionft.core.events import EpochDone
from visionft.core.files import (
    fsync_folder,
    list_folder,
    open_regular,
    read_json,
    refuse_leaving_link,
    write_error,
    write_json,
)
from visionft.core.messages import Message
from visionft.core.records import from_plain
from visionft.training.config.presets import PRESETS
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.manifest import BEST_FOLDER, MANIFEST_FILE, Part, fault_of, read_parts
from visionft.training.runs.metrics_file import ACCURACY_FILE, read_metrics

if TYPE_CHECKING:
    from visionft.data.types import Split
    from visionft.training.evaluation.stored import Evaluation

LOCK_FILE = "run.lock"
_CLAIM_S = 60.0  # after which a claim is left over: it lasts for the rename of a folder, some milliseconds


def lock_run(run_dir: Path) -> FileLock:
    """Make the run's folder and take its lock, to be released (RunError: the run is being trained)."""
    run_dir.mkdir(parents=True, exist_ok=True)
    # `is_going` holds the lock for a moment.
    lock = FileLock(run_dir / LOCK_FILE, timeout=1.0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        hint = "Wait for its end or stop it there; a new run can be started at any time."
        message = Message("{name} is being trained in another window or command.", name=run_dir.name)
        raise RunError(message, hint) from error
    return lock


def is_going(run_dir: Path) -> bool:
    """Tell whether a run, or its next stage, is being trained now, by any process on this computer."""
    if (run_dir / NEXT_FOLDER).is_dir() and is_going(run_dir / NEXT_FOLDER):
        return True
    if not (run_dir / LOCK_FILE).exists():
        return False
    lock = FileLock(run_dir / LOCK_FILE, timeout=0, thread_local=False)
    with contextlib.suppress(OSError):  # an unwritable folder cannot be in use
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
    return False


RUNS_FOLDER = "runs"
NOTES_FILE = "notes.json"
NEXT_FOLDER = "next"
PLAN_FILE = "plan.json"
_ADOPTED_FILE = "adopted.json"  # in `next/`: the names that replace the run's own
_KEPT_NAMES = frozenset({LOCK_FILE, NOTES_FILE, PLAN_FILE, ACCURACY_FILE, NEXT_FOLDER})  # over all stages
MAX_TITLE = 120
LIVE_INDEX_FILE = "live-index.safetensors"  # of a k-NN run: the cached index of the current labels
CHECKPOINT_FOLDERS = (BEST_FOLDER, "last", "prev")


@dataclass(frozen=True, kw_only=True)
class BaseWeights:
    """The base weights of a run; the content of `weights.json` in its folder."""

    source: str  # the setting: `pretrained`, `random` or a path
    file: str = ""  # name of the file; empty for random weights, as all below it
    sha256: str = ""
    bytes: int = 0
    licence: str = ""  # of the weights; `not stated` where neither catalog nor file states one
    origin: str = ""  # the hub's repository, the authors of bundled weights, or the imported file
    revision: str = ""
    head_classes: int = 0  # width of the unused classifier head; 0 where the file has none
    left_out: tuple[str, ...] = ()
    resized_from: int = 0  # count of position embeddings before interpolation; 0 where they fit

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Rebuild from JSON values (ValueError: they are no such record)."""
        return from_plain(cls, values)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The result of a finished or cancelled run; the content of `result.json`."""

    run: str
    best: EpochDone | None  # none when the run was cancelled before the end of its first epoch
    seconds: float  # from the click to the answer: with the measurement of a framing before, and the evaluation after
    stopped: bool
    trainable_parameters: int
    total_parameters: int
    device: str
    precision: str
    images_per_second: float | None = None  # training images per second in the fastest epoch; None without epochs
    peak_memory_mb: int = 0
    artefact_bytes: int = 0
    feature_drift: float | None = None  # 1 - mean cosine similarity with the pretrained network's features
    weights: BaseWeights | None = None  # its base weights; None where they were not recorded
    left_out: int = 0

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Rebuild from JSON values (ValueError: they are no result)."""
        if isinstance(values, dict) and values.get("best"):
            values = values | {"best": EpochDone.from_dict(values["best"])}
        return from_plain(cls, values)


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The remaining stages of a run; the content of `plan.json`, which is removed after the last stage."""

    preset: str  # a name of `PRESETS`: its stages; empty where the settings are all there is
    config: TrainConfig  # the settings that the run was started with
    stage: str = ""  # the preset of the stage under way

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Rebuild from JSON values (ConfigError, TypeError, KeyError, ValueError: they are no plan)."""
        config = TrainConfig.from_dict(dict(values["config"]), is_past=True)
        preset, stage = values["preset"], values.get("stage", "")
        if not {preset, stage} <= {"", *PRESETS}:
            raise ValueError(f"there are no presets {preset!r} and {stage!r}")
        return cls(preset=preset, stage=stage, config=config)


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    name: str
    path: Path
    config: TrainConfig
    class_names: tuple[str, ...]
    epochs: tuple[EpochDone, ...]
    result: TrainResult | None  # none while the run is training, or when it was killed before its end
    given_title: str = ""  # empty for the folder's own
    has_weights: bool = True  # whether it has its best checkpoint; it can be deleted to free space, the metrics stay
    is_going: bool = False  # whether any process on this computer is training it now
    faults: Mapping[str, str] = field(default_factory=dict)  # {folder: problem} of its checkpoints, from a quick check
    parts: tuple[Part, ...] = ()  # the members of an ensemble; empty for every other run
    plan: RunPlan | None = None  # None where nothing is left to try
    next: "StoredRun | None" = None  # the unfinished stage
    # Of a run that has just ended; a run that is read from its folder leaves them there (`read_evaluation`).
    evaluations: "Mapping[Split, Evaluation]" = field(default_factory=dict, compare=False)

    @property
    def title(self) -> str:
        return self.given_title or self.name

    @property
    def best(self) -> EpochDone | None:
        """Return the epoch kept so far, or None before the first has ended."""
        return best_epoch(self.epochs)

    @property
    def last_epoch(self) -> int:
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def is_unfinished(self) -> bool:
        """Return whether the run can go on: it was stopped, paused or killed before its end."""
        if self.plan is not None:
            return not self.is_going
        has_ended = self.result is not None and not self.result.stopped
        has_last_epoch = bool(self.epochs) and self.last_epoch >= self.config.total_epochs
        return not has_ended and not self.is_going and not has_last_epoch


def best_epoch(epochs: tuple[EpochDone, ...]) -> EpochDone | None:
    """Return the epoch of the checkpoint `best`: the last one marked."""
    return next((epoch for epoch in reversed(epochs) if epoch.is_best), None)


def new_run_dir(project_dir: Path, config: TrainConfig) -> Path:
    """Return the folder for a new run, numbered after the highest number so far; it is not made yet."""
    runs = project_dir / RUNS_FOLDER
    names = [path.name for path in list_folder(runs)]
    numbers = [int(match[1]) for name in names if (match := re.match(r"\.?(\d+)-", name))]
    return runs / f"{max(numbers, default=0) + 1:03d}-{config.backbone.replace('/', '_')}-{config.method}"


def owner_of(run_dir: Path) -> Path:
    """Return the folder of the run that a folder is the next stage of; of any other run its own."""
    return run_dir.parent if run_dir.name == NEXT_FOLDER else run_dir


def project_of_run(run_dir: Path) -> Path | None:
    """Return the folder of the project that a run belongs to; None where it lies elsewhere."""
    runs = owner_of(run_dir).parent
    return runs.parent if runs.name == RUNS_FOLDER else None


def first_title(run_dir: Path) -> str:
    """Return the title of a new run: the project's name and the number of its folder, such as `Weather 3`."""
    number = f" {int(run_dir.name.partition('-')[0])}"
    return " ".join(run_dir.resolve().parents[1].name.split())[: MAX_TITLE - len(number)] + number


def claim_run_dir(
    project_dir: Path, config: TrainConfig, *, suffix: str = "", make: Callable[[Path], object] = Path.mkdir
) -> Path:
    """Make the folder for a new run, with `make`, and name the run; concurrent runs get numbers of their own.

    `suffix` follows the number in the name of the folder; empty for the backbone and method of the settings.
    """
    runs = project_dir / RUNS_FOLDER
    try:
        runs.mkdir(parents=True, exist_ok=True)
        remove_left_claims(runs)
        while True:
            folder = new_run_dir(project_dir, config)
            number = folder.name.partition("-")[0]
            folder = folder.with_name(f"{number}-{suffix}") if suffix else folder
            claim = runs / f".{number}-"  # `new_run_dir` counts it, and one process alone can make it
            with contextlib.suppress(FileExistsError):
                with claim.open("x") as file:
                    file.write(str(os.getpid()))
                try:
                    if not any(runs.glob(f"{number}-*")):
                        make(folder)
                        write_first_notes(folder, folder)
                        fsync_folder(runs)
                        return folder
                finally:
                    claim.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(runs, error) from error


def write_first_notes(folder: Path, run_dir: Path) -> None:
    """Write the title of a new run into its folder, which lies at `run_dir` or will be moved there."""
    write_json(folder / NOTES_FILE, {"title": first_title(run_dir)})


def remove_left_claims(runs: Path) -> None:
    """Remove the claims of killed processes, which are as good as none: only a number would be left out."""
    for claim in list_folder(runs):
        if not re.fullmatch(r"\.\d+-", claim.name):
            continue
        with contextlib.suppress(OSError):
            if claim.is_dir() and not claim.is_symlink():  # as versions up to 0.1 made them
                claim.rmdir()
            elif _is_left(claim):
                claim.unlink()


def _is_left(claim: Path) -> bool:
    """Tell whether the process that made a claim is gone (OSError: the claim is)."""
    import psutil

    with open_regular(claim) as file:
        number = file.read(20).decode("ascii", "replace")
    if number.isdecimal() and not psutil.pid_exists(int(number)):
        return True
    return time.time() - claim.stat().st_mtime > _CLAIM_S


def list_runs(project_dir: Path) -> list[StoredRun]:
    """Return every readable run of a project, oldest first; other folders are skipped."""
    return scan_runs(project_dir)[0]


def scan_runs(project_dir: Path) -> tuple[list[StoredRun], dict[str, str]]:
    """Return the readable runs, oldest first, and {folder: problem} of damaged ones, which have a `config.json`."""
    summaries: list[StoredRun] = []
    damaged: dict[str, str] = {}
    for folder in list_folder(project_dir / RUNS_FOLDER):
        try:
            if not (folder / "config.json").is_file():
                continue
            summaries.append(read_run(folder))
        except RunError as error:
            damaged[folder.name] = error.message
        except OSError as error:
            damaged[folder.name] = Message("{folder} cannot be read: {reason}.", folder=folder, reason=error.strerror)
    return summaries, damaged


def load_run(project_dir: Path, name: str) -> StoredRun:
    """Return the run with this name, number or title (RunError: unknown or ambiguous name, or a damaged folder)."""
    runs = project_dir / RUNS_FOLDER
    names = [path.name for path in list_folder(runs) if path.is_dir() and not path.name.startswith(".")]
    number = f"{name.lstrip('0'):0>3}-" if name.isdecimal() else None
    wanted = [each for each in names if each == name or (number and each.startswith(number))]
    wanted = wanted or [each for each in names if run_title(runs / each) == name]
    if len(wanted) > 1:
        hint = Message("Name one of them: {names}.", names=", ".join(wanted))
        raise RunError(Message("Several runs are named {name}.", name=repr(name)), hint)
    if not wanted:
        known = Message("The project has {names}.", names=", ".join(names)) if names else "Train one first."
        raise RunError(Message("There is no run {name}.", name=repr(name)), known, None if names else NextStep("train"))
    return read_run(runs / wanted[0])


def write_plan(run_dir: Path, plan: RunPlan) -> None:
    """Write the remaining stages of a run (OSError, VisionFTError: it cannot be written)."""
    write_json(run_dir / PLAN_FILE, {"preset": plan.preset, "stage": plan.stage, "config": plan.config.to_dict()})


def end_plan(run_dir: Path) -> None:
    """Note that a run has tried all that it was to try (OSError, VisionFTError: the folder cannot be written)."""
    drop_next(run_dir)
    (run_dir / PLAN_FILE).unlink(missing_ok=True)


def drop_next(run_dir: Path) -> None:
    """Remove the next stage of a run (OSError, VisionFTError: it cannot be removed)."""
    if (folder := run_dir / NEXT_FOLDER).is_dir():
        clear_run(folder, kept=())
        folder.rmdir()


def adopt_next(run_dir: Path) -> None:
    """Replace a run by its next stage, which has ended; title, plan and the figures over time stay.

    What a crash interrupts is completed when the run is read.

    Raises:
        OSError, VisionFTError: The folder cannot be written.
        RunError: The run is being trained.
    """
    folder = run_dir / NEXT_FOLDER
    with lock_run(run_dir):
        write_json(folder / _ADOPTED_FILE, [each.name for each in list_folder(folder) if each.name not in _KEPT_NAMES])
        _finish_adoption(run_dir)


def _finish_adoption(run_dir: Path) -> None:
    """Move the content of `next/` into the place of the run's own; the caller has the lock of the run."""
    folder = run_dir / NEXT_FOLDER
    refuse_leaving_link(folder)
    stored = read_json(folder / _ADOPTED_FILE)
    names = {name for name in stored if isinstance(name, str)} if isinstance(stored, list) else set[str]()
    if not names >= {BEST_FOLDER, "config.json", "classes.json", "result.json"}:
        raise ValueError(f"{_ADOPTED_FILE} names no whole run")
    clear_run(run_dir, kept=names | _KEPT_NAMES)
    for source in list_folder(folder):
        if source.name not in names:
            continue
        target, older = run_dir / source.name, run_dir / f".{source.name}.old"
        if source.is_dir() and target.exists():
            target.rename(older)
        source.replace(target)
        shutil.rmtree(older, ignore_errors=True)
    fsync_folder(run_dir)
    drop_next(run_dir)


def _finish_interrupted_adoption(run_dir: Path) -> None:
    """Complete a replacement that a crash interrupted; not one that another thread or process is making."""
    if not (run_dir / NEXT_FOLDER / _ADOPTED_FILE).exists():
        return
    lock = FileLock(run_dir / LOCK_FILE, timeout=0, thread_local=False)
    with contextlib.suppress(Timeout, OSError, VisionFTError, ValueError, TypeError), lock:
        _finish_adoption(run_dir)


def read_run(run_dir: Path) -> StoredRun:
    """Read one run folder (RunError: not a run, or a damaged file)."""
    _finish_interrupted_adoption(run_dir)
    try:
        config = TrainConfig.from_dict(read_json(run_dir / "config.json"), is_past=True)
        class_names = read_json(run_dir / "classes.json")
        if not isinstance(class_names, list) or not all(isinstance(name, str) for name in class_names):
            raise ValueError("classes.json is no list of names")
        epochs = read_metrics(run_dir)
        result = TrainResult.from_dict(read_json(path)) if (path := run_dir / "result.json").exists() else None
        parts = read_parts(run_dir / BEST_FOLDER)
    except OSError as error:
        message = Message("{run} is not a readable run: {reason}: {error}.", error=error.strerror or str(error))
        hint = "Check its permissions, or restore the folder from a copy."
        raise RunError(Message(message, run=run_dir, reason=error.filename or run_dir), hint) from error
    except (ValueError, TypeError, KeyError, ConfigError) as error:
        message = Message("{run_dir} is not a readable run: {reason}.", run_dir=run_dir, reason=error)
        hint = "Restore the folder from a copy, or train again."
        raise RunError(message, hint) from error
    faults = checkpoint_faults(run_dir, is_quick=True)
    return StoredRun(
        name=owner_of(run_dir).name,
        path=run_dir,
        config=config,
        class_names=tuple(class_names),
        epochs=epochs,
        result=result,
        given_title=_read_title(run_dir),
        is_going=is_going(run_dir),
        faults=faults,
        parts=parts,
        plan=_read_plan(run_dir),
        next=_read_next(run_dir),
        has_weights=(run_dir / BEST_FOLDER / MANIFEST_FILE).is_file() or BEST_FOLDER in faults,
    )


def checkpoint_faults(run_dir: Path, *, is_quick: bool = False) -> dict[str, str]:
    """Return {folder: problem} of damaged checkpoints; `is_quick` checks lengths and headers only, for lists."""
    there = {name for name in CHECKPOINT_FOLDERS if (run_dir / name).is_dir()}
    if there and best_epoch(read_metrics(run_dir)) and not (run_dir / _deleted(BEST_FOLDER)).exists():
        there.add(BEST_FOLDER)
    found = {name: fault_of(run_dir / name, is_quick=is_quick) for name in CHECKPOINT_FOLDERS if name in there}
    return {name: fault for name, fault in found.items() if fault}


def run_title(run_dir: Path) -> str:
    """Return the title of a run, without reading the run: the name of its folder where it has none."""
    return _read_title(run_dir) or run_dir.name


def _read_title(run_dir: Path) -> str:
    """Return the title given to a run; empty where it cannot be read: that is no reason to lose the run."""
    try:
        return str(read_json(run_dir / NOTES_FILE)["title"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _read_plan(run_dir: Path) -> RunPlan | None:
    """Return the remaining stages of a run; None also for a damaged plan: the run keeps its best model."""
    try:
        return RunPlan.from_dict(read_json(run_dir / PLAN_FILE))
    except (OSError, ValueError, TypeError, KeyError, ConfigError):
        return None


def _read_next(run_dir: Path) -> StoredRun | None:
    """Return the next stage of a run; None if it is missing or unreadable."""
    folder = run_dir / NEXT_FOLDER
    if owner_of(run_dir) != run_dir or not (folder / "config.json").is_file():
        return None
    with contextlib.suppress(RunError, OSError):
        return read_run(folder)
    return None


def rename_run(run: StoredRun, title: str) -> None:
    """Give a run a title; an empty one restores its own (RunError: it is too long, or the folder is gone)."""
    title = " ".join(title.split())
    if len(title) > MAX_TITLE:
        message = Message("A run's name has at most {MAX_TITLE} characters; this one has {title}.", title=len(title))
        raise RunError(Message(message, MAX_TITLE=MAX_TITLE), "Shorten it.")
    _require_folder(run)
    write_json(run.path / NOTES_FILE, {"title": "" if title == run.name else title})


def weight_folders() -> tuple[str, ...]:
    """Return every folder of a run with weights; earlier versions wrote that for PEFT, too."""
    return (BEST_FOLDER, "last", "prev", "start", NEXT_FOLDER, "peft")


def weights_bytes(run: StoredRun) -> int:
    """Return the size of all weights in a run's folder: the best ones, and those for resuming."""
    files = [path for name in weight_folders() for path in (run.path / name).rglob("*")]
    return sum(path.stat().st_size for path in (*files, run.path / LIVE_INDEX_FILE) if path.is_file())


def clear_run(run_dir: Path, *, kept: Collection[str]) -> None:
    """Delete the content of a run's folder but for the names in `kept`; a link is deleted, not its target.

    Raises:
        OSError: It cannot be deleted.
        VisionFTError: The folder is a link that leads out of its project.
    """
    refuse_leaving_link(run_dir)
    refuse_leaving_link(run_dir.parent)
    for each in list_folder(run_dir):
        if each.name in kept:
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def delete_weights(run: StoredRun) -> int:
    """Delete the weights alone of a run and return the bytes freed (RunError: it is being trained, or gone)."""
    _require_folder(run)
    if is_going(run.path):
        raise RunError(Message("{title} is being trained.", title=run.title), "Wait for its end, or stop it first.")
    freed = weights_bytes(run)
    try:
        (run.path / LIVE_INDEX_FILE).unlink(missing_ok=True)
        (run.path / PLAN_FILE).unlink(missing_ok=True)
        for name in weight_folders():
            shutil.rmtree(run.path / _deleted(name), ignore_errors=True)
            if (run.path / name).is_dir():
                # Renamed first, all of them: what is half deleted must not look like a checkpoint, whole or damaged.
                (run.path / name).rename(run.path / _deleted(name))
        for name in weight_folders():
            if (run.path / _deleted(name)).is_dir():
                shutil.rmtree(run.path / _deleted(name))
    except OSError as error:
        message = Message("The weights of {title} cannot be deleted: {reason}.", title=run.title)
        raise RunError(Message(message, reason=error.strerror or str(error)), "Close what uses them.") from error
    return freed


def _deleted(name: str) -> str:
    return f".{name}.deleted"


def require_weights(run: StoredRun) -> None:
    """Raise an error unless a run has weights for evaluation, export, explanation and resuming."""
    _require_folder(run)
    require_built(run)
    if run.best is None:
        hint = "Train it for at least one epoch, or choose another run."
        raise RunError(Message("{title} was stopped before its first epoch had ended.", title=run.title), hint)
    if not run.has_weights:
        hint = "Its curves and figures are still there. Choose another run, or train again with the same settings."
        raise RunError(Message("The weights of {title} were deleted.", title=run.title), hint)
    if fault := run.faults.get(BEST_FOLDER):
        hint = "Its curves and figures are still there. Bring the folder back from a copy, or train again."
        message = Message("The weights of {title} are damaged ({BEST_FOLDER}: {reason}).", BEST_FOLDER=BEST_FOLDER)
        raise RunError(Message(message, title=run.title, reason=fault), hint)


def require_built(run: StoredRun) -> None:
    """Raise an error where the network of a run has options of an earlier version that are gone."""
    if run.config.not_built:
        message = Message("The network of {title} cannot be built any more: {options}.", title=run.title)
        hint = "Its figures and exports stay. VisionFT 0.2.0 evaluates, continues and exports it."
        raise RunError(Message(message, options=run.config.not_built), hint)


def _require_folder(run: StoredRun) -> None:
    if not run.path.is_dir():
        message = Message("The folder of {title} is gone: {path}", title=run.title, path=run.path)
        raise RunError(message, "Restore it from a copy, or train again.")
