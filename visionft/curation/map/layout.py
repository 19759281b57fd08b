"""Two-dimensional layout of images by similarity: t-SNE, and placement of later images.

Of openTSNE, which is imported lazily because only drawing a map needs it. Independent of projects and files.
"""

import os
from typing import Any, Final

import numpy as np

from models.messages import Message
from visionft.events import Progress
from visionft.features.neighbours import nearest
from visionft.heads.numerics import unit_rows
from visionft.jobs import SILENT, JobCancelled, JobContext

STAGE: Final = Message("Drawing the map")
LEAST: Final = 10  # number of images below which neighbourhoods are meaningless
_PERPLEXITY: Final = 30
_EARLY, _LATE = (250, 12.0), 500  # rounds and exaggeration of the first phase; rounds of the second
_LARGE, _LARGE_EXAGGERATION = 50_000, 2.0  # above: denser groups, as openTSNE's guide advises for large sets
_MOST_EXACT: Final = 40_000  # rows; above, neighbours are searched in cells


def lay_out(rows: np.ndarray, *, seed: int = 0, job: JobContext = SILENT) -> np.ndarray:
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
        near = nearest(unit_rows(rows), k=round(3 * perplexity), job=job, most_exact=_MOST_EXACT)
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


def place_among(rows: np.ndarray, points: np.ndarray, new: np.ndarray, *, job: JobContext = SILENT) -> np.ndarray:
    """Return (M, 2) positions of new rows (M, K) on a fixed map of rows (N, K) at points (N, 2), float32.

    Each is the median of the points of its five nearest rows, independent of the other new rows. Of 200 new rows of ten
    overlapping classes among 500, 68 % of the nearest points are of their class; after openTSNE's `transform` 66 %.
    """
    places = nearest(unit_rows(rows), unit_rows(new), k=5, job=job, most_exact=_MOST_EXACT).places
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
