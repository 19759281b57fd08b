"""Training on another computer: by a job file that is carried there, or through OpenSSH."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QBoxLayout, QLineEdit, QWidget

from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, Card, CopyButton, column, row, text, verbatim
from gui.kit.translation import tr
from gui.runner import RESULTS, TRAIN
from gui.tasks import Lane, Priority, Task, short_work
from gui.train.remote_jobs import RemoteJobs
from models.messages import Message
from visionft.errors import RunError, VisionFTError
from visionft.events import Event
from visionft.remote import ssh
from visionft.remote.host import Host, RemoteError
from visionft.remote.job_file import RESULT_SUFFIX, SUFFIX, kept_job
from visionft.remote.sent_jobs import SentJob, confirm_host, open_jobs
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, read_run, run_title

if TYPE_CHECKING:
    from gui.session import ProjectSession
    from gui.state import AppState
    from visionft.data.types import Snapshot
    from visionft.jobs import JobContext
    from visionft.remote.contents import PackedJob
    from visionft.remote.results import ImportedResult

pack_job = lazy_function("visionft.remote.job_file:pack_job")
import_result = lazy_function("visionft.remote.results:import_result")


def send_job(project_dir: Path, images: "Snapshot", config: TrainConfig, host: Host, *, job: "JobContext") -> SentJob:
    """Pack a run, copy it to another computer and start it there."""
    from visionft.remote import job_file

    ssh.install(host, job=job)
    with TemporaryDirectory(prefix="visionft-job-") as folder:
        file = Path(folder) / f"job{SUFFIX}"
        packed = job_file.pack_job(project_dir, images, config, file, job=job)
        return ssh.submit(project_dir, packed.job, file, host, job=job)


def follow_job(
    project_dir: Path, images: "Snapshot", sent: SentJob, *, goes_on: bool, job: "JobContext"
) -> "tuple[ssh.Phase, ImportedResult | None, str]":
    """Follow a job; return its phase, its run in the project once it has finished, and its last words otherwise.

    With `goes_on`, a job that had been stopped is started again.
    """
    from visionft.remote import results

    if goes_on:
        ssh.start(sent)
    phase = ssh.follow(sent, job=job)
    if phase != "finished":
        return phase, None, ssh.last_words(sent) if phase == "ended" else ""
    with TemporaryDirectory(prefix="visionft-job-") as folder:
        file = Path(folder) / f"job{RESULT_SUFFIX}"
        ssh.fetch(sent, file)
        return phase, results.import_result(project_dir, images, file, job=job), ""


send = lazy_function(f"{__name__}:send_job")
follow = lazy_function(f"{__name__}:follow_job")


class ElsewhereDialog(Dialog):
    """Two ways to another computer."""

    def __init__(self, parent: QWidget, elsewhere: "Elsewhere") -> None:
        private = Message("The images go with their labels as numbers: no file name, no class name, no path.")
        super().__init__(parent, Message("Train on another computer"), private, width=680)
        command = f"visionft job run {elsewhere.file_name}"
        self.save_button = Button("Save job…", "export")
        self.open_button = Button("Open result…", "import")
        self.address = QLineEdit(placeholderText="user@host")
        self.address.setAccessibleName(tr("Address of the other computer"))
        self.send_button = Button("Send and train", "play")
        for button, act in (
            (self.save_button, elsewhere.save),
            (self.open_button, elsewhere.take),
            (self.send_button, lambda: elsewhere.send(self.address.text().strip())),
        ):
            button.clicked.connect(partial(self._act, act))
        self.address.textChanged.connect(lambda words: self.send_button.setEnabled(bool(words.strip())))
        self.send_button.setEnabled(False)
        by_file, by_ssh = Card(), Card()
        by_file.add(text("With a file", "heading"))
        for parts in (
            (text("1. Save the job, and copy the file to the other computer.", wrap=True), self.save_button),
            (
                text("2. There, with VisionFT installed:"),
                verbatim(command),
                CopyButton("Copy", lambda: command, role="quiet"),
            ),
            (text("3. Copy the result back, and open it here.", wrap=True), self.open_button),
        ):
            by_file.body.addLayout(row(*parts, grows=0))
        key = Message("Your SSH key is used. The program is installed there once. The job runs on when you leave.")
        by_ssh.body.addLayout(column(text("Through SSH", "heading"), text(key, "muted", wrap=True), spacing=theme.HAIR))
        by_ssh.body.addLayout(row(self.address, self.send_button, grows=0))
        self.lay_out(by_file, by_ssh, None, spacing=theme.MEDIUM)

    def _act(self, act: Callable[[], object], _checked: bool = False) -> None:
        self.accept()
        act()


class Elsewhere(QObject):
    """Packs, sends and follows jobs, and takes their results into the project."""

    jobs_changed = Signal()  # the jobs that were sent, or what is known of them

    def __init__(
        self,
        state: "AppState",
        session: "ProjectSession | None",
        *,
        config: Callable[[], TrainConfig],
        when_ready: Callable[[Callable[[Any], object]], object],
        parent: QWidget,
    ) -> None:
        """Args: `when_ready` calls a function once the settings are valid and the images are split."""
        super().__init__(parent)
        self._state, self._session, self._parent = state, session, parent
        self._config, self._when_ready = config, when_ready
        self._followed: Task[Any] | None = None
        self.followed = ""  # the number of the job that the live view shows
        self.phases: dict[str, ssh.Phase] = {}  # of jobs that were looked at
        self.list: RemoteJobs | None = None

    @property
    def file_name(self) -> str:
        return f"{self._session.path.name if self._session is not None else 'job'}{SUFFIX}"

    def open(self) -> None:
        if self._session is not None:
            ElsewhereDialog(self._parent.window(), self).ask()

    def save(self) -> None:
        """Ask for a file and pack a job with the settings of the draft into it."""
        session = self._session
        assert session is not None
        start = session.path.with_name(self.file_name)
        target = dialogs.ask_save_file(self._parent.window(), tr("Save job"), f"VisionFT (*{SUFFIX})", start)
        if target is None:
            return
        target = target if target.suffix == SUFFIX else target.with_name(f"{target.name}{SUFFIX}")

        def begin(_runner: object) -> None:
            def on_done(found: "PackedJob") -> None:
                self._state.say(tr("{count} images are in {path}.", count=found.images, path=target), tone="good")

            work = partial(pack_job, session.path, session.images, self._config(), target)
            self._run(tr("Packing the job"), work, Lane.COMPUTE, on_done, makes_files=True)

        self._when_ready(begin)

    def take(self) -> None:
        """Ask for a result and take it into the project."""
        session = self._session
        assert session is not None
        chosen = dialogs.ask_files(self._parent.window(), tr("Open result"), f"VisionFT (*{RESULT_SUFFIX})")
        if chosen:
            work = partial(import_result, session.path, session.images, chosen[0])
            self._run(tr("Taking in the result"), work, Lane.COMPUTE, self._show_imported)

    def send(self, address: str) -> None:
        """Send a job with the settings of the draft, and follow it."""
        session = self._session
        assert session is not None
        try:
            host = Host.of(address)
        except RemoteError as error:
            self._state.say(tr(error.message), tr(error.hint))
            return
        self.send_to(host)

    def send_to(self, host: Host) -> None:
        session = self._session
        assert session is not None

        def begin(_runner: object) -> None:
            title = tr("Sending the job to {address}", address=host.address)
            work = partial(send, session.path, session.images, self._config(), host)
            self._run(title, work, Lane.REMOTE, self.follow)

        self._when_ready(begin)

    @property
    def jobs(self) -> tuple[SentJob, ...]:
        """The jobs on other computers whose results are not in the project."""
        return open_jobs(self._session.path) if self._session is not None else ()

    def show_jobs(self, layout: QBoxLayout) -> int:
        """Show the jobs below the queue, in a list that is made when there are some; return how many there are."""
        jobs = self.jobs
        if jobs and self.list is None:
            self.list = RemoteJobs()
            self.list.setMaximumWidth(theme.scaled(760))
            self.list.followed.connect(self.follow)
            self.list.stopped.connect(self.stop)
            self.list.removed.connect(self.remove)
            self.list.confirm_requested.connect(self.confirm)
            layout.addWidget(self.list, 0, Qt.AlignmentFlag.AlignTop)
        if self.list is not None:
            self.list.show_jobs(jobs, self.phases, followed=self.followed)
            self.list.setVisible(bool(jobs))
        return len(jobs)

    def look(self) -> None:
        """Look how the jobs are, unasked: computers out of reach are passed over, and those that are not confirmed."""
        title, jobs = (
            Message("Looking at jobs on other computers"),
            tuple(each for each in self.jobs if each.is_confirmed),
        )
        if jobs and self._followed is None:
            work = short_work(title, partial(ssh.phases_of, jobs))
            self._run(tr(title), work, Lane.REMOTE, self._on_looked, priority=Priority.UNREQUESTED)

    def _on_looked(self, phases: "dict[str, ssh.Phase]") -> None:
        self.phases |= phases
        self.jobs_changed.emit()

    def confirm(self, sent: SentJob) -> None:
        """Ask whether the user knows the computer of a job that was sent from elsewhere, and look at it then."""
        question = tr(
            "This job was sent from another computer, or by somebody else; the project states this address. VisionFT "
            "connects to it with your SSH key. Confirm it only if you know this computer."
        )
        title = tr("Connect to {address}?", address=sent.host.name)
        if dialogs.ask_yes(self._parent.window(), title, question, yes=tr("Connect")):
            confirm_host(sent, sent.host)
            self.jobs_changed.emit()
            self.look()

    def remove(self, sent: SentJob) -> None:
        """Delete a job there, and its row here."""
        session = self._session
        assert session is not None
        title = Message("Removing the job")
        work = short_work(title, partial(ssh.remove, session.path, sent))
        self._run(tr(title), work, Lane.REMOTE, lambda _none: self.jobs_changed.emit())

    def follow(self, sent: SentJob) -> None:
        """Show a job in the live view, and take its result in when it has finished; one that had ended goes on."""
        session = self._session
        if session is None:
            return
        if self._followed is not None:
            self._state.say(tr("A job is being followed already."))
            return
        with contextlib.suppress(VisionFTError):
            config, _ = kept_job(session.path, sent.job)
            title = tr("{job} on {address}", job=sent.job[:8], address=sent.host.address)
            session.runner.run_begun.emit(title, config, None, "")
        self.followed = sent.job
        self.jobs_changed.emit()
        title = tr("Training on {address}", address=sent.host.address)
        goes_on = self.phases.pop(sent.job, "") == "ended"
        work = partial(follow, session.path, session.images, sent, goes_on=goes_on)
        self._followed = self._run(
            title, work, Lane.REMOTE, self._on_followed, on_event=self._on_event, on_end=self._on_end
        )

    def stop(self, sent: SentJob) -> None:
        """Stop a job there after its current step."""
        work = short_work(Message("Stopping the job"), partial(ssh.stop, sent))
        self._run(tr("Stopping the job"), work, Lane.DISK, lambda _none: None)

    def _on_event(self, event: Event) -> None:
        session = self._session
        if session is not None and not session.runner.is_training:  # else the live view shows that run
            session.runner.run_reported.emit(event)

    def _on_followed(self, found: "tuple[ssh.Phase, ImportedResult | None, str]") -> None:
        phase, imported, words = found
        if imported is not None:
            self._show_imported(imported)
        elif phase == "ended":
            self._state.say(tr("The job ended without a result."), words)
        elif phase == "unknown":
            self._state.say(tr("The job is no longer there."))

    def _on_end(self, task: "Task[Any]") -> None:
        if task.result is not None:
            self.phases[self.followed] = task.result[0]
        self._followed, self.followed = None, ""
        self.jobs_changed.emit()
        session = self._session
        if session is None or session.runner.is_training:
            return
        imported = task.result[1] if task.result is not None else None
        message = tr(task.failure.message) if task.failure is not None else tr("The job is no longer followed.")
        if imported is not None:
            from visionft.evaluation.unseen import unseen_evaluation

            with contextlib.suppress(RunError):
                run = read_run(session.path / RUNS_FOLDER / imported.run)
                if run.result is not None:
                    session.runner.run_ended.emit("finished", run, unseen_evaluation(run), "")
                    return
        session.runner.run_ended.emit("failed", None, None, message)

    def _show_imported(self, found: "ImportedResult") -> None:
        session = self._session
        if session is not None:
            session.runs_changed.emit()
            title = run_title(session.path / RUNS_FOLDER / found.run)
            words = tr("{run}, trained on {device}, is in the project.", run=title, device=found.device)
            self._state.say(words, " ".join(map(tr, found.remarks)), tone="good")
            self._state.page_requested.emit(RESULTS)

    def _run(
        self,
        title: str,
        work: Any,
        lane: Lane,
        on_done: Callable[[Any], object],
        *,
        makes_files: bool = False,
        priority: Priority = Priority.REGULAR,
        **callbacks: Any,
    ) -> Task[Any]:
        is_here = lane is Lane.COMPUTE
        task = Task(
            title=title, work=work, lane=lane, page=TRAIN, device=is_here, makes_files=makes_files, priority=priority
        )
        return self._state.tasks.run(task, owner=self, on_done=on_done, **callbacks)
