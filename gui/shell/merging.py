"""Merge another copy of the open project: its folder, the forecast in a dialog, then the merge as a task."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QComboBox, QGridLayout, QWidget

from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import LazyFunction
from gui.kit.parts import Button, choice_box, text, verbatim
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.state import AppState
from gui.tasks import Lane, Task
from models.messages import Message
from visionft.errors import NextStep
from visionft.project.queries import class_names

if TYPE_CHECKING:
    from visionft.project.merging.agreement import Agreement, Kappa
    from visionft.project.merging.merge import MergedProject, MergeReport

merge_projects = LazyFunction("visionft.project.merging.merge:merge_projects", uses_torch=False)
_ROW_PX, _MOST_ROWS = 31, 8
_COUNTS = (
    ("added", Message("Images added"), True),
    ("taken", Message("Labels taken"), True),
    ("corrected", Message("Labels corrected there by a person"), False),
    ("kept", Message("Labels given here by a person, kept"), False),
    ("equal", Message("Equal labels"), True),
    ("conflicts", Message("Labels that differ, to be decided"), True),
    ("undecided", Message("Conflicts of an earlier merge, still open"), False),
    ("decided_before", Message("Conflicts of an earlier merge, decided here"), False),
    ("removed_here", Message("Images removed here, stay removed"), False),
    ("splits_kept", Message("In another split there, this project's stays"), False),
    ("notes_kept", Message("With another note there, this project's stays"), False),
)


class MergeDialog(Dialog):
    """What a merge would do, and the agreement of the labels; `class_map` is the user's choice for its new classes."""

    def __init__(self, parent: QWidget, report: "MergeReport", known: Sequence[str]) -> None:
        found = report.projects[0]
        about = Message("From {path}, which is only read. One undo takes the whole merge back.", path=found.path)
        super().__init__(parent, Message("Merge another copy"), about, width=760)
        self.merge_button = Button("Merge", role="primary")
        self.counts = _count_table(found)
        self.boxes: dict[str, QComboBox] = {}
        self._known = list(known)
        self.lay_out(
            self.counts, *self._class_rows(found), *self._notes(found), *_agreement_parts(report.agreement),
            accept=self.merge_button, spacing=theme.SMALL,
        )  # fmt: skip

    @property
    def class_map(self) -> dict[str, str | None]:
        chosen = {name: box.currentIndex() for name, box in self.boxes.items()}
        return {name: self._known[place - 2] if place > 1 else None for name, place in chosen.items() if place}

    def _class_rows(self, found: "MergedProject") -> list[QWidget | QGridLayout]:
        if not found.new_classes:
            return []
        grid = QGridLayout()
        grid.setColumnStretch(0, 1)
        for place, (name, count) in enumerate(found.new_classes.items()):
            words = tr("{count} image", "{count} images", count=count)
            choices = [tr("New class"), tr("Leave its labels out"), *self._known]
            box = choice_box(Message("Class “{name}”", name=name), choices, least=18)
            self.boxes[name] = box
            for column, part in enumerate((verbatim(name, "strong"), verbatim(words, "small"), box)):
                grid.addWidget(part, place, column)
        return [text("Classes that this project does not have:", "muted", wrap=True), grid]

    def _notes(self, found: "MergedProject") -> list[QWidget]:
        notes = [
            tr("“{there}” is called “{here}” here.", there=there, here=here) for there, here in found.renamed.items()
        ]
        if found.missing:
            words = Message(
                "{count} image is not added, because its file cannot be read: {path}",
                "{count} images are not added, because their files cannot be read, such as {path}",
            )
            notes.append(tr(words, count=len(found.missing), path=found.missing[0]))
            notes.append(tr("Open the other project, find its missing images there, and merge again."))
        return [verbatim("\n".join(notes), "muted", wrap=True)] if notes else []


def _count_table(found: "MergedProject") -> ValueTable:
    table = ValueTable((Message("In the other project"), Message("Images")), name="What the merge would do")
    rows = [
        (tr(words), getattr(found, name)) for name, words, is_always in _COUNTS if is_always or getattr(found, name)
    ]
    table.show_rows([((words, place), (f"{count:,}", count)) for place, (words, count) in enumerate(rows)])
    return _fitted(table, len(rows))


def _agreement_parts(found: "Agreement | None") -> list[QWidget]:
    if found is None:
        return []
    words = Message("Agreement on {count} image that all labelled", "Agreement on {count} images that all labelled")
    kappa = Message("Cohen's kappa") if len(found.sides) == 2 else Message("Fleiss' kappa")
    columns = (Message("Class"), Message("Images"), Message("Agreement"), kappa, Message("95 % interval"))
    table = ValueTable(columns, name="Agreement")
    rows = [(tr("All classes"), found.overall), *found.classes.items()]
    table.show_rows([_kappa_cells(place, name, each) for place, (name, each) in enumerate(rows)], marked=[0])
    pairs = ", ".join(f"{each.first} / {each.second} ({each.images})" for each in found.confused[:5])
    confused = [verbatim(tr("Most confused: {pairs}", pairs=pairs), "muted", wrap=True)] if pairs else []
    return [text(Message(words, count=found.overall.images), "strong"), _fitted(table, len(rows)), *confused]


def _kappa_cells(place: int, name: str, found: "Kappa") -> list[tuple[str, object]]:
    kappa = found.kappa if found.kappa is not None else -2.0
    low, high = found.interval or (0.0, 0.0)
    return [
        (name, place), (f"{found.images:,}", found.images), (f"{found.observed:.1%}", found.observed),
        ("" if found.kappa is None else f"{kappa:.2f}", kappa),
        ("" if found.interval is None else tr("{low} to {high}", low=f"{low:.2f}", high=f"{high:.2f}"), low),
    ]  # fmt: skip


def _fitted(table: ValueTable, rows: int) -> ValueTable:
    """Make a table as high as its rows, up to a few."""
    table.setFixedHeight(theme.scaled(_ROW_PX) * (min(rows, _MOST_ROWS) + 1) + theme.SMALL)
    return table


def merge_copy(state: AppState, parent: QWidget) -> None:
    """Ask for the folder of another copy, show the forecast, and merge it after the user's consent."""
    session = state.session
    assert session is not None  # the command needs an open project
    path = dialogs.ask_folder(parent, tr("The other copy of this project"), session.path.parent)
    if path is not None:
        work = partial(merge_projects, session.project, [path], is_preview=True)
        task = Task(title=tr("Looking at {name}", name=path.name), work=work, lane=Lane.DISK, page="project")
        state.tasks.run(task, owner=session, on_done=partial(_confirm, state, parent, path))


def _confirm(state: AppState, parent: QWidget, path: Path, forecast: "MergeReport") -> None:
    session = state.session
    if session is None or forecast.stopped:
        return
    dialog = MergeDialog(parent, forecast, class_names(session.project))
    if dialog.ask():
        work = partial(merge_projects, session.project, [path], class_map=dialog.class_map)
        title = tr("Merging {name}", name=path.name)
        task = Task(title=title, work=work, lane=Lane.DISK, page="project", writes=True)
        state.tasks.run(task, owner=session, on_done=partial(_report, state))


def _report(state: AppState, report: "MergeReport") -> None:
    if report.stopped:
        return
    if not report.step_id:
        state.say(tr("Nothing had to be changed: this project has all of it."), tone="good")
        return
    found = report.projects[0]
    facts = tr(
        "Images added: {images}; labels taken: {labels}; equal: {equal}.",
        images=f"{found.added:,}", labels=f"{found.taken + found.corrected:,}", equal=f"{found.equal:,}",
    )  # fmt: skip
    title = tr("“{name}” is merged.", name=found.path.name)
    if report.conflicts:
        words = Message("{count} image has labels that differ.", "{count} images have labels that differ.")
        step = NextStep("decide_conflicts", project=state.path)
        state.say(f"{title} {tr(words, count=report.conflicts)}", facts, tone="warn", next_step=step)
    else:
        state.say(title, facts, tone="good", command="edit.undo")
