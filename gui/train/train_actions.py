"""The commands of the train page: start, pause and stop a run."""

from typing import TYPE_CHECKING

from gui.actions import TRAIN, Action
from gui.kit.translation import tr
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.train.train_page import TrainPage


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
            place=TRAIN,
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
            "run.probe",
            "Compare networks on my images",
            lambda p: p.draft.probe(),
            lambda p: p.draft.why_not_probe(),
            menu="Run",
            is_rare=True,
        ),
        add(
            "run.measure_framing",
            "Measure what the network should see",
            lambda p: p.draft.measure_framing(),
            lambda p: p.draft.why_not_measure_framing(),
            menu="Run",
            is_rare=True,
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
            lambda p: p.draft.measure(every_method=False),
            lambda p: p.draft.why_not_measure(),
            menu="Run",
            is_rare=True,
        ),
        add(
            "run.pack_job",
            "Pack a job",
            lambda p: p.jobs.pack(),
            before=why_not_pack,
            menu="Run",
        ),
        add(
            "run.import_result",
            "Import a job result",
            lambda p: p.jobs.import_result(),
            menu="Run",
        ),
        add("run.end", "Stop training", lambda p: p.stop(), before=why_not_stop, menu="Run"),
    ]
