"""The commands of the train page: start, pause and stop a run, measure, and train on another computer by files."""

from functools import partial
from typing import TYPE_CHECKING

from gui.actions import TRAIN, Action
from gui.jobs import Job, Lane
from gui.kit import dialogs
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.page import PageLink
from visionft.core.messages import Message

if TYPE_CHECKING:
    from gui.train.train_page import TrainPage
    from visionft.training.remote.packed_file import PackedJob
    from visionft.training.remote.results import ImportedResult

job_file = lazy_function("visionft.training.remote.job_file:pack_job")
import_result = lazy_function("visionft.training.remote.results:import_result")


def train_actions(link: "PageLink[TrainPage]") -> list[Action]:
    add, state = link.action, link.state

    def why_not_pause() -> str:
        if state.session is None or not state.session.runner.is_training:
            return tr("No run is training.")
        return tr("The run is ending already.") if state.session.runner.is_stopping else ""

    def why_not_stop() -> str:
        runner = state.session.runner if state.session is not None else None
        if runner is None or not (runner.is_training or runner.unfinished.paused):
            return tr("No run is training.")
        return tr("The run is ending already.") if runner.is_stopping else ""

    def why_not_prompt() -> str:
        has_classes = state.session is not None and state.session.project.status.class_names
        return "" if has_classes else tr("The project has no classes yet: add some on the Label page.")

    def why_not_pack() -> str:
        has_classes = state.session is not None and len(state.session.project.status.class_names) > 1
        return "" if has_classes else tr("Training needs images of two classes.")

    return [
        add(
            "run.start",
            "Start training",
            lambda p: p.start(),
            lambda p: p.why_not_start(),
            keys=("Ctrl+Enter", "Ctrl+Return"),
            scope=TRAIN,
            menu="Run",
        ),
        add("run.pause", "Pause training", lambda p: p.pause(), before=why_not_pause, menu="Run"),
        add(
            "run.advise",
            "Compare models with and without training",
            lambda p: p.draft.advice.start(),
            lambda p: p.draft.advice.why_not(),
            menu="Run",
        ),
        add(
            "run.prompts",
            "Edit prompts",
            lambda p: p.draft.edit_prompts(),
            before=why_not_prompt,
            menu="Run",
            is_rare=True,
        ),
        add(
            "run.measure",
            "Measure time and memory",
            lambda p: p.draft.measure(),
            lambda p: p.draft.why_not_measure(),
            menu="Run",
            is_rare=True,
        ),
        add(
            "run.pack_job",
            "Pack a job",
            pack_job,
            before=why_not_pack,
            menu="Run",
        ),
        add(
            "run.import_result",
            "Import a job result",
            import_job_result,
            menu="Run",
        ),
        add("run.end", "Stop training", lambda p: p.stop(), before=why_not_stop, menu="Run"),
    ]


def pack_job(page: "TrainPage") -> None:
    """Ask for a file and pack a job for another computer into it, with the settings of the draft."""
    from visionft.training.remote.job_file import SUFFIX  # slow to import: not at the start

    session, state = page.session, page.state
    assert session is not None
    start = session.path.with_name(f"{session.path.name}{SUFFIX}")
    target = dialogs.ask_save_file(page.window(), tr("Pack a job"), f"VisionFT (*{SUFFIX})", start)
    if target is None:
        return
    target = target if target.suffix == SUFFIX else target.with_name(f"{target.name}{SUFFIX}")

    def begin(_runner: object) -> None:
        def on_done(found: "PackedJob") -> None:
            words = Message("On the other computer: {command}", command=f"visionft job run {target.name}")
            done = tr("{count} images are in {path}.", count=found.images, path=target)
            state.show_message(done, tr(words), tone="good")

        work = partial(job_file, session.path, session.snapshot_getter, page.config(), target)
        title = tr("Packing the job")
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=page.name, device=True, makes_files=True)
        state.jobs.run(job, owner=page, on_done=on_done)

    page.when_ready(begin)


def import_job_result(page: "TrainPage") -> None:
    """Ask for the result of a job and take its run into the project."""
    from visionft.training.remote.job_file import RESULT_SUFFIX
    from visionft.training.runs.run_folder import RUNS_FOLDER, run_title

    session, state = page.session, page.state
    assert session is not None
    chosen = dialogs.ask_files(page.window(), tr("Import a job result"), f"VisionFT (*{RESULT_SUFFIX})")
    if not chosen:
        return

    def on_done(found: "ImportedResult") -> None:
        session.runs_changed.emit()
        title = run_title(session.path / RUNS_FOLDER / found.run)
        words = tr("{run}, trained on {device}, is in the project.", run=title, device=found.device)
        state.show_message(words, " ".join(map(tr, found.remarks)), tone="good")
        state.page_requested.emit("results")

    work = partial(import_result, session.path, session.snapshot_getter, chosen[0])
    job = Job(title=tr("Taking in the result"), work=work, lane=Lane.COMPUTE, page=page.name, device=True)
    state.jobs.run(job, owner=page, on_done=on_done)
