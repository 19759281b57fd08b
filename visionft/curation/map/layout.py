"""Laying pictures out so that those which look alike lie together: t-SNE, and places for pictures that came later.

openTSNE on a processor; TorchDR where there is CUDA (an extra of the package). Both are imported inside: only who draws
a map waits for them. Nothing here knows projects or files.
"""

import importlib.util
import os
from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np

from visionft.errors import NextStep, StoppedError, VisionFTError
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.neighbours import nearest

Engine = Literal["auto", "opentsne", "torchdr"]
STAGE: Final = "Drawing the map"
LEAST: Final = 10  # pictures below which neighbourhoods mean nothing
_PERPLEXITY: Final = 30
_EARLY, _LATE = (250, 12.0), 500  # rounds and exaggeration of the first phase; rounds of the second
_LARGE, _LARGE_EXAGGERATION = 50_000, 2.0  # above: denser groups, as openTSNE's guide advises for large sets
_FFT_FROM: Final = 10_000  # below, Barnes-Hut is the quicker one
_EXACT_NEIGHBOURS: Final = 40_000
_ASKED_EVERY: Final = 5  # rounds: about two seconds at 100,000 pictures on two cores
_CUDA_FROM: Final = 20_000
_EXTRA: Final = NextStep("install", requirement="visionft[cuda-map]")


def lay_out(
    rows: np.ndarray,
    *,
    seed: int = 0,
    engine: Engine = "auto",
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> np.ndarray:
    """Return (N, 2) float32 positions of rows (N, K): what lies near by angle stays near; the same for the same seed.

    Args:
        rows: Coordinates along principal axes, the first two being where the points start from.
        seed: Of the little noise that keeps points apart.
        engine: Which library computes.
        on_event: Receives how far it is.
        should_stop: Asked every few rounds.

    Raises:
        StoppedError: The user stopped.
        VisionFTError: There is no such library, or no CUDA.
    """
    if use_torchdr(engine, len(rows)):
        try:
            return _by_torchdr(rows, seed)
        except ImportError as error:
            if engine == "torchdr":
                raise VisionFTError(f"TorchDR cannot be loaded: {error}.", "Install it anew.", _EXTRA) from error
            message = f"TorchDR cannot be loaded ({error}): openTSNE draws the map."
            on_event(Notice(message=message, level="warning", next_step=_EXTRA))
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    perplexity: Any = max(1.0, min(_PERPLEXITY, (len(rows) - 1) / 3))  # any number will do; its stub says int
    try:
        places, distances = _neighbours(rows, None, round(3 * perplexity), on_event, should_stop)
        affinities = PerplexityBasedNN(
            perplexity=perplexity, knn_index=PrecomputedNeighbors(places, distances), n_jobs=threads()
        )
        embedding = TSNEEmbedding(
            start_of(rows, seed),
            affinities,
            random_state=seed,
            n_jobs=threads(),
            negative_gradient_method=_gradient(len(rows)),
        )
        phases = (_EARLY, (_LATE, _LARGE_EXAGGERATION if len(rows) > _LARGE else 1.0))
        done, total = 0, sum(rounds for rounds, _ in phases)
        for rounds, exaggeration in phases:
            embedding.optimize(
                n_iter=rounds,
                exaggeration=exaggeration,
                momentum=0.8,
                inplace=True,
                propagate_exception=True,
                callbacks=_watch(done, total, on_event, should_stop),
                callbacks_every_iters=_ASKED_EVERY,
            )
            done += rounds
    except InterruptedError as error:  # openTSNE's own end by a callback is one, too
        raise StoppedError("The map was not drawn to its end.", "Start again to draw it.") from error
    return np.asarray(embedding, np.float32)


def place_among(
    rows: np.ndarray,
    points: np.ndarray,
    new: np.ndarray,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> np.ndarray:
    """Return (M, 2) float32 positions of new rows on a map that stays as it is: openTSNE's `transform`.

    Each is placed by itself, so that it lands in the same place whatever else is new.

    Args:
        rows: (N, K) that the map was drawn from.
        points: (N, 2) where they lie.
        new: (M, K).
        on_event: Receives how far it is.
        should_stop: Asked now and then.

    Raises:
        StoppedError: The user stopped.
    """
    from openTSNE import TSNEEmbedding

    def look_up(data: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return _neighbours(rows, data, k, on_event, should_stop)

    middle = (points.max(axis=0) + points.min(axis=0)) / 2  # `transform` moves the map it is given there
    frozen = TSNEEmbedding(
        points.astype(np.float64),
        _frozen_affinities(look_up, len(rows)),
        random_state=0,
        n_jobs=threads(),
        negative_gradient_method=_gradient(len(rows)),
    )
    try:
        perplexity: Any = min(5, len(rows) / 3)
        placed = frozen.transform(new, perplexity=perplexity, k=min(15, len(rows)))
    except InterruptedError as error:
        raise StoppedError("The new pictures were not placed on the map.", "Start again to place them.") from error
    return (np.asarray(placed) + middle).astype(np.float32)


def start_of(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return (N, 2) positions to begin at: the first two axes, small, with noise that parts what is equal.

    Kobak and Linderman 2021 (doi:10.1038/s41587-020-00809-z): from principal axes, t-SNE keeps the large arrangement.
    """
    start = np.zeros((len(rows), 2))
    start[:, : min(2, rows.shape[1])] = rows[:, :2]
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    return start + np.random.default_rng(seed).normal(0, 1e-6, start.shape)


def threads() -> int:
    """Return how many threads compute: all but one of many cores, for a person works beside it."""
    cores = os.cpu_count() or 1
    return cores if cores <= 2 else cores - 1


def use_torchdr(engine: Engine, count: int) -> bool:
    """Tell whether TorchDR draws a map of so many pictures.

    Raises:
        VisionFTError: It was asked for by name and cannot.
    """
    if engine == "opentsne" or (engine == "auto" and count < _CUDA_FROM):
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


def _by_torchdr(rows: np.ndarray, seed: int, *, device: str = "cuda") -> np.ndarray:
    """Lay out on a graphics card: InfoTSNE has t-SNE's own kernel, so that `place_among` suits its maps as well."""
    import torch
    from torchdr import InfoTSNE  # pyright: ignore[reportMissingImports]

    start = torch.as_tensor(start_of(rows, seed), dtype=torch.float32)
    model = InfoTSNE(
        perplexity=_PERPLEXITY, init=start, device=device, random_state=seed, backend=None, distributed=False
    )
    found = model.fit_transform(torch.as_tensor(_unit(rows)))
    return np.asarray(torch.as_tensor(found).detach().cpu(), np.float32)


def _gradient(count: int) -> str:
    return "fft" if count >= _FFT_FROM else "bh"


def _watch(
    done: int, total: int, on_event: OnEvent, should_stop: ShouldStop
) -> Callable[[int, float, np.ndarray], bool]:
    def watch(round_: int, _error: float, _embedding: np.ndarray) -> bool:
        on_event(Progress(stage=STAGE, done=done + round_, total=total))
        return should_stop()

    return watch


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12).astype(np.float32)


def _neighbours(
    rows: np.ndarray, queries: np.ndarray | None, k: int, on_event: OnEvent, should_stop: ShouldStop
) -> tuple[np.ndarray, np.ndarray]:
    """Return (M, K) places and distances of the nearest rows by angle, each once, as openTSNE takes them."""
    found = nearest(
        _unit(rows),
        None if queries is None else _unit(queries),
        k=k,
        on_event=on_event,
        should_stop=should_stop,
        most_exact=_EXACT_NEIGHBOURS,
    )
    # An index may find fewer: the farthest one found stands in, which adds to its weight and to nothing else.
    places = np.where(found.places < 0, found.places.max(axis=1, keepdims=True), found.places)
    cosines = np.where(found.places < 0, -1.0, found.products)
    return places, np.sqrt(np.maximum(0.0, 2 - 2 * cosines)).astype(np.float64)


def _frozen_affinities(look_up: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]], count: int) -> Any:
    """Return how new rows hang on the old ones, in the form that `transform` asks for; it never asks for more."""
    from openTSNE.affinity import Affinities, joint_probabilities_nn
    from scipy.sparse import csr_matrix

    class Frozen(Affinities):
        def __init__(self) -> None:
            super().__init__()
            self.P = csr_matrix((count, count))  # how the old ones hang together: they do not move any more

        @property
        def n_samples(self) -> int:
            return count

        def to_new(self, data: np.ndarray, return_distances: bool = False, perplexity: float = 5) -> Any:
            places, distances = look_up(data, min(count, max(1, round(3 * perplexity))))
            weights = joint_probabilities_nn(
                places,
                distances,
                [min(perplexity, places.shape[1] / 3)],
                symmetrize=False,
                normalization="point-wise",
                n_reference_samples=count,
                n_jobs=threads(),
            )
            return (weights, places, distances) if return_distances else weights

    return Frozen()
