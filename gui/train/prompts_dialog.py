"""Class prompts for prompt-based methods: the dialog to edit them, and their evaluation in the background.

The prompts are edited on a copy: accepting them is one change of the project, and one step of undo.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QHeaderView, QPlainTextEdit, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, choice_box, column, row, text
from gui.kit.progress import progress_text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.runner import TRAIN
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Priority, Task
from models.catalog import DEFAULT_TEXT_BACKBONE
from models.messages import Message
from models.methods.zero_shot import ZeroShotOptions
from models.settings import choices_of
from visionft.amounts import share_text
from visionft.errors import ProjectError
from visionft.evaluation.prompt_evaluation import PromptReport
from visionft.project.edits.class_changes import SetPrompts, clean_prompts
from visionft.training.config.train_config import TrainConfig
from visionft.zero_shot.class_texts import TEMPLATE_SETS, all_texts, same_texts, texts_of

evaluate_prompts = lazy_function("visionft.evaluation.prompt_evaluation:evaluate_prompts")

_SHOWN_TEXTS = 3
TEMPLATE_WORDS = choices_of(ZeroShotOptions, "templates")


class PromptsDialog(Dialog):
    """Edits the prompts of all classes; `evaluation_requested` requests an evaluation of the current texts."""

    evaluation_requested = Signal()

    def __init__(
        self, names: Sequence[str], prompts: Sequence[Sequence[str]], templates: str, parent: QWidget | None = None
    ) -> None:
        about = Message(
            "Describe what the images of each class show. The network learned from images and their captions, so it "
            "predicts from these words, without labels. A class without prompts is described by its name."
        )
        super().__init__(parent, Message("Prompts of the classes"), about)
        self.resize(theme.scaled(980), theme.scaled(640))
        self._names = tuple(names)
        self._before = [tuple(lines) for lines in prompts] or [()] * len(names)
        self._written = ["\n".join(lines) for lines in self._before]
        self._report: PromptReport | None = None
        headers = (Message("Class"), Message("Recall"), Message("Confused with"), Message("Prompts"))
        self.classes = ValueTable(headers, name="Classes", is_sortable=False, is_of_texts=True)
        self.classes.setMinimumWidth(theme.scaled(430))
        self.classes.horizontalHeader().setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self.editor = QPlainTextEdit()
        self.editor.setAccessibleName(tr("Prompts of the class"))
        self.editor.setTabChangesFocus(True)
        hint = Message(
            "glass bottle\na {} lying on a belt\n\nOne prompt a line, best in English; all count alike. A line with {} "
            "is a whole sentence, with the class's name in it."
        )
        self.editor.setPlaceholderText(tr(hint))
        self.class_title = text("", "heading")
        self.read_as = text(role="small", wrap=True)
        headers = (Message("Prompt alone"), Message("Recall"), Message("Accuracy"))
        self.lines = ValueTable(headers, name="Prompts of the class", is_sortable=False)
        self.templates = choice_box("Templates", [tr(TEMPLATE_WORDS[name]) for name in TEMPLATE_SETS])
        self.templates.setCurrentIndex(list(TEMPLATE_SETS).index(templates))
        self.fault = text(role="fault", wrap=True)
        self.summary = text(role="strong", wrap=True)
        self.evaluate_button = Button("Evaluate prompts", "gauge", on_click=self.evaluation_requested.emit)
        self.save_button = Button("Save prompts", role="primary")
        of_class = column(self.class_title, self.editor, self.read_as, self.lines)
        sides = row(column(self.classes), of_class, spacing=theme.LARGE)
        sides.setStretch(0, 5)
        sides.setStretch(1, 6)
        self.lay_out(
            row(text("Sentences around the prompts:"), self.templates, None, self.evaluate_button),
            self.summary,
            sides,
            self.fault,
            accept=self.save_button,
            spacing=theme.MEDIUM,
        )
        self.classes.itemSelectionChanged.connect(self._show_class)
        self.editor.textChanged.connect(self._on_edited)
        self.templates.currentIndexChanged.connect(self._on_texts_changed)
        self.show_report(None)
        self._show_class()
        self.set_refusal("")
        self.editor.setFocus()

    @property
    def template_set(self) -> str:
        return list(TEMPLATE_SETS)[self.templates.currentIndex()]

    def prompts(self) -> tuple[tuple[str, ...], ...]:
        """Return the current prompts of each class (ProjectError: A prompt is empty, too long, or not printable)."""
        pairs = zip(self._names, self._written, strict=True)
        return tuple(
            clean_prompts(name, tuple(written.rstrip().split("\n")) if written.strip() else ())
            for name, written in pairs
        )

    def changed(self) -> dict[str, tuple[str, ...]]:
        """Return the prompts of the changed classes; raises as `prompts`."""
        triples = zip(self._names, self.prompts(), self._before, strict=True)
        return {name: lines for name, lines, before in triples if lines != before}

    def set_refusal(self, reason: str) -> None:
        """Enable the evaluation, or show the reason why it is impossible now."""
        self.evaluate_button.setEnabled(not reason)
        self.evaluate_button.setToolTip(reason or tr("Measure the accuracy of each prompt on your labelled images"))

    def show_stage(self, stage: str) -> None:
        self.summary.setText(stage)
        self.summary.show()

    def show_report(self, report: PromptReport | None) -> None:
        """Show an evaluation; None hides it."""
        self._report = report
        self.summary.setVisible(report is not None)
        if report is not None:
            self.summary.setText(_result(report))
        self._show_classes()
        self._show_lines()

    @property
    def _place(self) -> int:
        return max(0, self.classes.currentRow())

    def _show_classes(self) -> None:
        """Show the classes; the selected one stays selected."""
        place, report = self._place, self._report
        rows = []
        for index, (name, written) in enumerate(zip(self._names, self._written, strict=True)):
            score = report.classes[index] if report is not None else None
            recall = _share(score.recall, score.images, report) if score and report else ""
            lines = [line.strip() for line in written.split("\n") if line.strip()]
            confused = score.confused_with if score is not None else ""
            rows.append(((name, name), (recall, 0), (confused, 0), (" · ".join(lines) or tr("its name"), "")))
        with QSignalBlocker(self.classes):
            self.classes.show_rows(rows)
            self.classes.setColumnHidden(1, report is None)
            self.classes.setColumnHidden(2, report is None or report.interval is None)
            self.classes.selectRow(place)
        self._show_faults()

    @Slot()
    def _show_class(self) -> None:
        self.class_title.setText(self._names[self._place] if self._names else "")
        with QSignalBlocker(self.editor):
            self.editor.setPlainText(self._written[self._place] if self._written else "")
        self._show_texts()
        self._show_lines()

    def _show_texts(self) -> None:
        if not self._names:
            return
        lines = [line for line in self._written[self._place].split("\n") if line.strip()]
        texts = texts_of(self._names[self._place], lines, self.template_set).texts
        shown = " · ".join(f"“{each}”" for each in texts[:_SHOWN_TEXTS])
        more = tr("and {count} more", count=len(texts) - _SHOWN_TEXTS) if len(texts) > _SHOWN_TEXTS else ""
        self.read_as.setText(f"{tr('Read as')}: {shown} {more}".strip())

    def _show_lines(self) -> None:
        """Show the scores of each prompt of the selected class, where it has several."""
        report = self._report
        score = report.classes[self._place] if report and self._names else None
        self.lines.setVisible(score is not None and len(score.lines) > 1)
        if score is None or report is None:
            return
        best = max((line.accuracy for line in score.lines), default=0.0)
        rows = []
        for each in score.lines:
            recall, accuracy = _share(each.recall, score.images, report), _share(each.accuracy, report.images, report)
            rows.append(((each.line, each.line), (recall, each.recall), (accuracy, each.accuracy)))
        self.lines.show_rows(rows, marked=[n for n, line in enumerate(score.lines) if line.accuracy == best])

    @Slot()
    def _on_edited(self) -> None:
        self._written[self._place] = self.editor.toPlainText()
        self._on_texts_changed()

    @Slot()
    def _on_texts_changed(self) -> None:
        self._show_texts()
        self.show_report(None)  # it was of other texts

    def _show_faults(self) -> None:
        """Show invalid prompts, and prompts that give equal predictions."""
        try:
            same = same_texts(all_texts(self._names, self.prompts(), self.template_set))
        except ProjectError as error:
            words = f"{tr(error.message)} {tr(error.hint)}"
            is_valid = False
        else:
            warning = Message("The prompts of {names} are the same: their predictions cannot differ.")
            words = " ".join(tr(warning, names=", ".join(each)) for each in same)
            is_valid = True
        self.fault.setText(words)
        self.fault.setVisible(bool(words))
        self.save_button.setEnabled(is_valid)


def _share(share: float | None, count: int, report: PromptReport) -> str:
    """Return a share of correct images, as a count for few of them; an average precision has no count."""
    if share is None:
        return ""
    return share_text(share, count, of=tr("of")) if report.interval is not None else f"{share:.0%}"


def _result(report: PromptReport) -> str:
    share, names = f"{report.accuracy:.1%}", f"{report.by_names:.1%}"
    if report.interval is None:
        return tr(
            "Mean average precision {share} on {count} labelled images; with the names alone {names}.",
            share=share,
            count=f"{report.images:,}",
            names=names,
        )
    low, high = (f"{limit:.1%}" for limit in report.interval)
    return tr(
        "Accuracy {share} ({low} to {high}) on {count} labelled images; with the names alone {names}.",
        share=share,
        count=f"{report.images:,}",
        low=low,
        high=high,
        names=names,
    )


def edit_prompts(state: AppState, session: ProjectSession, config: TrainConfig, parent: QWidget) -> TrainConfig | None:
    """Let the user edit the prompts of the classes, and apply them to the project.

    Returns:
        The draft `config` with the chosen templates; None when cancelled, or for a method without prompts.
    """
    images = session.snapshot()
    templates = config.method_row.templates(config.method_options)
    dialog = PromptsDialog(images.class_names, images.prompts, templates, parent)
    dialog.evaluation_requested.connect(lambda: _evaluate(state, session, config, dialog))
    if not any(image.labels and image.split != "test" for image in images.images):
        dialog.set_refusal(tr("Prompts are evaluated on labelled images, and there are none."))
    is_accepted = dialog.ask()
    if is_accepted and (changed := dialog.changed()):
        session.apply(SetPrompts(changed))
    if not is_accepted or not config.method_row.reads_prompts:
        return None
    return config.with_settings((f"{config.method}.templates={dialog.template_set}",))


def _evaluate(state: AppState, session: ProjectSession, config: TrainConfig, dialog: PromptsDialog) -> None:
    try:
        prompts = dialog.prompts()
    except ProjectError:
        return  # the dialog shows it
    images = dataclasses.replace(session.snapshot(), prompts=prompts if any(prompts) else ())
    backbone = config.backbone if config.backbone_row.text else DEFAULT_TEXT_BACKBONE
    work = partial(evaluate_prompts, session.path, images, backbone=backbone, templates=dialog.template_set)
    title = tr("Evaluating prompts")
    dialog.set_refusal(tr("Something is being measured already: wait until it has ended."))
    dialog.show_report(None)
    dialog.show_stage(title)
    state.tasks.run(
        Task(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, priority=Priority.MEASUREMENT),
        owner=dialog,
        on_done=dialog.show_report,
        on_progress=lambda progress: dialog.show_stage(progress_text(progress)),
        on_failed=lambda failure: dialog.show_stage(f"{tr(failure.message)} {tr(failure.hint)}"),
        on_end=lambda _task: dialog.set_refusal(""),
    )
