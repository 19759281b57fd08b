"""A map of a project's pictures: alike lies near. Drawn once, then frozen: pictures that come later find a place on it.

It lies in `curation/map/` of the project, a folder for each kind of features and each method: `current.json` names the
drawing, whose `drawing.npz` holds what places new pictures, and whose rows hold where each content lies.

The drawing keeps the scaling, the 50 axes and the rows that it was made from, so that a new picture is placed by
openTSNE's `transform` from files alone, after a restart too, in the same place whatever else is new. 15 neighbours in
50 axes are of one class as often as in all 896 numbers (.716 and .720 on trashnet, .636 and .631 on sign_digits); of
t-SNE's two numbers .720 and .569, of two principal axes .397 and .311.
"""

import logging
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from visionft.curation.check import FOLDER
from visionft.curation.map.frame import Frame, fit_frame
from visionft.curation.map.layout import LEAST, Engine, lay_out, place_among
from visionft.data.types import Snapshot
from visionft.errors import ProjectError
from visionft.events import Notice, OnEvent, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import embedded
from visionft.features.feature_store import FeatureKind, Features, current_kind
from visionft.features.row_store import RowStore
from visionft.files import read_arrays, read_json, write_arrays, write_json

logger = logging.getLogger(__name__)

Method = Literal["pca", "tsne"]
METHODS: Final[tuple[Method, ...]] = ("pca", "tsne")
_FORMAT: Final = 1
_CURRENT, _DRAWING = "current.json", "drawing.npz"
_POINT: Final = np.dtype((np.float32, (2,)))


@dataclass(frozen=True, kw_only=True)
class PictureMap:
    """Where pictures lie.

    Attributes:
        method: How it was asked to be drawn.
        image_ids: (N,) int64, in the order of the snapshot.
        points: (N, 2) float32; the unit means nothing, y grows upwards.
        left_out: (image id, reason) of pictures that have no place.
        fitted: Contents that the map was drawn from; all others were placed on it.
        is_plain: It shows two principal axes and nothing more: by wish, or because there are too few different
            pictures for neighbourhoods.
    """

    method: Method
    image_ids: np.ndarray
    points: np.ndarray
    left_out: tuple[tuple[int, str], ...]
    fitted: int
    is_plain: bool

    def __len__(self) -> int:
        """Return N."""
        return len(self.image_ids)

    @property
    def is_outgrown(self) -> bool:
        """Whether most pictures came after it was drawn, so that it should be drawn again."""
        return len(self) > 2 * self.fitted


@dataclass(frozen=True)
class _Drawing:
    """What places pictures: the projection, and the rows (N, K) and points (N, 2) that the map was drawn from."""

    frame: Frame
    rows: np.ndarray
    points: np.ndarray
    is_plain: bool

    def is_of(self, width: int) -> bool:
        """Whether it can place features (M, `width`)."""
        frame, count = self.frame, len(self.rows)
        shapes = [each.shape for each in (frame.mean, frame.divisors, frame.centre)]
        return (
            shapes == [(width,)] * 3
            and frame.axes.shape[:-1] == (width,)
            and self.rows.shape == (count, frame.axes.shape[-1])
            and self.points.shape == (count, 2)
        )

    def place(self, vectors: np.ndarray, on_event: OnEvent, should_stop: ShouldStop) -> np.ndarray:
        """Return (M, 2) places of features (M, D)."""
        rows = self.frame.project(vectors)
        if self.is_plain:
            return _two(rows)
        return place_among(self.rows, self.points, rows, on_event=on_event, should_stop=should_stop)


def draw_map(
    project_dir: Path,
    images: Snapshot,
    *,
    method: Method = "tsne",
    again: bool = False,
    seed: int = 0,
    engine: Engine = "auto",
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> PictureMap:
    """Return the map of all pictures; what is missing is drawn, placed and kept. Features are computed first.

    Args:
        project_dir: The project's folder.
        images: Its pictures.
        method: `pca` takes seconds; `tsne` shows what is alike, and takes minutes for 100,000 pictures.
        again: Draw it anew, though there is one: every picture gets another place.
        seed: The same seed, pictures and computer give the same map.
        engine: Which library draws a `tsne`.
        on_event: Receives how far it is.
        should_stop: Asked often.

    Raises:
        ProjectError: There are no pictures.
        StoppedError: The user stopped; an earlier map stays.
        VisionFTError: As `embed`, or the engine cannot be had.
    """
    if not images.images:
        raise ProjectError("There are no pictures yet.", "Import some first.")
    features = embedded(project_dir, images, on_event=on_event, should_stop=should_stop)
    if not len(features):
        raise ProjectError("The network makes nothing of any picture.", "Compute the features of another network.")
    folder = _folder(project_dir, features.kind, method)
    drawing = None if again else _read_drawing(folder, features.vectors.shape[1])
    if drawing is None:
        if not again and (folder / _CURRENT).exists():
            on_event(Notice(message="The map that was kept cannot be read: it is drawn anew.", level="warning"))
        _draw(folder, features, method, seed, engine, on_event, should_stop)
    else:
        _place_new(folder, drawing, features, on_event, should_stop)
    found = read_map(project_dir, images, method=method)
    assert found is not None
    return replace(found, left_out=_left_out(features))


def read_map(project_dir: Path, images: Snapshot, *, method: Method = "tsne") -> PictureMap | None:
    """Return the map as it was kept, at once; None where there is none. Pictures without a place are left out."""
    kind = current_kind(project_dir)
    if kind is None:
        return None
    folder = _folder(project_dir, kind, method)
    about = _about(folder)
    if about is None:
        return None
    store = RowStore(folder / about[0], _POINT)
    places = store.places([image.sha256 for image in images.images])
    known = np.flatnonzero(places >= 0)
    points, is_whole = store.rows(places[known])
    ids = np.fromiter((image.image_id for image in images.images), np.int64, len(images.images))
    placed = known[is_whole]
    rest = np.setdiff1d(np.arange(len(ids)), placed, assume_unique=True)
    return PictureMap(
        method=method,
        image_ids=ids[placed],
        points=points[is_whole],
        left_out=tuple((int(image_id), "it has no place yet") for image_id in ids[rest]),
        fitted=about[1],
        is_plain=about[2],
    )


def _left_out(features: Features) -> tuple[tuple[int, str], ...]:
    missing = tuple((image.image_id, "it cannot be read") for image in features.missing)
    return missing + tuple((image.image_id, "the network makes nothing of it") for image in features.unusable)


def _folder(project_dir: Path, kind: FeatureKind, method: Method) -> Path:
    return project_dir / FOLDER / "map" / kind.folder_name / method


def _about(folder: Path) -> tuple[str, int, bool] | None:
    """Return the current drawing's folder, how many contents it was drawn from, and whether it is plain."""
    try:
        values = read_json(folder / _CURRENT)
        if values["format"] != _FORMAT:
            return None
        return Path(str(values["drawing"])).name, int(values["fitted"]), bool(values["is_plain"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The map in %s cannot be read: %s", folder, error)
        return None


def _read_drawing(folder: Path, width: int) -> _Drawing | None:
    """Return the drawing of features (N, `width`); None where there is none that can be used."""
    about = _about(folder)
    if about is None:
        return None
    try:
        kept = {name: value.astype(np.float32) for name, value in read_arrays(folder / about[0] / _DRAWING).items()}
        frame = Frame(kept["mean"], kept["divisors"], kept["centre"], kept["axes"])
        drawing = _Drawing(frame, kept["rows"], kept["points"], about[2])
        if not drawing.is_of(width):
            raise ValueError("its parts do not fit together")
        return drawing
    except (OSError, ValueError, KeyError) as error:
        logger.warning("The map in %s cannot be read: %s", folder, error)
        return None


def _draw(
    folder: Path,
    features: Features,
    method: Method,
    seed: int,
    engine: Engine,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> None:
    """Draw a map and let everybody read it; the one before goes only then."""
    contents = [image.sha256 for image in features.images]
    _, first = np.unique(contents, return_index=True)  # copies share a place, and must not pull twice
    first.sort()
    frame = fit_frame(features)
    rows = frame.project(features.vectors[first])
    is_plain = method == "pca" or len(rows) < LEAST or rows.shape[1] < 2
    if is_plain:
        points = _two(rows)
    else:
        points = lay_out(rows, seed=seed, engine=engine, on_event=on_event, should_stop=should_stop)
    before = _about(folder)
    name = secrets.token_hex(6)
    (folder / name).mkdir(parents=True)
    _write_drawing(folder / name, _Drawing(frame, rows, points, is_plain))
    if len(first):
        RowStore(folder / name, _POINT).append([contents[place] for place in first], points)
    about = {"format": _FORMAT, "drawing": name, "fitted": len(first), "is_plain": is_plain, "seed": seed}
    write_json(folder / _CURRENT, about)
    if before is not None:
        shutil.rmtree(folder / before[0], ignore_errors=True)


def _write_drawing(folder: Path, drawing: _Drawing) -> None:
    frame = drawing.frame
    arrays = {name: getattr(frame, name) for name in ("mean", "divisors", "centre", "axes")}
    arrays |= {"rows": drawing.rows.astype(np.float16), "points": drawing.points}
    write_arrays(folder / _DRAWING, arrays)


def _place_new(folder: Path, drawing: _Drawing, features: Features, on_event: OnEvent, should_stop: ShouldStop) -> None:
    """Give pictures that came after the map a place on it; those that have one keep it."""
    about = _about(folder)
    assert about is not None
    store = RowStore(folder / about[0], _POINT)
    contents = [image.sha256 for image in features.images]
    _, first = np.unique(contents, return_index=True)
    places = store.places([contents[place] for place in first])
    is_placed = places >= 0
    is_placed[is_placed] = store.rows(places[is_placed])[1]  # a damaged row is found anew
    new = np.sort(first[~is_placed])
    if len(new):
        points = drawing.place(features.vectors[new], on_event, should_stop)
        store.append([contents[place] for place in new], points)


def _two(rows: np.ndarray) -> np.ndarray:
    """Return (N, 2): the first two axes, zeros for those that there are not."""
    points = np.zeros((len(rows), 2), np.float32)
    points[:, : min(2, rows.shape[1])] = rows[:, :2]
    return points
