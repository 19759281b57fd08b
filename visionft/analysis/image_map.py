"""A map of a project's images by similarity (t-SNE). Drawn once, then fixed: later images are placed on it.

Stored in `curation/map/` of the project, with a folder for each kind of features and each method: `current.json` names
the drawing; its `drawing.safetensors` holds the data to place new images, its rows the position of each content.
openTSNE is imported lazily because only drawing a map needs it.

The drawing stores the scaling, the 50 axes and the rows it was made from, so that a new image is placed from files
alone, after a restart too, independent of other new images. 15 neighbours in 50 axes are of one class as often
as in all 896 numbers (.716 and .720 on trashnet, .636 and .631 on sign_digits); of t-SNE's two numbers .720 and .569,
of two principal axes .397 and .311.
"""

import os
import re
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.heads.numerics import BLOCK, unit_rows
from visionft.analysis.check import CURATION_FOLDER
from visionft.core.errors import ProjectError
from visionft.core.events import Notice, Progress
from visionft.core.files import open_regular, publish_folder, read_json, temporary_folder, write_json
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.core.records import none_if_unreadable
from visionft.data.types import Snapshot
from visionft.features.embedding import embedded
from visionft.features.feature_store import FeatureKind, Features, current_kind
from visionft.features.neighbours import nearest
from visionft.features.row_store import RowStore

STAGE: Final = Message("Drawing the map")
MIN_IMAGES: Final = 10  # number of images below which neighbourhoods are meaningless
_PERPLEXITY: Final = 30
_EARLY, _LATE = (250, 12.0), 500  # rounds and exaggeration of the first phase; rounds of the second
_LARGE, _LARGE_EXAGGERATION = 50_000, 2.0  # above: denser groups, as openTSNE's guide advises for large sets
_MAX_EXACT_ROWS: Final = 40_000  # above, the neighbours are searched in cells


def lay_out(rows: np.ndarray, *, seed: int = 0, job: JobContext = SILENT_JOB) -> np.ndarray:
    """Return (N, 2) float32 positions of rows (N, K): t-SNE by cosine distance; reproducible with the same seed.

    The rows are coordinates along principal axes, the first two being the initial positions.

    Raises:
        JobCancelled: The job was cancelled.
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    cores = os.cpu_count() or 1
    jobs = cores if cores <= 2 else cores - 1  # one is left for the user's work
    perplexity: Any = max(1.0, min(_PERPLEXITY, (len(rows) - 1) / 3))  # any number will do; its stub says int
    try:
        near = nearest(unit_rows(rows), k=round(3 * perplexity), job=job, max_exact=_MAX_EXACT_ROWS)
        # Cells may have fewer: the farthest one found is repeated, with more weight and no other effect.
        places = np.where(near.places < 0, near.places.max(axis=1, keepdims=True), near.places)
        cosines = np.where(near.places < 0, -1.0, near.products)
        distances = np.sqrt(np.maximum(0.0, 2 - 2 * cosines)).astype(np.float64)
        affinities = PerplexityBasedNN(
            perplexity=perplexity, knn_index=PrecomputedNeighbors(places, distances), n_jobs=jobs
        )
        embedding = TSNEEmbedding(
            start_of(rows, seed),
            affinities,
            random_state=seed,
            n_jobs=jobs,
            negative_gradient_method="fft" if len(rows) >= 10_000 else "bh",  # below, Barnes-Hut is faster
        )
        for start, rounds, exaggeration in (
            (0, *_EARLY),
            (_EARLY[0], _LATE, _LARGE_EXAGGERATION if len(rows) > _LARGE else 1.0),
        ):

            def watch(round_: int, _error: float, _embedding: np.ndarray, start: int = start) -> bool:
                job.report(Progress(stage=STAGE, done=start + round_, total=_EARLY[0] + _LATE))
                return job.is_cancelled

            embedding.optimize(
                n_iter=rounds,
                exaggeration=exaggeration,
                momentum=0.8,
                inplace=True,
                propagate_exception=True,
                callbacks=watch,
                callbacks_every_iters=5,  # rounds: about two seconds at 100,000 images on two cores
            )
    except InterruptedError as error:  # openTSNE also raises it when a callback ends the run
        raise JobCancelled from error
    return np.asarray(embedding, np.float32)


def place_among(rows: np.ndarray, points: np.ndarray, new: np.ndarray, *, job: JobContext = SILENT_JOB) -> np.ndarray:
    """Return (M, 2) positions of new rows (M, K) on a fixed map of rows (N, K) at points (N, 2), float32.

    Each is the median of the points of its five nearest rows, independent of the other new rows. Of 200 new rows of ten
    overlapping classes among 500, 68 % of the nearest points are of their class; after openTSNE's `transform` 66 %.
    """
    places = nearest(unit_rows(rows), unit_rows(new), k=5, job=job, max_exact=_MAX_EXACT_ROWS).places
    around = points[places].astype(np.float64)
    around[places < 0] = np.nan  # a cell may have fewer
    return np.nanmedian(around, axis=1).astype(np.float32)


def start_of(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return (N, 2) initial positions: the first two axes, scaled down, with noise that separates equal points.

    Kobak and Linderman 2021 (doi:10.1038/s41587-020-00809-z): initialized with principal axes, t-SNE preserves the
    global arrangement.
    """
    start = np.zeros((len(rows), 2))
    start[:, : min(2, rows.shape[1])] = rows[:, :2]
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    return start + np.random.default_rng(seed).normal(0, 1e-6, start.shape)


Method = Literal["pca", "tsne"]
METHODS: Final[tuple[Method, ...]] = ("pca", "tsne")
_FORMAT: Final = 1
_CURRENT, _DRAWING = "current.json", "drawing.safetensors"
_NAME = re.compile(r"[0-9a-f]{12}")  # of the folder of a drawing
_POINT: Final = np.dtype((np.float32, (2,)))


MAX_TSNE_IMAGES: Final = 100_000  # distinct images; with more, t-SNE draws a sample and the others are placed among it
WIDTH: Final = 50  # axes kept: the 15 nearest are of the same class as often as with all 896 numbers (two sets)
_BLOCK: Final = 8192
_NOTHING: Final = 1e-9  # share of the variance below which an axis is rounding noise


@dataclass(frozen=True)
class Frame:
    """Principal axes of directions (features centred, scaled and normalized to length 1)."""

    mean: np.ndarray  # (D,) of the features
    divisors: np.ndarray  # (D,) scale each stage of the features to a mean squared norm of 1
    centre: np.ndarray  # (D,) mean of the directions
    axes: np.ndarray  # (D, K) orthonormal, the one with the most variance first; K is 0 where all features are equal

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return (N, K) float32 coordinates of features (N, D), as the network gave them."""
        found = np.empty((len(vectors), self.axes.shape[1]), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            rows = (vectors[start : start + _BLOCK].astype(np.float32) - self.mean) / self.divisors
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            found[start : start + len(rows)] = (rows - self.centre) @ self.axes
        return found


def fit_frame(features: Features) -> Frame:
    """Return the exact principal axes of all images' directions, from the smaller of the two Gram matrices.

    100,000 x 896 take seconds, in blocks that fit in memory.
    """
    rows = features.directions
    sums = np.stack([block.sum(axis=0, dtype=np.float64) for block in rows.blocks(BLOCK)]).sum(axis=0)
    centre = (sums / len(rows)).astype(np.float32)
    if len(rows) < rows.shape[1]:
        centred = rows[:] - centre
        values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        vectors = centred.T @ vectors.astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=0), 1e-12)
    else:
        products = np.zeros((rows.shape[1], rows.shape[1]), np.float64)
        for block in rows.blocks(_BLOCK):
            centred = block - centre
            products += centred.T @ centred
        values, vectors = np.linalg.eigh(products)
    order = np.argsort(-values, kind="stable")[: max(0, min(WIDTH, len(rows) - 1))]
    order = order[values[order] > _NOTHING * len(rows)]  # directions have length 1: their variances add up to 1 at most
    axes = vectors[:, order].astype(np.float32)
    # The sign of an axis is arbitrary: the largest component is made positive, so that a map is never mirrored.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]) if axes.size else np.ones(0)
    return Frame(*features.scaling, centre, np.ascontiguousarray(axes * signs, np.float32))


@dataclass(frozen=True, kw_only=True)
class ImageMap:
    """Positions of images on the map.

    It `is_plain` with two principal axes only: by request, or of too few different images for neighbourhoods.
    """

    method: Method
    image_ids: np.ndarray  # (N,) int64, in the order of the snapshot
    points: np.ndarray  # (N, 2) float32; the unit has no meaning, y grows upwards
    left_out: tuple[tuple[int, str], ...]  # (image id, reason) of images without a position
    fitted: int  # number of contents the map was drawn from; all others were placed on it
    is_plain: bool
    known: int  # number of contents at the time of the drawing; more than `fitted` where a sample of them was drawn

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def is_outgrown(self) -> bool:
        """Whether most images were added after the drawing, so that it should be drawn again."""
        return len(self) > 2 * self.known

    @property
    def is_sampled(self) -> bool:
        """Whether only a sample of the images was drawn, and the others were placed among them."""
        return self.known > self.fitted


@dataclass(frozen=True)
class _StoredMap:
    """Data to place new images: the projection, and the rows (N, K) and points (N, 2) of the drawn map."""

    store: RowStore  # of the points, by content
    frame: Frame
    rows: np.ndarray
    points: np.ndarray
    is_plain: bool


def draw_map(
    project_dir: Path,
    images: Snapshot,
    *,
    method: Method = "tsne",
    again: bool = False,
    seed: int = 0,
    max_tsne_images: int = MAX_TSNE_IMAGES,
    job: JobContext = SILENT_JOB,
) -> ImageMap:
    """Return the map of all images; missing parts are drawn, placed and stored. Features are computed first.

    `pca` takes seconds; `tsne` shows similarity, and takes minutes for 100,000 images. Of more than `max_tsne_images`
    images, t-SNE draws a random sample of this size and the others are placed among their nearest neighbours in it
    (`ImageMap.is_sampled`).

    With `again` an existing map is drawn again, and every image gets another position; when cancelled, the earlier map
    stays. The same seed, images and computer give the same map.

    Raises:
        ProjectError: There are no images.
        VisionFTError: As `embedded`.
    """
    if not images.images:
        raise ProjectError("There are no images yet.", "Import some first.")
    features = embedded(project_dir, images, job=job)
    if not len(features):
        raise ProjectError(
            "The network returns no usable features for any image.", "Compute the features of another network."
        )
    folder = _folder(project_dir, features.kind, method)
    drawing = None if again else _read_stored_map(folder, features.vectors.shape[1])
    if drawing is None:
        if not again and (folder / _CURRENT).exists():
            job.report(Notice(message="The stored map cannot be read: it is drawn again.", level="warning"))
        _draw(folder, features, method, seed, max_tsne_images, job)
    else:
        _place_new(drawing, features, job)
    found = read_map(project_dir, images, method=method)
    assert found is not None
    left_out = [(image.image_id, "it cannot be read") for image in features.missing]
    left_out += [(image.image_id, "the network makes nothing of it") for image in features.unusable]
    return replace(found, left_out=tuple(left_out))


def read_map(project_dir: Path, images: Snapshot, *, method: Method = "tsne") -> ImageMap | None:
    """Return the stored map, or None. Images without a position are left out."""
    kind = current_kind(project_dir, images.image_reading)
    if kind is None:
        return None
    folder = _folder(project_dir, kind, method)
    about = _about(folder)
    if about is None:
        return None
    store = RowStore(folder / about[0], _POINT)
    points, is_placed = store.read([image.sha256 for image in images.images])
    ids = np.fromiter((image.image_id for image in images.images), np.int64, len(images.images))
    return ImageMap(
        method=method,
        image_ids=ids[is_placed],
        points=points[is_placed],
        left_out=tuple((int(image_id), "it has no place yet") for image_id in ids[~is_placed]),
        fitted=about[1],
        is_plain=about[2],
        known=about[3],
    )


def _folder(project_dir: Path, kind: FeatureKind, method: Method) -> Path:
    return project_dir / CURATION_FOLDER / "map" / kind.folder_name / method


@none_if_unreadable
def _about(folder: Path) -> tuple[str, int, bool, int] | None:
    """Return the current drawing's folder, its number of contents, whether it is plain, and `ImageMap.known`."""
    values = read_json(folder / _CURRENT)
    if values["format"] != _FORMAT:
        return None
    fitted = int(values["fitted"])
    name = str(values["drawing"])
    if not _NAME.fullmatch(name):
        raise ValueError("its drawing has another name")
    return name, fitted, bool(values["is_plain"]), int(values.get("known", fitted))


@none_if_unreadable
def _read_stored_map(folder: Path, width: int) -> _StoredMap | None:
    """Return the drawing of features (N, `width`); None where there is no usable one."""
    about = _about(folder)
    if about is None:
        return None
    with open_regular(folder / about[0] / _DRAWING) as handle:
        try:
            arrays = {name: value.astype(np.float32) for name, value in load(handle.read()).items()}
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    rows, points, axes = arrays["rows"], arrays["points"], arrays["axes"]
    shapes = [arrays[name].shape for name in ("mean", "divisors", "centre")]
    fits = axes.ndim == 2 and rows.shape == (len(rows), axes.shape[1]) and points.shape == (len(rows), 2)
    if not fits or shapes != [(width,)] * 3 or len(axes) != width:
        raise ValueError("its parts do not fit together")
    frame = Frame(arrays["mean"], arrays["divisors"], arrays["centre"], axes)
    return _StoredMap(RowStore(folder / about[0], _POINT), frame, rows, points, about[2])


def _draw(folder: Path, features: Features, method: Method, seed: int, most: int, job: JobContext) -> None:
    """Draw a map readable by all users; it replaces the previous map when complete."""
    contents = [image.sha256 for image in features.images]
    _, first = np.unique(contents, return_index=True)  # copies share a position, and count once
    first.sort()
    frame = fit_frame(features)
    rows = frame.project(features.vectors if len(first) == len(features) else features.vectors[first])
    is_plain = method == "pca" or len(rows) < MIN_IMAGES or rows.shape[1] < 2
    drawn = np.arange(len(rows))
    if is_plain:
        points = _two(rows)
    elif len(rows) <= most:
        points = lay_out(rows, seed=seed, job=job)
    else:
        drawn = np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))
        points = _two(rows)
        points[drawn] = lay_out(rows[drawn], seed=seed, job=job)
        others = np.setdiff1d(np.arange(len(rows)), drawn, assume_unique=True)
        points[others] = place_among(rows[drawn], points[drawn], rows[others], job=job)
    folder.mkdir(parents=True, exist_ok=True)
    name = secrets.token_hex(6)  # as `_NAME`
    with temporary_folder(folder / "drawing") as made:
        arrays = {**vars(frame), "rows": rows[drawn].astype(np.float16), "points": points[drawn]}
        (made / _DRAWING).write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
        RowStore(made, _POINT).append([contents[place] for place in first], points)
        publish_folder(made, folder / name)
        about = {"format": _FORMAT, "drawing": name, "fitted": len(drawn), "is_plain": is_plain, "seed": seed}
        about["known"] = len(first)
        write_json(folder / _CURRENT, about)
        for other in folder.iterdir():  # drawn before, or left by a killed process
            if _NAME.fullmatch(other.name) and other.name != name:  # `folder` may be a link of others
                shutil.rmtree(other, ignore_errors=True)


def _place_new(drawing: _StoredMap, features: Features, job: JobContext) -> None:
    """Place images added after the drawing on the map; those with a position keep it."""
    store = drawing.store
    contents = [image.sha256 for image in features.images]
    _, first = np.unique(contents, return_index=True)
    new = np.sort(first[~store.read([contents[place] for place in first])[1]])
    if len(new):
        rows = drawing.frame.project(features.vectors[new])
        points = _two(rows) if drawing.is_plain else place_among(drawing.rows, drawing.points, rows, job=job)
        store.append([contents[place] for place in new], points)


def _two(rows: np.ndarray) -> np.ndarray:
    """Return (N, 2): the first two axes, zeros for missing ones."""
    points = np.zeros((len(rows), 2), np.float32)
    points[:, : min(2, rows.shape[1])] = rows[:, :2]
    return points
