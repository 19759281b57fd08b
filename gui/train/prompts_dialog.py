"""A dialog that says of each class what it looks like, and shows which words help. Knows Qt and prompts, no state.

The words are edited on a copy: what is taken over is one change of the project, and one step of undo.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QHeaderView, QPlainTextEdit, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, choice_box, column, row, text
from gui.kit.value_table import ValueTable
from visionft.errors import ProjectError
from visionft.evaluation.prompt_measuring import ClassMeasure, PromptReport
from visionft.project.edits.prompts import clean_prompts
from visionft.zero_shot.prompts import all_texts, same_texts, texts_of
from visionft.zero_shot.templates import TEMPLATE_SETS

_SIZE = (980, 640)
_LIST_WIDTH = 430
_SHOWN_TEXTS = 3
_CLASSES = ("Class", "Right", "What stands for it")
_LINES = ("Line alone", "Its pictures right", "All right")
TEMPLATE_WORDS = {
    "photo": "A photo of a …",
    "seven": "Seven well-known sentences, averaged",
    "none": "As written",
}


class PromptsDialog(QDialog):
    """Edits the prompts of all classes; `measure_requested` asks to measure them as they stand here."""

    measure_requested = Signal()

    def __init__(
        self, names: Sequence[str], prompts: Sequence[Sequence[str]], templates: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Prompts"))
        self.resize(theme.scaled(_SIZE[0]), theme.scaled(_SIZE[1]))
        self._names = tuple(names)
        self._before = [tuple(lines) for lines in prompts] or [()] * len(names)
        self._written = ["\n".join(lines) for lines in self._before]
        self._report: PromptReport | None = None
        self.classes = ValueTable(_CLASSES, name="Classes", is_sortable=False, is_of_texts=True)
        self.editor = QPlainTextEdit()
        self.editor.setAccessibleName(tr("Prompts of the class"))
        self.editor.setTabChangesFocus(True)
        self.classes.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.class_title = text("", "heading")
        self.class_answer = text(role="muted", wrap=True)
        self.read_as = text(role="small", wrap=True)
        self.lines = ValueTable(_LINES, name="Lines of the class", is_sortable=False)
        self.templates = choice_box("Templates", [tr(TEMPLATE_WORDS[name]) for name in TEMPLATE_SETS])
        self.templates.setCurrentIndex(list(TEMPLATE_SETS).index(templates))
        self.fault = text(role="fault", wrap=True)
        self.answer = text(role="strong", wrap=True)
        self.details = text(role="small", wrap=True)
        self.measure_button = Button("Which prompt helps?", "gauge", on_click=self.measure_requested.emit)
        self.save_button = Button("Take over", role="primary", on_click=self.accept)
        self._build()
        self.classes.itemSelectionChanged.connect(self._show_class)
        self.editor.textChanged.connect(self._on_edited)
        self.templates.currentIndexChanged.connect(self._on_templates_chosen)
        self.show_report(None)
        self._show_class()
        self.show_reason("")
        self.editor.setFocus()

    def _build(self) -> None:
        self.lines.hide()
        hint = (
            "glass bottle\na {} lying on a belt\n\nOne line for each way to say it, best in English; all count alike. "
            "A line with {} is a sentence of its own, with the class's name in it."
        )
        self.editor.setPlaceholderText(tr(hint))
        self.classes.setMinimumWidth(theme.scaled(_LIST_WIDTH))
        about = text(
            "Say what the pictures of each class show. The network learned from pictures and their captions: the "
            "words are its answer, without a label. A class without words stands for its name.",
            "muted",
            wrap=True,
        )
        right = column(self.class_title, self.class_answer, self.editor, self.read_as, self.lines)
        sides = row(column(self.classes), right, spacing=theme.LARGE)
        sides.setStretch(0, 5)
        sides.setStretch(1, 6)
        layout: QVBoxLayout = column(
            text("What the classes look like", "title"),
            about,
            row(text("Sentences around the words:"), self.templates, None, self.measure_button),
            self.answer,
            self.details,
            sides,
            self.fault,
            row(None, Button("Cancel", on_click=self.reject), self.save_button),
            spacing=theme.MEDIUM,
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)

    # -- what others ask ----------------------------------------------------------------------------------------

    @property
    def template_set(self) -> str:
        """Return the chosen set of sentences."""
        return list(TEMPLATE_SETS)[self.templates.currentIndex()]

    def prompts(self) -> tuple[tuple[str, ...], ...]:
        """Return the lines of each class as they stand here.

        Raises:
            ProjectError: One is empty, too long, or cannot be printed.
        """
        pairs = zip(self._names, self._written, strict=True)
        return tuple(clean_prompts(name, tuple(written.rstrip().split("\n")) if written.strip() else ())
                     for name, written in pairs)  # fmt: skip

    def changed(self) -> dict[str, tuple[str, ...]]:
        """Return the lines of the classes that differ from what they were.

        Raises:
            ProjectError: As `prompts`.
        """
        triples = zip(self._names, self.prompts(), self._before, strict=True)
        return {name: lines for name, lines, before in triples if lines != before}

    def show_reason(self, reason: str) -> None:
        """Show why nothing can be measured now; empty where it can."""
        self.measure_button.setEnabled(not reason)
        self.measure_button.setToolTip(reason or tr("Tell on your labelled pictures which words are right most often"))

    def show_stage(self, stage: str) -> None:
        """Show how far the measuring is."""
        self.answer.setText(stage)

    def show_report(self, report: PromptReport | None) -> None:
        """Show what was measured; None takes it away."""
        self._report = report
        self.answer.setVisible(report is not None)
        self.details.setVisible(report is not None)
        if report is not None:
            self.answer.setText(_answer(report))
            self.details.setText(_details(report))
        self._fill()
        self._show_lines()

    # -- showing ------------------------------------------------------------------------------------------------

    @property
    def _place(self) -> int:
        return max(0, self.classes.currentRow())

    def _fill(self) -> None:
        """Show the classes; the chosen one stays chosen."""
        place = self._place
        self.classes.blockSignals(True)
        measured = self._report.classes if self._report else (None,) * len(self._names)
        rows = [
            ((name, name), (_share(found), 0), (self._words(written), ""))
            for name, written, found in zip(self._names, self._written, measured, strict=True)
        ]
        self.classes.show_rows(rows)
        self.classes.setColumnHidden(1, self._report is None)
        self.classes.selectRow(place)
        self.classes.blockSignals(False)
        self._show_faults()

    def _words(self, written: str) -> str:
        lines = [line.strip() for line in written.strip().split("\n") if line.strip()]
        return " · ".join(lines) or tr("its name")

    @Slot()
    def _show_class(self) -> None:
        self.class_title.setText(self._names[self._place] if self._names else "")
        self.editor.blockSignals(True)
        self.editor.setPlainText(self._written[self._place] if self._written else "")
        self.editor.blockSignals(False)
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
        found = self._report.classes[self._place] if self._report and self._names else None
        self.class_answer.setText(_class_answer(found) if found else "")
        self.class_answer.setVisible(found is not None)
        self.lines.setVisible(found is not None and len(found.lines) > 1)
        if found is not None:
            best = max((line.accuracy for line in found.lines), default=0.0)
            marked = [place for place, line in enumerate(found.lines) if line.accuracy == best]
            self.lines.show_rows(
                [
                    (
                        (line.line, line.line),
                        (f"{line.recall:.1%}", line.recall),
                        (f"{line.accuracy:.1%}", line.accuracy),
                    )
                    for line in found.lines
                ],
                marked=marked,
            )

    @Slot()
    def _on_edited(self) -> None:
        self._written[self._place] = self.editor.toPlainText()
        self._show_texts()
        if self._report is not None:
            self.show_report(None)  # of other words
        else:
            self._fill()

    @Slot()
    def _on_templates_chosen(self) -> None:
        self._show_texts()
        self.show_report(None)

    def _show_faults(self) -> None:
        """Say what cannot be taken over, or what makes answers equal."""
        try:
            prompts = self.prompts()
        except ProjectError as error:
            self._tell(f"{tr(error.message)} {tr(error.hint)}", is_refused=True)
            return
        same = same_texts(all_texts(self._names, prompts, self.template_set))
        words = [
            tr("The same prompts stand for {names}: their answers cannot differ.", names=", ".join(each))
            for each in same
        ]
        self._tell(" ".join(words), is_refused=False)

    def _tell(self, words: str, *, is_refused: bool) -> None:
        self.fault.setText(words)
        self.fault.setVisible(bool(words))
        self.save_button.setEnabled(not is_refused)
        self.fault.setTextFormat(Qt.TextFormat.PlainText)


def _share(found: ClassMeasure | None) -> str:
    return "" if found is None or found.recall is None else f"{found.recall:.0%}"


def _class_answer(found: ClassMeasure) -> str:
    if found.recall is None:
        return tr("No labelled picture of it was looked at.")
    share, count = f"{found.recall:.0%}", f"{found.pictures:,}"
    if found.taken_for:
        words = "{share} of its pictures are right ({count} looked at); most of the others are taken for {name}."
        return tr(words, share=share, count=count, name=found.taken_for)
    return tr("{share} of its pictures are right ({count} looked at).", share=share, count=count)


def _answer(report: PromptReport) -> str:
    share, names = f"{report.accuracy:.1%}", f"{report.by_names:.1%}"
    if report.interval is None:
        return tr(
            "Mean average precision {share} on {count} labelled pictures; by the names alone {names}.",
            share=share, count=f"{report.pictures:,}", names=names,
        )  # fmt: skip
    low, high = (f"{limit:.1%}" for limit in report.interval)
    return tr(
        "{share} of {count} labelled pictures are right (95 %: {low} to {high}); by the names alone {names}.",
        share=share, count=f"{report.pictures:,}", low=low, high=high, names=names,
    )  # fmt: skip


def _details(report: PromptReport) -> str:
    shares = [f"{tr(TEMPLATE_WORDS[name])} {share:.1%}" for name, share in report.by_templates.items()]
    left_out = tr("Pictures of the test split are left out, so that they stay a test.")
    return f"{tr('With other sentences')}: {', '.join(shares)}. {left_out}"
