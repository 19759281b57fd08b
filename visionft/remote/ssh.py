"""Jobs on another computer through the system's OpenSSH: copy, start, follow, bring back.

Everything there lies in `~/.visionft-jobs`, a folder a job. A job runs on when the connection ends; each look at it is
a connection of its own, so a closed lid or a lost network costs nothing. Only computers that this user named or
confirmed are connected to (`SentJob.require_host`).
"""

import contextlib
import shlex
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from models.messages import Message
from visionft.events import Event, Progress
from visionft.files import atomic_path, open_regular
from visionft.jobs import SILENT, JobContext
from visionft.remote.contents import read_event
from visionft.remote.host import PROGRAM, Host, RemoteError, last_line, no_openssh
from visionft.remote.program_wheel import write_wheel
from visionft.remote.sent_jobs import THERE, SentJob, record_sent, remove_record

Phase = Literal["running", "finished", "ended", "unknown"]
_CHUNK: Final = 1 << 18  # bytes sent between two reports of progress
_NO_EVENTS: Final = 1 << 50  # past the end of every file
_MOST_EVENTS: Final = 4_000_000  # bytes of events in one look
_EVERY_S: Final = 2.0  # between two looks at the events there
_PATIENCE_S: Final = 600.0  # without a connection, before following gives up
# For `sh`, in the folder of a job: define `is_running`, which also sets p to the stored process id. It may be the
# id of another process by now, so its command line must name this job; that of an older version runs in its folder.
_IS_RUNNING: Final = (
    "is_running() {{ "
    'p=$(cat pid 2>/dev/null); case "$p" in ""|*[!0-9]*) return 1;; esac; '
    'if [ -r "/proc/$p/cmdline" ]; then a=$(tr "\\0" " " < "/proc/$p/cmdline"); '
    'else a=$(ps -ww -o args= -p "$p" 2>/dev/null); fi; '
    'case "$a " in *" job run "*"/{job}/job.vftjob "*) return 0;; '
    '*" job run job.vftjob "*) [ "/proc/$p/cwd" -ef . ];; *) return 1;; esac; }}; '
)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The phase of a job, its events since the last status, and the bytes of events read so far."""

    phase: Phase
    events: tuple[Event, ...]
    offset: int


def install(host: Host, *, job: JobContext = SILENT) -> str:
    """Install this program there, where it is not, and return its version there.

    Raises:
        RemoteError: It cannot be installed, or does not start.
    """
    program = host.program
    is_own = program == PROGRAM
    found = host.run(f"{program} --version 2>/dev/null || true").decode("utf-8", "replace").strip()
    if not found and is_own:
        job.report(Progress(stage="Installing the program there", done=0, total=0))
        with tempfile.TemporaryDirectory() as temporary:
            wheel = write_wheel(Path(temporary))
            _send(host, wheel, f"{THERE}/{wheel.name}", job)
            script = (
                f"cd {THERE} && rm -rf program && python3 -m venv program && "
                f"program/bin/python -m pip install --quiet {shlex.quote(wheel.name)} && rm {shlex.quote(wheel.name)}"
            )
            host.run(script, timeout_s=3600)
        found = host.run(f"{program} --version").decode("utf-8", "replace").strip()
    if not found:
        message = Message("{program} does not start on {address}.", program=program, address=host.address)
        raise RemoteError(message, "Install VisionFT there, or leave the program out: then it is installed.")
    return found


def submit(project_dir: Path, number: str, job_file: Path, host: Host, *, job: JobContext = SILENT) -> SentJob:
    """Copy a packed job there, start it, and record where it is. The program is there: see `install`.

    Args:
        project_dir: The project of the job.
        number: Number of the job, as `PackedJob.job`.
        job_file: Its file.
        host: Where it is to be trained.

    Raises:
        RemoteError: No connection, or no room there.
        JobCancelled: The user cancelled; nothing runs there.
    """
    sent = SentJob(job=number, host=host)
    host.run(f"mkdir -p {sent.folder} && chmod 700 {THERE}")
    _send(host, job_file, f"{sent.folder}/job.vftjob", job)
    record_sent(project_dir, sent)
    start(sent)
    return sent


def start(sent: SentJob) -> None:
    """Start or continue a sent job (RemoteError: no connection)."""
    host = sent.require_host()
    run = f'{host.program} job run "$PWD/job.vftjob" --events events.jsonl'  # the number is in the command line
    script = f"cd {sent.folder} && {{ nohup {run} >> log.txt 2>&1 < /dev/null & echo $! > pid; }}"
    host.run(script)


def _send(host: Host, source: Path, target: str, job: JobContext) -> None:
    """Copy a file there, under its name once it is whole."""
    size = source.stat().st_size
    done = 0
    script = f"mkdir -p {THERE} && cat > {target}.part && mv {target}.part {target}"
    running = subprocess.Popen(
        host.command(script), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert running.stdin is not None and running.stderr is not None
    try:
        with open_regular(source) as handle, contextlib.suppress(BrokenPipeError):  # its words say why
            while part := handle.read(_CHUNK):
                job.check_cancelled()
                running.stdin.write(part)
                done += len(part)
                job.report(Progress(stage="Copying", done=done, total=size, unit="bytes"))
            running.stdin.close()
        running.wait()
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
    reason = last_line(running.stderr.read())
    running.stderr.close()
    if running.returncode == 255:
        raise host.unreachable(reason)
    if running.returncode:
        message = Message("The job cannot be copied to {address}: {reason}.", address=host.address, reason=reason)
        raise RemoteError(message, "Make room there, then try again.")


def status_of(sent: SentJob, offset: int = 0) -> JobStatus:
    """Return the status of a job (RemoteError: no connection).

    Args:
        sent: The job.
        offset: Bytes of its events read so far.
    """
    host = sent.require_host()
    script = (
        f"{_IS_RUNNING.format(job=sent.job)}cd {sent.folder} 2>/dev/null || {{ echo unknown; exit 0; }}; "
        "if [ -f job.vftresult ]; then echo finished; "
        "elif is_running; then echo running; else echo ended; fi; "
        f"[ -f events.jsonl ] && tail -c +{offset + 1} events.jsonl | head -c {_MOST_EVENTS}; true"
    )
    first, _, rest = host.run(script).partition(b"\n")
    phase: Any = first.decode("ascii", "replace").strip()
    if phase not in ("running", "finished", "ended", "unknown"):
        raise RemoteError(Message("{address} answers in another way.", address=host.address), "Look at it there.")
    whole = rest[: rest.rfind(b"\n") + 1]
    lines = whole.decode("utf-8", "replace").splitlines()
    events = tuple(event for line in lines if (event := read_event(line)) is not None)
    return JobStatus(phase, events, offset + len(whole))


def follow(sent: SentJob, *, job: JobContext = SILENT) -> Phase:
    """Report the events of a job there until it ends, the user cancels (the job goes on), or no look succeeds.

    Raises:
        RemoteError: There has been no connection for ten minutes.
    """
    offset = 0
    last_s = time.monotonic()
    while not job.is_cancelled:
        try:
            found = status_of(sent, offset)
        except RemoteError:
            if time.monotonic() - last_s > _PATIENCE_S:
                raise
        else:
            last_s = time.monotonic()
            offset = found.offset
            for event in found.events:
                job.report(event)
            if found.phase != "running":
                return found.phase
        end_s = time.monotonic() + _EVERY_S
        while time.monotonic() < end_s and not job.is_cancelled:
            time.sleep(0.1)
    return "running"


def stop(sent: SentJob) -> None:
    """Stop a job there after its current step; `start` goes on with it (RemoteError: no connection)."""
    stopping = 'is_running && kill -TERM "$p" 2>/dev/null; true'
    sent.require_host().run(f"{_IS_RUNNING.format(job=sent.job)}cd {sent.folder} && {stopping}")


def phase_of(sent: SentJob) -> Phase:
    """Return the phase of a job there (RemoteError: no connection)."""
    return status_of(sent, _NO_EVENTS).phase


def phases_of(jobs: Sequence[SentJob]) -> dict[str, Phase]:
    """Return the phases of jobs by their numbers, without those out of reach or with an address not confirmed."""
    found = dict[str, Phase]()
    unreachable = set[Host]()
    for each in jobs:
        if each.is_confirmed and each.host not in unreachable:
            try:
                found[each.job] = phase_of(each)
            except RemoteError:
                unreachable.add(each.host)
    return found


def remove(project_dir: Path, sent: SentJob) -> None:
    """Delete the files of a job there, and its record here (RemoteError: no connection, or it is running).

    Of a job whose address is not confirmed only the record here is deleted.
    """
    if sent.is_confirmed:
        script = (
            f"if cd {sent.folder} 2>/dev/null && is_running; then echo running; else cd && rm -rf {sent.folder}; fi"
        )
        if sent.host.run(f"{_IS_RUNNING.format(job=sent.job)}{script}").strip():
            message = Message("The job is running on {address}.", address=sent.host.address)
            raise RemoteError(message, "Stop it first.")
    remove_record(project_dir, sent)


def last_words(sent: SentJob) -> str:
    """Return the last lines of a job's log (RemoteError: no connection)."""
    lines = sent.require_host().run(f"tail -n 5 {sent.folder}/log.txt 2>/dev/null; true")
    return lines.decode("utf-8", "replace").strip()[-2000:]


def fetch(sent: SentJob, target: Path) -> None:
    """Copy the result of a job from there (RemoteError: it has none, or no connection)."""
    host = sent.require_host()
    try:
        with atomic_path(target) as temporary, temporary.open("wb") as handle:
            done = subprocess.run(
                host.command(f"cat {sent.folder}/job.vftresult"),
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.PIPE,
                check=False,
            )
            if done.returncode == 255:
                raise host.unreachable(last_line(done.stderr))
            if done.returncode:
                raise RemoteError("The job has no result yet.", "Wait for its end.")
    except FileNotFoundError as error:
        raise no_openssh() from error
