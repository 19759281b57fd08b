"""What the map shows: where pictures lie, and of which group each is by class, split, prediction ... No widgets here.

It is read beside the window, for 100,000 pictures take a second; see `MapReader`.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from gui.kit.class_looks import class_colours
from gui.kit.i18n import tr
from gui.kit.theme import ClassColour, class_colour
from visionft.curation.check import read_result
from visionft.curation.map.picture_map import Method, PictureMap, read_map
from visionft.data.types import SPLITS, Snapshot
from visionft.errors import VisionFTError
from visionft.evaluation.stored import evaluation_file, read_evaluation
from visionft.features.feature_store import current_kind
from visionft.project.queries import class_rows
from visionft.project.store import Project
from visionft.training.runs.run_folder import list_runs

logger = logging.getLogger(__name__)

QUIET: Final = ""  # the colour of what has no group: grey, below all others
BY_CLASS, BY_SPLIT, BY_SUSPICION, BY_DATE, BY_RUN = "class", "split", "suspicion", "date", "run:"
# From little to much, or from early to late: told apart by colour-blind eyes, of one lightness on both grounds.
RAMP: Final = ("#4B74E0", "#2F93B5", "#3F9B62", "#AD8A1C", "#D2622A")
_SHAPES: Final = 4


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one colour: words already translated, or a name; `QUIET` as the colour is the theme's grey."""

    words: str
    colour: str
    shape: int
    count: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be read: by which method the map is drawn, and by what it is coloured."""

    method: Method
    by: str


@dataclass(frozen=True)
class MapRead:
    """A map with its groups.

    Attributes:
        ask: What was asked for.
        map: Where pictures lie: as it was asked for, else their principal axes; None where neither was drawn.
        groups: (N,) place among `entries` of each picture of the map.
        entries: The groups, none of them empty but for classes.
        without: Pictures of the project that have no place on the map.
        has_features: Whether the pictures, or some of them, have features.
        ways: {what it may be coloured by: its words}.
    """

    ask: Ask
    map: PictureMap | None
    groups: np.ndarray
    entries: tuple[Group, ...]
    without: int
    has_features: bool
    ways: Mapping[str, str]


class MapReader:
    """Reads the map of a project and what colours it."""

    def __call__(self, key: tuple[Project, Ask, int]) -> MapRead | None:
        """Read; safe in any thread. None where the project was closed meanwhile, or its folder is gone."""
        project, ask, _ = key
        try:
            return _read(project, ask)
        except (VisionFTError, OSError) as error:
            logger.warning("The map was not read: %s", error)
            return None


def _read(project: Project, ask: Ask) -> MapRead:
    images = project.snapshot()
    found = read_map(project.path, images, method=ask.method) or read_map(project.path, images, method="pca")
    has_features = current_kind(project.path) is not None
    ways = _ways(project)
    if found is None or not len(found):
        return MapRead(ask, None, np.zeros(0, np.intp), (), len(images.images), has_features, ways)
    ids = found.image_ids.tolist()
    groups, entries = _coloured(project, images, ids, ask.by)
    return MapRead(ask, found, groups, entries, len(images.images) - len(ids), has_features, ways)


def _ways(project: Project) -> dict[str, str]:
    ways = {BY_CLASS: tr("Class"), BY_SPLIT: tr("Split"), BY_SUSPICION: tr("Suspicion"), BY_DATE: tr("Date added")}
    evaluated = [run for run in list_runs(project.path) if _is_evaluated(run.path)]
    return ways | {f"{BY_RUN}{run.name}": tr("Said by {run}", run=run.title) for run in reversed(evaluated[-5:])}


def _is_evaluated(run_dir: Path) -> bool:
    return any((run_dir / evaluation_file(split)).exists() for split in SPLITS)


def _coloured(project: Project, images: Snapshot, ids: Sequence[int], by: str) -> tuple[np.ndarray, tuple[Group, ...]]:
    """Return the group of each picture (N,), and the groups."""
    if by == BY_SPLIT:
        colours: dict[str, ClassColour] = {"train": 0, "val": 1, "test": 4}  # as everywhere: blue, orange, violet
        splits = {image.image_id: image.split or "" for image in images.images}
        return _named((splits.get(each, "") for each in ids), colours, tr("in no split"))
    if by == BY_SUSPICION:
        return _by_suspicion(project, ids)
    if by == BY_DATE:
        return _by_date(project, ids)
    names = images.class_names
    if by.startswith(BY_RUN):
        told = _predicted(project, by.removeprefix(BY_RUN))
        without = tr("not evaluated")
    else:
        told = {image.image_id: names[image.labels[0]] for image in images.images if image.labels}
        without = tr("no label")
    colours = class_colours(class_rows(project))
    colours = {name: colours.get(name, place) for place, name in enumerate(names)}
    return _named((told.get(each, "") for each in ids), colours, without)


def _named(
    told: Iterable[str], colours: Mapping[str, ClassColour], without: str
) -> tuple[np.ndarray, tuple[Group, ...]]:
    """Group pictures by names; those without one are the last group."""
    places = {name: place for place, name in enumerate(colours)}
    groups = np.fromiter((places.get(name, len(places)) for name in told), np.intp)
    counts = np.bincount(groups, minlength=len(places) + 1).tolist()
    entries = [
        Group(name, class_colour(colour).name(), place % _SHAPES, counts[place])
        for place, (name, colour) in enumerate(colours.items())
    ]
    return groups, (*entries, Group(without, QUIET, 0, counts[-1]))


def _stepped(
    values: Mapping[int, float], ids: Sequence[int], edges: Sequence[float], words: Callable[[int], str], without: str
) -> tuple[np.ndarray, tuple[Group, ...]]:
    """Group pictures by which of the steps their value falls into; those without a value are the last group."""
    known = np.array([values.get(each, np.nan) for each in ids])
    steps = np.searchsorted(np.asarray(edges[1:-1], float), known, side="right")
    groups = np.where(np.isnan(known), len(edges) - 1, steps).astype(np.intp)
    counts = np.bincount(groups, minlength=len(edges)).tolist()
    colours = [RAMP[round(step * (len(RAMP) - 1) / max(1, len(edges) - 2))] for step in range(len(edges) - 1)]
    entries = [Group(words(step), colours[step], step % _SHAPES, counts[step]) for step in range(len(edges) - 1)]
    return groups, (*entries, Group(without, QUIET, 0, counts[-1]))


def _by_suspicion(project: Project, ids: Sequence[int]) -> tuple[np.ndarray, tuple[Group, ...]]:
    result = read_result(project.path, "label-errors")
    findings = result.findings if result is not None else ()
    scores = {finding.image_id: finding.score for finding in reversed(findings)}
    edges = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    without = tr("nothing is said of the label")
    return _stepped(scores, ids, edges, lambda step: f"{edges[step]:.1f} – {edges[step + 1]:.1f}", without)


def _by_date(project: Project, ids: Sequence[int]) -> tuple[np.ndarray, tuple[Group, ...]]:
    """Group pictures by when they were added: one group for each import, the nearest ones together above five."""
    with project.reading() as connection:
        rows = connection.execute("SELECT id, added_at FROM image WHERE removed_at IS NULL").fetchall()
    added = {int(image_id): float(at) for image_id, at in rows}
    times = sorted(set(added.values()))
    gaps = sorted(range(1, len(times)), key=lambda place: times[place - 1] - times[place])[: len(RAMP) - 1]
    starts = [times[0], *(times[place] for place in sorted(gaps))] if times else [0.0]

    def words(step: int) -> str:
        return datetime.fromtimestamp(starts[step] / 1000).strftime("%Y-%m-%d %H:%M")

    return _stepped(added, ids, (*starts, float("inf")), words, tr("no date"))


def _predicted(project: Project, run_name: str) -> dict[int, str]:
    """Return what a run said of the pictures it was evaluated on."""
    told: dict[int, str] = {}
    for split in SPLITS:
        stored = read_evaluation(project.path / "runs" / run_name, split)
        if stored is not None:
            told |= {each.image_id: each.predicted[0] for each in stored.predictions if each.predicted}
    return told
