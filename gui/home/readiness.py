"""What a project has and what it lacks before training, in rows and conditions for the widgets. No Qt, no state."""

from collections import Counter
from collections.abc import Mapping

from gui.home.checklist import Condition
from gui.home.class_table import ClassRow
from gui.kit.i18n import tr
from gui.kit.theme import ClassColour
from visionft.data.types import Snapshot
from visionft.project.summary import ProjectSummary


def class_rows(snapshot: Snapshot, colours: Mapping[str, ClassColour] | None = None) -> list[ClassRow]:
    """Return one row per class with its labelled pictures per split."""
    colours = colours or {}
    counts: Counter[tuple[int, str]] = Counter()
    for image in snapshot.images:
        for index in image.labels:
            counts[index, image.split or ""] += 1
    rows = []
    for index, name in enumerate(snapshot.class_names):
        train, val, test, rest = (counts[index, split] for split in ("train", "val", "test", ""))
        total = train + val + test + rest
        rows.append(ClassRow(colour=colours.get(name, index), name=name, total=total, train=train, val=val, test=test))
    return rows


def conditions(summary: ProjectSummary, rows: list[ClassRow]) -> list[Condition]:
    """Return what training needs, in the order in which a user gets there."""
    undecided = [_conflicts(summary)] if summary.conflicts else []
    return [_pictures(summary), _labels(summary), *undecided, _classes(rows), _splits(summary, rows)]


def _pictures(summary: ProjectSummary) -> Condition:
    note = tr("{count} pictures", count=f"{summary.images:,}") if summary.images else "The project is empty."
    is_met = summary.images > 0
    return Condition(title="Pictures", note=note, is_met=is_met, action="import", button="Import", icon_name="import")


def _labels(summary: ProjectSummary) -> Condition:
    rest = summary.images - summary.labelled
    note = f"{summary.labelled:,} labelled" + (f"; {rest:,} without a label are left out" if rest else "")
    if not summary.labelled:
        note = "No picture has a label yet."
    button = "Label" if summary.images else ""
    return Condition(
        title="Labels", note=note, is_met=summary.labelled > 0, action="label", button=button, icon_name="label"
    )


def _conflicts(summary: ProjectSummary) -> Condition:
    note = tr("{count} in several classes; left out until you decide", count=summary.conflicts)
    return Condition(title="Conflicts", note=note, is_met=False, action="conflicts", button="Decide", icon_name="label")


def _classes(rows: list[ClassRow]) -> Condition:
    empty = [row.name for row in rows if not row.total]
    used = len(rows) - len(empty)
    note = f"{used} classes" if used != 1 else "1 class; training needs at least 2"
    if not used:
        note = "Training needs at least 2 classes."
    if empty:
        note += f"; no picture of {_names(empty)}"
    button = "Label" if rows else ""
    return Condition(
        title="Classes",
        note=note,
        is_met=used >= 2 and not empty,
        action="label",
        button=button,
        icon_name="label",
    )


def _splits(summary: ProjectSummary, rows: list[ClassRow]) -> Condition:
    assigned = summary.images - summary.splits["unassigned"]
    missing = [row.name for row in rows if row.total and not (row.train and row.val)]
    waiting = sum(row.total - row.train - row.val - row.test for row in rows)
    note = "Every class is in training and validation"
    if not assigned:
        note = "Not divided yet: training needs pictures to learn from and others to check on."
    elif missing:
        note = f"Missing from training or validation: {_names(missing)}"
    elif waiting:
        note = f"{waiting:,} new labelled pictures are not divided yet"
    return Condition(
        title="Splits",
        note=note,
        is_met=bool(assigned) and not missing and not waiting,
        action="split",
        button="Split now" if summary.labelled else "",
        icon_name="split",
    )


def _names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
