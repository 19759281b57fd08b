"""Data of the map: positions of images, and their groups by class, split, prediction ... No widgets here.

Read in the background, because many images take a second; see `read_map_data`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

import numpy as np

from gui.kit.class_looks import class_colours
from gui.kit.theme import ClassColour, class_colour
from gui.kit.translation import tr
from visionft.analysis.check import read_result
from visionft.analysis.image_map import ImageMap, Method, read_map
from visionft.data.types import SPLITS, Snapshot
from visionft.features.feature_store import current_kind
from visionft.project.queries import class_rows
from visionft.project.store import ProjectStore
from visionft.training.evaluation.stored import evaluation_file, read_evaluation
from visionft.training.runs.run_folder import list_runs

QUIET: Final = ""  # the colour without a group: grey, below all others
MAX_POINTS: Final = 50_000  # more are slow to draw; a sample of them is shown
BY_CLASS, BY_SPLIT, BY_ERROR, BY_DATE, BY_RUN = "class", "split", "error", "date", "run:"
# From low to high, or from early to late: colour-blind safe, of equal lightness on both backgrounds.
RAMP: Final = ("#4B74E0", "#2F93B5", "#3F9B62", "#AD8A1C", "#D2622A")


@dataclass(frozen=True, slots=True)
class MapGroup:
    """A group of images with one colour: translated words, or a name; `QUIET` as the colour is the theme's grey."""

    words: str
    colour: str
    shape: int
    count: int


Groups = tuple[np.ndarray, tuple[MapGroup, ...]]  # the group of each image (N,), and the groups


@dataclass(frozen=True)
class MapData:
    """A map with its groups."""

    method: Method  # as requested
    by: str  # the attribute for its colours
    map: ImageMap | None  # positions by the requested method, else principal axes; None where neither exists
    groups: np.ndarray  # (N,) index into `entries` for each image of the map
    drawn: np.ndarray  # (M,) places of the images shown, at most `MAX_POINTS`
    entries: tuple[MapGroup, ...]  # the groups; only classes may be empty
    without: int  # number of images of the project without a place on the map
    has_features: bool  # whether at least some images have features
    colourings: Mapping[str, str]  # {way to colour the map: its words}


def read_map_data(project: ProjectStore, method: Method, by: str) -> MapData:
    """Read the map of a project with its colouring; safe in any thread."""
    images = project.snapshot()
    found = read_map(project.path, images, method=method) or read_map(project.path, images, method="pca")
    has_features = current_kind(project.path, images.image_reading) is not None
    colourings = {BY_CLASS: tr("Class"), BY_SPLIT: tr("Split"), BY_ERROR: tr("Label error"), BY_DATE: tr("Date added")}
    runs = [
        run for run in list_runs(project.path) if any((run.path / evaluation_file(split)).exists() for split in SPLITS)
    ]
    colourings |= {f"{BY_RUN}{run.name}": tr("Predicted by {run}", run=run.title) for run in reversed(runs[-5:])}
    if found is None or not len(found):
        nothing = np.zeros(0, np.intp)
        return MapData(method, by, None, nothing, nothing, (), len(images.images), has_features, colourings)
    ids = found.image_ids.tolist()
    groups, entries = _coloured(project, images, ids, by)
    return MapData(
        method,
        by,
        found,
        groups,
        _sample(found.image_ids),
        entries,
        len(images.images) - len(ids),
        has_features,
        colourings,
    )


def _sample(image_ids: np.ndarray) -> np.ndarray:
    """Return the sorted places of at most `MAX_POINTS` images, mostly the same ones after images are added."""
    mixed = image_ids.astype(np.uint64) * np.uint64(2654435761) % np.uint64(2**32)
    return np.sort(np.argsort(mixed)[:MAX_POINTS])


def _coloured(project: ProjectStore, images: Snapshot, ids: Sequence[int], by: str) -> Groups:
    """Return the group of each image (N,), and the groups."""
    if by == BY_SPLIT:
        colours: dict[str, ClassColour] = {"train": 0, "val": 1, "test": 4}  # blue, orange, violet
        splits = {image.image_id: image.split or "" for image in images.images}
        return _named((splits.get(each, "") for each in ids), colours, tr("in no split"))
    if by == BY_ERROR:
        result = read_result(project.path, "label-errors")
        scores = {issue.image_id: issue.score for issue in reversed(result.issues if result is not None else ())}
        edges = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        names = [f"{low:.1f} – {high:.1f}" for low, high in pairwise(edges)]
        return _binned(scores, ids, edges, names, tr("no label issue"))
    if by == BY_DATE:
        return _by_date(project, ids)
    names = images.class_names
    class_of = dict[int, str]()
    without = tr("no label")
    if by.startswith(BY_RUN):
        without = tr("not evaluated")
        for split in SPLITS:
            stored = read_evaluation(project.path / "runs" / by.removeprefix(BY_RUN), split)
            if stored is not None:
                class_of |= {each.image_id: each.predicted[0] for each in stored.predictions if each.predicted}
    else:
        class_of = {image.image_id: names[image.labels[0]] for image in images.images if image.labels}
    colours = class_colours(class_rows(project))
    colours = {name: colours.get(name, place) for place, name in enumerate(names)}
    return _named((class_of.get(each, "") for each in ids), colours, without)


def _by_date(project: ProjectStore, ids: Sequence[int]) -> Groups:
    """Group images by import date: one group for each import; above five the nearest are merged."""
    with project.reading() as connection:
        rows = connection.execute("SELECT id, added_at FROM image WHERE removed_at IS NULL").fetchall()
    added = {int(image_id): float(at) for image_id, at in rows}
    times = sorted(set(added.values()))
    gaps = sorted(range(1, len(times)), key=lambda place: times[place - 1] - times[place])[: len(RAMP) - 1]
    starts = [times[0], *(times[place] for place in sorted(gaps))] if times else [0.0]
    names = [datetime.fromtimestamp(start / 1000).strftime("%Y-%m-%d %H:%M") for start in starts]
    return _binned(added, ids, (*starts, math.inf), names, tr("no date"))


def _named(names: Iterable[str], colours: Mapping[str, ClassColour], without: str) -> Groups:
    """Group images by names; those without one are the last group."""
    places = {name: place for place, name in enumerate(colours)}
    groups = np.fromiter((places.get(name, len(places)) for name in names), np.intp)
    return _entries(groups, list(colours), [class_colour(each).name() for each in colours.values()], without)


def _binned(
    values: Mapping[int, float], ids: Sequence[int], edges: Sequence[float], names: Sequence[str], without: str
) -> Groups:
    """Group images into bins by value; images without a value are the last group."""
    known = np.array([values.get(each, np.nan) for each in ids])
    steps = np.searchsorted(np.asarray(edges[1:-1], float), known, side="right")
    groups = np.where(np.isnan(known), len(names), steps).astype(np.intp)
    colours = [RAMP[round(step * (len(RAMP) - 1) / max(1, len(names) - 1))] for step in range(len(names))]
    return _entries(groups, names, colours, without)


def _entries(groups: np.ndarray, names: Sequence[str], colours: Sequence[str], without: str) -> Groups:
    counts = np.bincount(groups, minlength=len(names) + 1).tolist()
    entries = [
        MapGroup(name, colour, place % 4, counts[place])
        for place, (name, colour) in enumerate(zip(names, colours, strict=True))
    ]
    return groups, (*entries, MapGroup(without, QUIET, 0, counts[-1]))
