"""What the label page asks of a project: which pictures, what to show of them, and which key means which class."""

from collections.abc import Iterator, Sequence

from gui.widgets.class_panel import ClassEntry
from gui.widgets.filter_bar import LABEL_STATES, ORDERS, SPLIT_NAMES, Wanted
from gui.widgets.image_grid import Cell
from visionft.project.browsing import ClassRow, ImageFilter, find_images, image_rows
from visionft.project.snapshot import Snapshot
from visionft.project.store import Project

_ALL = 1 << 60
_SPLITS = dict(zip(SPLIT_NAMES, (None, "train", "val", "test", "unassigned"), strict=True))
_SPLIT_SHORT = {"train": "train", "val": "val", "test": "test", None: ""}


def find_ids(project: Project, wanted: Wanted, snapshot: Snapshot | None) -> tuple[int, ...]:
    """Return the pictures that the user wants to see, in the order chosen."""
    ids = find_images(
        project,
        ImageFilter(
            class_name=wanted.class_name or None,
            is_labelled={LABEL_STATES[1]: False, LABEL_STATES[2]: True}.get(wanted.label_state),
            split=_SPLITS[wanted.split],  # type: ignore[arg-type]
            text=wanted.text,
        ),
        limit=_ALL,
    )
    if wanted.order == ORDERS[1]:
        return ids[::-1]
    if wanted.order == ORDERS[0] or snapshot is None:
        return ids
    if wanted.order == ORDERS[2]:
        places = {image.image_id: image.path.name.casefold() for image in snapshot.images}
        return tuple(sorted(ids, key=lambda image_id: places.get(image_id, "")))
    labels = {image.image_id: image.labels for image in snapshot.images}
    return tuple(sorted(ids, key=lambda image_id: labels.get(image_id, ()) or (len(snapshot.class_names),)))


def cells(project: Project, image_ids: Sequence[int], places: dict[str, int]) -> Iterator[Cell]:
    """Yield what the grid shows of pictures; `places` is each class's place in the list."""
    for row in image_rows(project, tuple(image_ids)):
        labels = tuple((name, places.get(name, 0)) for name in row.labels)
        note = f"{row.width} x {row.height}"
        yield Cell(image_id=row.image_id, path=row.path, labels=labels, split=_SPLIT_SHORT[row.split], note=note)


def class_keys(classes: Sequence[ClassRow]) -> dict[str, str]:
    """Return {key: class name}: own keys first, then the digits 1 to 9 in the order of the list."""
    keys = {row.shortcut: row.name for row in classes if row.shortcut}
    for place, row in enumerate(classes[:9], 1):
        if not row.shortcut and str(place) not in keys:
            keys[str(place)] = row.name
    return keys


def class_entries(classes: Sequence[ClassRow], chosen: Sequence[Cell]) -> list[ClassEntry]:
    """Return the class list; a class is on when every chosen picture has it."""
    keys = {name: key for key, name in class_keys(classes).items()}
    common = set.intersection(*({name for name, _ in cell.labels} for cell in chosen)) if chosen else set[str]()
    return [
        ClassEntry(
            name=row.name,
            class_index=place,
            key=keys.get(row.name, ""),
            pictures=row.pictures,
            is_on=row.name in common,
        )
        for place, row in enumerate(classes)
    ]
