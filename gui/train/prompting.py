"""Saying what classes look like, for methods that answer from prompts: the dialog, and measuring beside the window."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDialog, QWidget

from gui.kit.i18n import tr
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from gui.train.prompts_dialog import PromptsDialog
from models.catalog import DEFAULT_TEXT_BACKBONE
from visionft.errors import ProjectError
from visionft.events import Event, OnEvent, Progress, ShouldStop
from visionft.libraries import load_libraries
from visionft.project.edits.prompts import SetPrompts
from visionft.training.config.train_config import TrainConfig

if TYPE_CHECKING:
    from visionft.data.types import Snapshot
    from visionft.evaluation.prompt_measuring import PromptReport


def measure_prompts(
    project_dir: Path,
    images: "Snapshot",
    backbone: str,
    templates: str,
    *,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> "PromptReport":
    """Measure which prompt helps, in a task."""
    load_libraries(on_event)
    from visionft.evaluation.prompt_measuring import measure_prompts as measure

    return measure(
        project_dir, images, backbone=backbone, templates=templates, on_event=on_event, should_stop=should_stop
    )


class Prompting:
    """Opens the dialog for a draft, and takes over what was written in it."""

    def __init__(self, state: AppState, session: ProjectSession, *, page: str) -> None:
        """Args: `page` is the page that the task leads to."""
        self._state, self._session, self._page = state, session, page
        self.dialog: PromptsDialog | None = None

    def edit(self, config: TrainConfig, parent: QWidget) -> TrainConfig | None:
        """Let the prompts be edited; return the draft with the templates that were chosen, or None when cancelled."""
        images = self._session.snapshot()
        templates = config.method_row.templates(config.method_options)
        dialog = PromptsDialog(images.class_names, images.prompts, templates, parent)
        self.dialog = dialog
        dialog.measure_requested.connect(lambda: self._measure(config, dialog))
        dialog.show_reason(self._why_not_measure(images))
        is_taken = dialog.exec() == QDialog.DialogCode.Accepted
        changed, templates = dialog.changed() if is_taken else {}, dialog.template_set
        self.dialog = None
        dialog.deleteLater()
        if changed:
            self._session.apply(SetPrompts(changed))
        if not is_taken or not config.method_row.reads_prompts:
            return None
        return config.with_settings((f"{config.method}.templates={templates}",))

    def _why_not_measure(self, images: "Snapshot") -> str:
        if any(image.labels and image.split != "test" for image in images.images):
            return ""
        return tr("No labelled picture can tell which prompt helps.")

    def _measure(self, config: TrainConfig, dialog: PromptsDialog) -> None:
        try:
            prompts = dialog.prompts()
        except ProjectError:
            return  # the dialog says it
        images = dataclasses.replace(self._session.snapshot(), prompts=prompts if any(prompts) else ())
        backbone = config.backbone if config.backbone_row.text else DEFAULT_TEXT_BACKBONE
        work = partial(measure_prompts, self._session.path, images, backbone, dialog.template_set)
        title = tr("Measuring which prompt helps")
        dialog.show_reason(tr("Something is being measured already: wait until it has ended."))
        dialog.show_report(None)
        dialog.answer.show()
        dialog.show_stage(title)
        self._state.tasks.run(
            Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True, gives_way=True),
            owner=dialog,
            on_done=dialog.show_report,
            on_failed=lambda failure: dialog.show_stage(f"{tr(failure.message)} {tr(failure.hint)}"),
            on_event=lambda event: _show_stage(dialog, event),
            on_end=lambda _outcome: dialog.show_reason(""),
        )


def _show_stage(dialog: PromptsDialog, event: Event) -> None:
    if isinstance(event, Progress):
        dialog.show_stage(f"{tr(event.stage)}: {event.done:,} / {event.total:,}" if event.total else tr(event.stage))
