"""Jobs on another computer through the system's OpenSSH: copy, start, follow, bring back.

Everything there lies in `~/.visionft-jobs`, a folder a job. A job runs on when the connection ends; each look at it is
a connection of its own, so a closed lid or a lost network costs nothing. Passwords are never asked for: OpenSSH's own
settings say which key is used (`~/.ssh/config`).
"""

import contextlib
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal

from models.messages import Message
from visionft.errors import NextStep, VisionFTError
from visionft.events import Event, Progress
from visionft.files import atomic_path, open_regular, read_json, write_json
from visionft.jobs import SILENT, JobContext
from visionft.remote.event_file import read_event
from visionft.remote.job_file import FOLDER, IMPORTED
from visionft.remote.packed_file import PackedFileError
from visionft.remote.program_wheel import write_wheel
from visionft.weights.offline import OFFLINE_VARIABLE, is_set

Phase = Literal["running", "finished", "ended", "unknown"]
SENT: Final = "sent.json"  # in the record of a job: where it is
PROGRAM: Final = "~/.visionft-jobs/program/bin/visionft"
_THERE: Final = ".visionft-jobs"
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:%-]{0,200}")  # never an option
_PROGRAM = re.compile(r"[A-Za-z0-9_./~+-]{1,300}")
_CHUNK: Final = 1 << 18
_NO_EVENTS: Final = 1 << 50  # past the end of every file
_MOST_EVENTS: Final = 4_000_000  # bytes of events in one look
_CONNECT_S: Final = 20
_LOOK_S: Final = 120  # for one command there
_EVERY_S: Final = 2.0
_PATIENCE_S: Final = 600.0  # without a connection, before following gives up


class RemoteError(VisionFTError):
    """The other computer cannot be reached, or refuses; nothing is lost there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Another computer.

    Attributes:
        address: As OpenSSH takes it: `user@host`, or a name of `~/.ssh/config`.
        options: Further options of `ssh`, such as `("-p", "2222")`.
        program: The command of VisionFT there; it is installed there once where this is `PROGRAM`.
    """

    address: str
    options: tuple[str, ...] = ()
    program: str = PROGRAM

    def __post_init__(self) -> None:
        """Refuse what a shell or `ssh` would take for something else."""
        if not _ADDRESS.fullmatch(self.address):
            raise RemoteError(Message("{address} is no address.", address=self.address), "Give user@host.")
        if not _PROGRAM.fullmatch(self.program):
            message = Message("{program} is no path of a program.", program=self.program)
            raise RemoteError(message, "Give the path of this program's command there.")

    def command(self, script: str) -> list[str]:
        """Return the command that runs a script for `sh` there (RemoteError: VisionFT works offline)."""
        if is_set(OFFLINE_VARIABLE):
            message = Message("VisionFT works offline ({name} is set).", name=OFFLINE_VARIABLE)
            raise RemoteError(message, "Allow the network first.", NextStep("allow_network"))
        usual = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "ServerAliveInterval=15"]
        return ["ssh", *usual, *self.options, "--", self.address, f"sh -c {shlex.quote(f'cd && {script}')}"]

    def run(self, script: str, *, stdin: IO[bytes] | None = None, timeout_s: float = _LOOK_S) -> bytes:
        """Return the output of a script there (RemoteError: no connection, or it ended with an error)."""
        try:
            done = subprocess.run(
                self.command(script), stdin=stdin or subprocess.DEVNULL, capture_output=True, check=False,
                timeout=timeout_s,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise RemoteError("OpenSSH is not installed here.", "Install it (openssh-client).") from error
        except subprocess.TimeoutExpired as error:
            raise self.unreachable(Message("no answer within {seconds} s", seconds=round(timeout_s))) from error
        if done.returncode == 255:
            raise self.unreachable(_last_line(done.stderr))
        if done.returncode:
            message = Message("{address} refused: {reason}", address=self.address, reason=_last_line(done.stderr))
            raise RemoteError(message, "Mend it there, then try again.")
        return done.stdout

    def unreachable(self, reason: str) -> RemoteError:
        message = Message("{address} cannot be reached: {reason}.", address=self.address, reason=reason.rstrip("."))
        if "denied" in reason:
            hint = Message("Put your key there first: ssh-copy-id {address}", address=self.address)
        elif "verification failed" in reason:
            hint = Message("Connect once by hand and look at its key: ssh {address}", address=self.address)
        else:
            hint = Message("Try it by hand: ssh {address}", address=self.address)
        return RemoteError(message, hint)


def _last_line(text: bytes) -> str:
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentJob:
    """A job on another computer, by its number."""

    job: str
    host: Host

    @property
    def folder(self) -> str:
        return f"{_THERE}/{self.job}"


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
            _send(host, wheel, f"{_THERE}/{wheel.name}", job)
            script = (
                f"cd {_THERE} && rm -rf program && python3 -m venv program && "
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
    host.run(f"mkdir -p {sent.folder} && chmod 700 {_THERE}")
    _send(host, job_file, f"{sent.folder}/job.vftjob", job)
    values = {"address": host.address, "options": host.options, "program": host.program}
    write_json(project_dir / FOLDER / number / SENT, values)
    start(sent)
    return sent


def start(sent: SentJob) -> None:
    """Start or continue a sent job (RemoteError: no connection)."""
    run = f"{sent.host.program} job run job.vftjob --events events.jsonl"
    script = f"cd {sent.folder} && {{ nohup {run} >> log.txt 2>&1 < /dev/null & echo $! > pid; }}"
    sent.host.run(script)


def _send(host: Host, source: Path, target: str, job: JobContext) -> None:
    """Copy a file there, under its name once it is whole."""
    size, done = source.stat().st_size, 0
    script = f"mkdir -p {_THERE} && cat > {target}.part && mv {target}.part {target}"
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
    reason = _last_line(running.stderr.read())
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
    script = (
        f"cd {sent.folder} 2>/dev/null || {{ echo unknown; exit 0; }}; "
        "if [ -f job.vftresult ]; then echo finished; "
        "elif [ -f pid ] && kill -0 $(cat pid) 2>/dev/null; then echo running; else echo ended; fi; "
        f"[ -f events.jsonl ] && tail -c +{offset + 1} events.jsonl | head -c {_MOST_EVENTS}; true"
    )
    first, _, rest = sent.host.run(script).partition(b"\n")
    phase: Any = first.decode("ascii", "replace").strip()
    if phase not in ("running", "finished", "ended", "unknown"):
        raise RemoteError(Message("{address} answers in another way.", address=sent.host.address), "Look at it there.")
    whole = rest[: rest.rfind(b"\n") + 1]
    lines = whole.decode("utf-8", "replace").splitlines()
    events = tuple(event for line in lines if (event := read_event(line)) is not None)
    return JobStatus(phase, events, offset + len(whole))


def follow(sent: SentJob, *, job: JobContext = SILENT) -> Phase:
    """Report the events of a job there until it ends, the user cancels (the job goes on), or no look succeeds.

    Raises:
        RemoteError: There has been no connection for ten minutes.
    """
    offset, last_s = 0, time.monotonic()
    while not job.is_cancelled:
        try:
            found = status_of(sent, offset)
        except RemoteError:
            if time.monotonic() - last_s > _PATIENCE_S:
                raise
        else:
            last_s, offset = time.monotonic(), found.offset
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
    sent.host.run(f"cd {sent.folder} && [ -f pid ] && kill -TERM $(cat pid) 2>/dev/null; true")


def phase_of(sent: SentJob) -> Phase:
    """Return the phase of a job there (RemoteError: no connection)."""
    return status_of(sent, _NO_EVENTS).phase


def phases_of(jobs: Sequence[SentJob]) -> dict[str, Phase]:
    """Return the phases of jobs by their numbers, without those on computers out of reach."""
    found, unreachable = dict[str, Phase](), set[Host]()
    for each in jobs:
        if each.host not in unreachable:
            try:
                found[each.job] = phase_of(each)
            except RemoteError:
                unreachable.add(each.host)
    return found


def remove(project_dir: Path, sent: SentJob) -> None:
    """Delete the files of a job there, and its record here (RemoteError: no connection, or it is running)."""
    script = f'[ -f {sent.folder}/pid ] && kill -0 "$(cat {sent.folder}/pid)" 2>/dev/null && echo running'
    if sent.host.run(f"{{ {script} || rm -rf {sent.folder}; }}").strip():
        message = Message("The job is running on {address}.", address=sent.host.address)
        raise RemoteError(message, "Stop it first.")
    (project_dir / FOLDER / sent.job / SENT).unlink(missing_ok=True)


def last_words(sent: SentJob) -> str:
    """Return the last lines of a job's log (RemoteError: no connection)."""
    return (
        sent.host.run(f"tail -n 5 {sent.folder}/log.txt 2>/dev/null; true").decode("utf-8", "replace").strip()[-2000:]
    )


def fetch(sent: SentJob, target: Path) -> None:
    """Copy the result of a job from there (RemoteError: it has none, or no connection)."""
    try:
        with atomic_path(target) as temporary, temporary.open("wb") as handle:
            done = subprocess.run(
                sent.host.command(f"cat {sent.folder}/job.vftresult"), stdin=subprocess.DEVNULL, stdout=handle,
                stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
            if done.returncode == 255:
                raise sent.host.unreachable(_last_line(done.stderr))
            if done.returncode:
                raise RemoteError("The job has no result yet.", "Wait for its end.")
    except FileNotFoundError as error:
        raise RemoteError("OpenSSH is not installed here.", "Install it (openssh-client).") from error


def open_jobs(project_dir: Path) -> tuple[SentJob, ...]:
    """Return the sent jobs without a result in the project."""
    folder = project_dir / FOLDER
    return tuple(each for each in sent_jobs(project_dir) if not (folder / each.job / IMPORTED).exists())


def sent_jobs(project_dir: Path) -> tuple[SentJob, ...]:
    """Return the sent jobs of a project, in the order of their numbers; damaged records are left out."""
    found: list[SentJob] = []
    for record in sorted((project_dir / FOLDER).glob(f"*/{SENT}")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RemoteError):
            values = read_json(record)
            options = tuple(str(each) for each in values["options"])
            host = Host(address=str(values["address"]), options=options, program=str(values["program"]))
            found.append(SentJob(job=record.parent.name, host=host))
    return tuple(found)


def sent_job(project_dir: Path, name: str) -> SentJob:
    """Return the sent job by the beginning of its number; the only one for no name.

    Raises:
        PackedFileError: There is none, or there are several.
    """
    found: Sequence[SentJob] = [each for each in sent_jobs(project_dir) if each.job.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise PackedFileError("No such job of this project was sent anywhere.", "Submit one first.")
    numbers = ", ".join(each.job[:8] for each in found)
    raise PackedFileError("Several jobs were sent.", Message("Name one of them: {numbers}.", numbers=numbers))
