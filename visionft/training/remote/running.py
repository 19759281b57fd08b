"""Training a job on this computer, without a project; and its result, a file to carry back."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models.weights.locations import PRETRAINED, RANDOM
from visionft.core.errors import RunError
from visionft.core.files import publish_folder, temporary_folder, write_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.trained_run import evaluate_held_out, resume_and_evaluate, train_and_evaluate
from visionft.training.remote.job_file import JOB_FILE, RESULT_SUFFIX, SUFFIX, job_of_folder, read_job
from visionft.training.remote.packed_file import (
    CONFIG,
    Content,
    Manifest,
    PackedFileError,
    PackedJob,
    pack,
    read_job_contents,
    unpack,
)
from visionft.training.runs.run_folder import StoredRun, lock_run, new_run_dir, scan_runs

KIND: Final = "result"
_LEFT_THERE: Final = ("last", "prev", "start")


def job_folder(job_file: Path) -> Path:
    """Return the folder of a job's training, beside its file."""
    return job_file.with_name(job_file.stem)


def result_file(job_file: Path) -> Path:
    return job_file.with_suffix(RESULT_SUFFIX)


def run_job(
    job_file: Path,
    *,
    processes: int = 1,
    job: JobContext = SILENT_JOB,
) -> StoredRun:
    """Train a job, or go on with it where it was stopped, and write its result beside it.

    Everything lies in the folder of `job_folder`. A stopped run writes no result. Returns the run with its evaluations.

    Args:
        job_file: The file of `pack_job`.
        processes: How many train together, on a device each.

    Raises:
        PackedFileError: The file is no job, damaged or unsafe, or the folder holds another job.
        ConfigError, RunError, WeightsError: As `train`; another command trains the job.
        JobCancelled: The user cancelled while it was unpacked.
    """
    folder = job_folder(job_file)
    manifest, facts = unpack_job(job_file, job=job)
    with _only_one(folder):
        launches = processes > 1 and not is_launched()
        if launches and ((run := _latest(folder)) is None or run.is_unfinished):
            launch_processes(job_file, processes, job)
        run = _finished(folder, job) if launches else _train(folder, manifest, job)
        assert run.result is not None, "it has ended"
        if not run.result.stopped and not is_launched():
            write_result(result_file(job_file), facts.job, run)
        return run


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of a job (RunError: another command trains it); a launched process leaves it to its launcher."""
    if is_launched():
        yield
        return
    try:
        lock = lock_run(folder)
    except RunError as error:
        raise RunError(error.message, "Wait for its end, or stop it there.") from error
    try:
        yield
    finally:
        lock.release()


def is_launched() -> bool:
    """Return whether this process is one of several of one run."""
    return "RANK" in os.environ


def unpack_job(job_file: Path, *, job: JobContext = SILENT_JOB) -> tuple[Manifest, PackedJob]:
    """Unpack a job into its folder, once; return its manifest and its facts.

    Raises:
        PackedFileError, JobCancelled: As `run_job`.
    """
    manifest, facts = read_job(job_file)
    if not job_file.stem.strip(".") or job_file.suffix in ("", RESULT_SUFFIX):
        message = Message("The result would get the same name as the job {name}.", name=job_file.name)
        name = f"{job_file.stem.strip('.') or 'job'}{SUFFIX}"
        raise PackedFileError(message, Message("Rename it: {name}", name=name))
    folder = job_folder(job_file)
    if not (folder / JOB_FILE).exists():
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise PackedFileError(Message("{folder} is not empty.", folder=folder), "Move it away, or the job file.")
        with temporary_folder(folder) as unpacked:
            unpack(job_file, manifest, unpacked, job=job)
            read_job_contents(unpacked, manifest)
            write_json(unpacked / JOB_FILE, {"job": facts.job})  # last: the folder holds all of the job
            publish_folder(unpacked, folder)
    elif job_of_folder(folder) != facts.job:
        message = Message("{folder} holds another job.", folder=folder)
        raise PackedFileError(message, "Move it away, or rename the job file.")
    return manifest, facts


def _train(folder: Path, manifest: Manifest, job: JobContext) -> StoredRun:
    try:
        return _train_or_resume(folder, manifest, job)
    except RuntimeError as error:
        if not is_launched():
            raise
        reason = str(error).strip().partition("\n")[0]
        raise RunError(
            Message("Training together ended: {reason}", reason=reason), "Look at the messages of the others."
        ) from error


def _train_or_resume(folder: Path, manifest: Manifest, job: JobContext) -> StoredRun:
    if (run := _latest(folder)) is None:
        config, images = _placed(folder, *read_job_contents(folder, manifest))
        return train_and_evaluate(config, images, new_run_dir(folder, config), job=job)
    return resume_and_evaluate(run.path, job=job) if run.is_unfinished else _finished(folder, job)


def _latest(folder: Path) -> StoredRun | None:
    runs, _ = scan_runs(folder)
    return runs[-1] if runs else None


def _finished(folder: Path, job: JobContext) -> StoredRun:
    """Return the run of the folder, evaluated: several processes that train together do not evaluate."""
    run = _latest(folder)
    if run is None or run.result is None:
        raise RunError("The run did not begin.", "Look at the messages above, then run the job again.")
    return (
        run if run.result.stopped else dataclasses.replace(run, evaluations=evaluate_held_out(run.path, None, job=job))
    )


def launch_processes(job_file: Path, processes: int, job: JobContext) -> None:
    """Train an unpacked job in several processes by accelerate's launcher; cancelling stops them well.

    Raises:
        RunError: They ended with an error; its text is on stderr.
    """
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--num_machines=1",
        f"--num_processes={processes}",
        "--main_process_port=0",
        "--multi_gpu",
        "--mixed_precision=no",
        "--dynamo_backend=no",
        "-m",
        "visionft",
        "job",
        "run",
        str(job_file),
    ]
    running = subprocess.Popen(command, start_new_session=True)  # a Ctrl-C reaches it through this process alone
    is_told = False
    while running.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.2)
        if job.is_cancelled and not is_told:
            running.terminate()
            is_told = True
    if running.returncode and not is_told:
        message = Message("Training in {count} processes ended with an error.", count=processes)
        raise RunError(message, "Look at the messages above; a single process needs no launcher.")


def write_result(target: Path, number: str, run: StoredRun) -> None:
    """Write the result of a job: the run's files but those for resuming, and the accuracies measured here."""
    config = dataclasses.replace(run.config, weights=PRETRAINED)
    found = {split: {"top1": each.top1, "images": each.images} for split, each in run.evaluations.items()}
    facts = {"job": number, "evaluations": found, "device": run.result.device if run.result else ""}

    def contents() -> Iterator[Content]:
        for path in sorted(run.path.rglob("*")):
            name = path.relative_to(run.path)
            if path.is_file() and not _stays(name):
                yield name.as_posix(), path
        yield CONFIG, json.dumps(config.to_dict()).encode()

    pack(target, KIND, facts, contents())


def _stays(name: Path) -> bool:
    """Tell whether a file of the run is not carried back: for going on here, with paths here, or evaluated anew."""
    first = name.parts[0]
    is_of_here = first in ("config.json", "snapshot.json.gz", "classes.json", "notes.json")
    return (
        first in _LEFT_THERE
        or is_of_here
        or first.startswith((".", "evaluation-", "predictions-"))
        or (name.suffix == ".lock")
    )


def _placed(folder: Path, config: TrainConfig, images: Snapshot) -> tuple[TrainConfig, Snapshot]:
    """Return settings and images of an unpacked job with their places on this computer."""
    if config.weights not in (PRETRAINED, RANDOM):
        config = dataclasses.replace(config, weights=str(folder.absolute() / config.weights))
    placed = tuple(dataclasses.replace(each, path=folder.absolute() / each.path) for each in images.images)
    return config, dataclasses.replace(images, images=placed)
