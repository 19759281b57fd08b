"""The records of jobs on other computers: in the project, where anybody may have written them, and of this user.

A project states the number of a job and its address, nothing else. This user's own record, outside all projects, says
which jobs were sent from here or confirmed, with the options of `ssh` and the program there. Without such a record no
connection is made: projects are shared and merged, so an address may be a stranger's.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import platformdirs

from models.messages import Message
from visionft.errors import NextStep
from visionft.files import read_json, write_json
from visionft.remote.contents import PackedFileError, is_job_number
from visionft.remote.host import PROGRAM, Host, RemoteError
from visionft.remote.job_file import FOLDER, IMPORTED, imported_run

SENT: Final = "sent.json"  # in the record of a job: its address
THERE: Final = ".visionft-jobs"  # below the home folder of the other computer
_MOST: Final = 100_000  # bytes of a record


@dataclass(frozen=True, slots=True, kw_only=True)
class SentJob:
    """A job on another computer.

    Attributes:
        job: Its number, a UUID.
        host: From this user's own record; where there is none, the address that the project states.
        is_confirmed: Whether this user sent it from here, or has confirmed its address. Nothing else is connected to.
        ignored: Values of the project's record that are not used, such as `options` of an older version.
    """

    job: str
    host: Host
    is_confirmed: bool = True
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a number that a shell there would take for something else."""
        if not is_job_number(self.job):
            raise RemoteError(Message("{job} is no number of a job.", job=self.job), "Leave it out.")

    @property
    def folder(self) -> str:
        return f"{THERE}/{self.job}"

    def require_host(self) -> Host:
        """Return the host (RemoteError: the user has not confirmed its address)."""
        if not self.is_confirmed:
            message = Message("Job {job} was sent to {address} from another computer, or by somebody else.")
            raise RemoteError(
                Message(message, job=self.job[:8], address=self.host.name),
                "Confirm the address if you know that computer; it is asked nothing before.",
                NextStep("confirm_host", job=self.job, address=self.host.name),
            )
        return self.host


def record_sent(project_dir: Path, sent: SentJob) -> None:
    """Record a job that is sent: in the project its address, and all in this user's own record."""
    _write_own(sent)
    values = {"address": sent.host.address, "port": sent.host.port}
    write_json(project_dir / FOLDER / sent.job / SENT, values)


def confirm_host(sent: SentJob, host: Host) -> SentJob:
    """Record that this user knows the computer of a job, and return the job.

    Args:
        sent: The job.
        host: The computer as the user named it.

    Raises:
        RemoteError: It is not the address that the job was sent to.
    """
    if host.address != sent.host.address:
        message = Message("The job was sent to {address}, not to {other}.", address=sent.host.name, other=host.name)
        raise RemoteError(message, "Give the address that it was sent to, if you know that computer.")
    confirmed = replace(sent, host=host, is_confirmed=True)
    _write_own(confirmed)
    return confirmed


def remove_record(project_dir: Path, sent: SentJob) -> None:
    """Delete the record of a job here: of the project, and of this user."""
    (project_dir / FOLDER / sent.job / SENT).unlink(missing_ok=True)
    _own_record(sent.job).unlink(missing_ok=True)


def open_jobs(project_dir: Path) -> tuple[SentJob, ...]:
    """Return the sent jobs without a result in the project."""
    folder = project_dir / FOLDER
    open_ones = [each for each in sent_jobs(project_dir) if not (folder / each.job / IMPORTED).exists()]
    return tuple(each for each in open_ones if not imported_run(project_dir, each.job))


def sent_jobs(project_dir: Path) -> tuple[SentJob, ...]:
    """Return the sent jobs of a project, in the order of their numbers; damaged and unsafe records are left out."""
    found: list[SentJob] = []
    folder = project_dir / FOLDER
    if folder.is_symlink():
        return ()
    for record in sorted(folder.glob(f"*/{SENT}")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RemoteError):
            if not record.parent.is_symlink():
                found.append(_read(record))
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


def _read(record: Path) -> SentJob:
    values = read_json(record, most=_MOST)
    number = record.parent.name
    stated = _stated_host(values)
    own = _read_own(number) if is_job_number(number) else None
    used = ("address", "port", *(["program"] if values.get("program") == PROGRAM else []))
    ignored = () if own else tuple(sorted(str(key)[:40] for key, value in values.items() if value and key not in used))
    return SentJob(job=number, host=own or stated, is_confirmed=own is not None, ignored=ignored)


def _stated_host(values: dict[str, Any]) -> Host:
    """Return the address and port of a project's record; nothing else of it is used."""
    return Host(address=str(values["address"]), port=_port(values.get("port")))


def _port(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError("the port is no number")


def _own_record(number: str) -> Path:
    return platformdirs.user_data_path("visionft", appauthor=False) / "sent-jobs" / f"{number}.json"


def _write_own(sent: SentJob) -> None:
    record = _own_record(sent.job)
    host = sent.host
    record.parent.mkdir(parents=True, exist_ok=True)
    values = {"address": host.address, "port": host.port, "options": host.options, "program": host.program}
    write_json(record, values)


def _read_own(number: str) -> Host | None:
    """Return the host of a job in this user's own record; None where there is none, or it is damaged."""
    try:
        values = read_json(_own_record(number), most=_MOST)
        options = tuple(str(each) for each in values["options"])
        return replace(_stated_host(values), options=options, program=str(values["program"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RemoteError):
        return None
