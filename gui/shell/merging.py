"""Merge other copies of the open project: their folder, the forecast in a dialog, then the merge as a task."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QComboBox, QGridLayout, QWidget

from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, choice_box, text, verbatim
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.state import AppState
from gui.tasks import Lane, Task
from models.messages import Message, shortened
from visionft.errors import NextStep
from visionft.files import is_file
from visionft.project.db.database import DATABASE
from visionft.project.names import natural_key
from visionft.project.queries import class_names

if TYPE_CHECKING:
    from visionft.project.merging.agreement import Agreement, Kappa
    from visionft.project.merging.merge import MergedProject, MergeReport

merge_projects = lazy_function("visionft.project.merging.merge:merge_projects", uses_torch=False)
_ROW_PX, _MOST_ROWS, _MOST_COLUMNS, _MOST_LETTERS = 31, 8, 2, 12
_COUNTS = (
    ("added", Message("Images added"), True),
    ("taken", Message("Labels taken"), True),
    ("corrected", Message("Labels corrected there by a person"), False),
    ("kept", Message("Labels given here by a person, kept"), False),
    ("equal", Message("Equal labels"), True),
    ("conflicts", Message("Labels that differ, to be decided"), True),
    ("undecided", Message("Already in conflict, still open"), False),
    ("decided_before", Message("Conflicts of an earlier merge, decided here"), False),
    ("removed_here", Message("Images removed here, stay removed"), False),
    ("splits_kept", Message("In another split there, this project's stays"), False),
    ("notes_kept", Message("With another note there, this project's stays"), False),
)


class MergeDialog(Dialog):
    """What a merge would do, and the agreement of the labels; `class_map` is the user's choice for its new classes."""

    def __init__(self, parent: QWidget, report: "MergeReport", known: Sequence[str], folder: Path) -> None:
        """Args: `folder` is that of the other project, or of several."""
        about = Message("From {path}, which is only read. One undo takes the whole merge back.", path=folder)
        super().__init__(parent, Message("Merge another copy"), about, width=760)
        self.merge_button = Button("Merge", role="primary")
        self.counts = _count_table(report.projects)
        self.boxes: dict[str, QComboBox] = {}
        self._known = list(known)
        self.lay_out(
            self.counts,
            *self._class_rows(report.new_classes),
            *_notes(report.projects),
            *_agreement_parts(report.agreement),
            accept=self.merge_button,
            spacing=theme.SMALL,
        )

    @property
    def class_map(self) -> dict[str, str | None]:
        chosen = {name: box.currentIndex() for name, box in self.boxes.items()}
        return {name: self._known[place - 2] if place > 1 else None for name, place in chosen.items() if place}

    def _class_rows(self, new: Mapping[str, int]) -> list[QWidget | QGridLayout]:
        if not new:
            return []
        grid = QGridLayout()
        grid.setColumnStretch(0, 1)
        for place, (name, count) in enumerate(new.items()):
            words = tr("{count} image", "{count} images", count=count)
            choices = [tr("New class"), tr("Leave its labels out"), *self._known]
            box = choice_box(Message("Class “{name}”", name=name), choices, least=18)
            self.boxes[name] = box
            for column, part in enumerate((verbatim(name, "strong"), verbatim(words, "small"), box)):
                grid.addWidget(part, place, column)
        return [text("Classes that this project does not have:", "muted", wrap=True), grid]


def _notes(projects: Sequence["MergedProject"]) -> list[QWidget]:
    renamed = {there: here for each in projects for there, here in each.renamed.items()}
    missing = [path for each in projects for path in each.missing]
    notes = [tr("“{there}” is called “{here}” here.", there=there, here=here) for there, here in renamed.items()]
    if missing:
        words = Message(
            "{count} image is not added, because its file cannot be read: {path}",
            "{count} images are not added, because their files cannot be read, such as {path}",
        )
        notes.append(tr(words, count=len(missing), path=missing[0]))
        notes.append(tr("Open the other project, find its missing images there, and merge again."))
    return [verbatim("\n".join(notes), "muted", wrap=True)] if notes else []


def _count_table(projects: Sequence["MergedProject"]) -> ValueTable:
    """Return the counts, a column for each of a few projects."""
    columns = [[each] for each in projects] if len(projects) <= _MOST_COLUMNS else [projects]
    names = [each.path.name for each in projects] if len(columns) > 1 else [Message("Images")]
    headers = (Message("In the other project"), *(shortened(name, _MOST_LETTERS) for name in names))
    table = ValueTable(headers, name="What the merge would do")
    rows = [
        (tr(words), [sum(getattr(each, name) for each in column) for column in columns])
        for name, words, is_always in _COUNTS
        if is_always or any(getattr(each, name) for each in projects)
    ]
    table.show_rows(
        [[(words, place), *((f"{each:,}", each) for each in counts)] for place, (words, counts) in enumerate(rows)]
    )
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
        (name, place),
        (f"{found.images:,}", found.images),
        (f"{found.observed:.1%}", found.observed),
        ("" if found.kappa is None else f"{kappa:z.2f}", kappa),
        ("" if found.interval is None else tr("{low} to {high}", low=f"{low:z.2f}", high=f"{high:z.2f}"), low),
    ]


def _fitted(table: ValueTable, rows: int) -> ValueTable:
    """Make a table as high as its rows, up to a few."""
    table.setFixedHeight(theme.scaled(_ROW_PX) * (min(rows, _MOST_ROWS) + 1) + theme.SMALL)
    return table


def copies_in(folder: Path) -> list[Path]:
    """Return the projects right in a folder, such as the shares of several people, or else itself."""
    found = [] if is_file(folder / DATABASE) else [each.parent for each in folder.glob(f"*/{DATABASE}")]
    return sorted(found, key=lambda each: natural_key(each.name)) or [folder]


def merge_copy(state: AppState, parent: QWidget) -> None:
    """Ask for the folder of another copy or of several, show the forecast, and merge after the user's consent."""
    session = state.session
    assert session is not None  # the command needs an open project
    title = tr("The other copy of this project, or a folder with several")
    folder = dialogs.ask_folder(parent, title, session.path.parent)
    if folder is not None:
        paths = copies_in(folder)
        work = partial(merge_projects, session.project, paths, is_preview=True)
        title = tr("Looking at {name}", name=folder.name)
        task = Task(title=title, work=work, lane=Lane.DISK, page="project", tells_result=True)
        state.tasks.run(task, owner=session, on_done=partial(_confirm, state, parent, folder, paths))


def _confirm(state: AppState, parent: QWidget, folder: Path, paths: Sequence[Path], forecast: "MergeReport") -> None:
    session = state.session
    if session is None or forecast.stopped:
        return
    dialog = MergeDialog(parent, forecast, class_names(session.project), folder)
    if dialog.ask():
        work = partial(merge_projects, session.project, paths, class_map=dialog.class_map)
        title = tr("Merging {name}", name=folder.name)
        task = Task(title=title, work=work, lane=Lane.DISK, page="project", writes=True, tells_result=True)
        state.tasks.run(task, owner=session, on_done=partial(_report, state, folder.name))


def _report(state: AppState, name: str, report: "MergeReport") -> None:
    if report.stopped:
        return
    if not report.step_id:
        state.say(tr("Nothing had to be changed: this project has all of it."), tone="good")
        return
    found = report.projects
    facts = tr(
        "Images added: {images}; labels taken: {labels}; equal: {equal}.",
        images=f"{sum(each.added for each in found):,}",
        labels=f"{sum(each.taken + each.corrected for each in found):,}",
        equal=f"{sum(each.equal for each in found):,}",
    )
    title = tr("“{name}” is merged.", name=name)
    if report.conflicts:
        words = Message("{count} image has labels that differ.", "{count} images have labels that differ.")
        step = NextStep("decide_conflicts", project=state.path)
        state.say(f"{title} {tr(words, count=report.conflicts)}", facts, tone="warn", next_step=step)
    else:
        state.say(title, facts, tone="good", command="edit.undo")
