"""Two-dimensional layout of images by similarity: t-SNE, and placement of later images.

openTSNE on a processor; TorchDR with CUDA (an extra of the package). Both are imported lazily, because only drawing a
map needs them. Independent of projects and files.
"""

import importlib.util
import os
from typing import Any, Final, Literal

import numpy as np

from models.messages import Message
from visionft.errors import NextStep, VisionFTError
from visionft.events import Notice, Progress
from visionft.features.neighbours import nearest
from visionft.heads.numerics import unit_rows
from visionft.jobs import SILENT, JobCancelled, JobContext

Engine = Literal["auto", "opentsne", "torchdr"]
STAGE: Final = Message("Drawing the map")
LEAST: Final = 10  # number of images below which neighbourhoods are meaningless
_PERPLEXITY: Final = 30
_EARLY, _LATE = (250, 12.0), 500  # rounds and exaggeration of the first phase; rounds of the second
_LARGE, _LARGE_EXAGGERATION = 50_000, 2.0  # above: denser groups, as openTSNE's guide advises for large sets
_MOST_EXACT: Final = 40_000  # rows; above, neighbours are searched in cells
_EXTRA: Final = NextStep("install", requirement="visionft[cuda-map]")


def lay_out(rows: np.ndarray, *, seed: int = 0, engine: Engine = "auto", job: JobContext = SILENT) -> np.ndarray:
    """Return (N, 2) float32 positions of rows (N, K): t-SNE by cosine distance; reproducible with the same seed.

    The rows are coordinates along principal axes, the first two being the initial positions.

    Raises:
        VisionFTError: The engine is not available: no such library, or no CUDA.
    """
    if use_torchdr(engine, len(rows)):
        try:
            return _by_torchdr(rows, seed)
        except ImportError as error:
            if engine == "torchdr":
                raise VisionFTError(
                    Message("TorchDR cannot be loaded: {error}.", error=error), "Install it again.", _EXTRA
                ) from error
            message = Message("TorchDR cannot be loaded ({error}): openTSNE draws the map.", error=error)
            job.report(Notice(message=message, level="warning", next_step=_EXTRA))
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


def use_torchdr(engine: Engine, count: int) -> bool:
    """Return whether TorchDR computes a map of this number of images.

    Raises:
        VisionFTError: It was requested by name and is not available.
    """
    if engine == "opentsne" or (engine == "auto" and count < 20_000):
        return False
    has_library = importlib.util.find_spec("torchdr") is not None
    from visionft.devices import has_nvidia_gpu

    if engine == "torchdr" and not has_library:
        raise VisionFTError("TorchDR is not installed.", "It comes with the extra cuda-map.", _EXTRA)
    if not has_library or not has_nvidia_gpu():
        if engine == "torchdr":
            raise VisionFTError("TorchDR needs an NVIDIA graphics card.", "Let openTSNE draw the map.")
        return False
    return True


def _by_torchdr(rows: np.ndarray, seed: int) -> np.ndarray:
    """Compute the layout on a GPU: InfoTSNE has t-SNE's own kernel, so that `place_among` suits its maps as well."""
    import torch
    from torchdr import InfoTSNE  # pyright: ignore[reportMissingImports]

    start = torch.as_tensor(start_of(rows, seed), dtype=torch.float32)
    model = InfoTSNE(
        perplexity=_PERPLEXITY, init=start, device="cuda", random_state=seed, backend=None, distributed=False
    )
    found = model.fit_transform(torch.as_tensor(unit_rows(rows)))
    return np.asarray(torch.as_tensor(found).detach().cpu(), np.float32)
