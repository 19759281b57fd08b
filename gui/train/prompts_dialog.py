"""Class prompts for prompt-based methods: the dialog to edit them.

The prompts are edited on a copy: accepting them is one change of the project, and one step of undo.
"""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QHeaderView, QPlainTextEdit, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, choice_box, column, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.session import ProjectSession
from models.methods.frozen import ZeroShotOptions
from models.text.class_texts import TEMPLATE_SETS, all_texts, same_texts, texts_of
from visionft.core.errors import ProjectError
from visionft.core.messages import Message
from visionft.core.settings import choices_of
from visionft.project.edits.class_changes import SetPrompts, clean_prompts
from visionft.training.config.train_config import TrainConfig

_SHOWN_TEXTS = 3
TEMPLATE_WORDS = choices_of(ZeroShotOptions, "templates")


class PromptsDialog(Dialog):
    """Edits the prompts of all classes."""

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
        headers = (Message("Class"), Message("Prompts"))
        self.classes = ValueTable(headers, name="Classes", is_sortable=False, is_of_texts=True)
        self.classes.setMinimumWidth(theme.scaled(430))
        self.classes.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
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
        self.templates = choice_box("Templates", [tr(TEMPLATE_WORDS[name]) for name in TEMPLATE_SETS])
        self.templates.setCurrentIndex(list(TEMPLATE_SETS).index(templates))
        self.fault = text(role="fault", wrap=True)
        self.save_button = Button("Save prompts", role="primary")
        of_class = column(self.class_title, self.editor, self.read_as)
        sides = row(column(self.classes), of_class, spacing=theme.LARGE)
        sides.setStretch(0, 5)
        sides.setStretch(1, 6)
        self.lay_out(
            row(text("Sentences around the prompts:"), self.templates, None),
            sides,
            self.fault,
            accept=self.save_button,
            spacing=theme.MEDIUM,
        )
        self.classes.itemSelectionChanged.connect(self._show_class)
        self.editor.textChanged.connect(self._on_edited)
        self.templates.currentIndexChanged.connect(self._on_texts_changed)
        self._show_classes()
        self._show_class()
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

    @property
    def _place(self) -> int:
        return max(0, self.classes.currentRow())

    def _show_classes(self) -> None:
        """Show the classes; the selected one stays selected."""
        rows = []
        for name, written in zip(self._names, self._written, strict=True):
            lines = [line.strip() for line in written.split("\n") if line.strip()]
            rows.append(((name, name), (" · ".join(lines) or tr("its name"), "")))
        place = self._place
        with QSignalBlocker(self.classes):
            self.classes.show_rows(rows)
            self.classes.selectRow(place)
        self._show_faults()

    @Slot()
    def _show_class(self) -> None:
        self.class_title.setText(self._names[self._place] if self._names else "")
        with QSignalBlocker(self.editor):
            self.editor.setPlainText(self._written[self._place] if self._written else "")
        self._show_texts()

    def _show_texts(self) -> None:
        if not self._names:
            return
        lines = [line for line in self._written[self._place].split("\n") if line.strip()]
        texts = texts_of(self._names[self._place], lines, self.template_set).texts
        shown = " · ".join(f"“{each}”" for each in texts[:_SHOWN_TEXTS])
        more = tr("and {count} more", count=len(texts) - _SHOWN_TEXTS) if len(texts) > _SHOWN_TEXTS else ""
        self.read_as.setText(f"{tr('Read as')}: {shown} {more}".strip())

    @Slot()
    def _on_edited(self) -> None:
        self._written[self._place] = self.editor.toPlainText()
        self._on_texts_changed()

    @Slot()
    def _on_texts_changed(self) -> None:
        self._show_texts()
        self._show_classes()

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


def edit_prompts(session: ProjectSession, config: TrainConfig, parent: QWidget) -> TrainConfig | None:
    """Let the user edit the prompts of the classes, and apply them to the project.

    Returns:
        The draft `config` with the chosen templates; None when cancelled, or for a method without prompts.
    """
    images = session.snapshot()
    templates = config.method_row.templates(config.method_options)
    dialog = PromptsDialog(images.class_names, images.prompts, templates, parent)
    is_accepted = dialog.ask()
    if is_accepted and (changed := dialog.changed()):
        session.apply(SetPrompts(changed))
    if not is_accepted or not config.method_row.reads_prompts:
        return None
    return config.with_settings((f"{config.method}.templates={dialog.template_set}",))
