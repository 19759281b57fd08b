"""The nearest images in feature space, exactly, by blocked matrix products; above 200,000 images by a faiss index.

Rows are directions (length 1), so a product is a cosine; any other rows give inner products.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.messages import Message
from visionft.events import Progress
from visionft.jobs import SILENT, JobContext

logger = logging.getLogger(__name__)

MOST_EXACT = 200_000
_BLOCK, _COLUMNS = 1024, 16_384
_CELLS, _PROBED = 1024, 32  # of the index: cells, and how many of them a question looks into


@dataclass(frozen=True)
class Neighbours:
    """(N, K) places of the nearest rows, the nearest first, and their (N, K) products; -1 where there are fewer."""

    places: np.ndarray
    products: np.ndarray


def nearest(
    rows: np.ndarray,
    queries: np.ndarray | None = None,
    *,
    k: int,
    job: JobContext = SILENT,
    stage: str = Message("Comparing the images"),
    most_exact: int = MOST_EXACT,
) -> Neighbours:
    """Return the `k` nearest rows (N, D) of each query (M, D); without queries, of each row, itself left out.

    Above `most_exact` rows an approximate index answers and may miss some of them. Raises JobCancelled: the user
    cancelled.
    """
    is_own = queries is None
    queries = rows if queries is None else queries
    wanted = max(0, min(k, len(rows) - is_own))
    places = np.full((len(queries), wanted), -1, np.int64)
    products = np.full((len(queries), wanted), -np.inf, np.float32)
    index = _faiss_index(rows) if len(rows) > most_exact else None
    for start in range(0, len(queries) if wanted else 0, _BLOCK):
        job.check_cancelled()
        block = np.ascontiguousarray(queries[start : start + _BLOCK], np.float32)
        own = np.arange(start, start + len(block)) if is_own else None
        if index is None:
            found, values = _exact(rows, block, own, wanted)
        else:
            values, found = index.search(block, wanted + is_own)
            if own is not None:
                found, values = _best(found, np.where(found == own[:, None], -np.inf, values), wanted)
        places[start : start + len(block)], products[start : start + len(block)] = found, values
        job.report(Progress(stage=stage, done=min(len(queries), start + _BLOCK), total=len(queries)))
    return Neighbours(places, products)


def _best(places: np.ndarray, values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` columns of the greatest values of each row, the greatest first."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(values, order, axis=1)


def _exact(rows: np.ndarray, block: np.ndarray, own: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best `k` of all rows for a block of queries, updated column block by column block.

    Only products above the worst of the current best are ranked: after the first columns they are few, and ranking all
    took four times as long as multiplying.
    """
    places = np.full((len(block), k), -1, np.int64)
    best = np.full((len(block), k), -np.inf, np.float32)
    for start in range(0, len(rows), _COLUMNS):
        columns = rows[start : start + _COLUMNS].astype(np.float32, copy=False)
        found = block @ columns.T
        if own is not None:
            mine = np.flatnonzero((own >= start) & (own < start + len(columns)))
            found[mine, own[mine] - start] = -np.inf
        if not start:
            chosen = np.argpartition(-found, min(k, found.shape[1]) - 1, axis=1)[:, :k]
            values = np.take_along_axis(found, chosen, axis=1)
        else:  # the values above the least of the best, as many columns as the fullest row has; the rest is -inf
            line, column = np.nonzero(found > best[:, -1:])
            counts = np.bincount(line, minlength=len(found))
            slot = np.arange(len(line)) - np.repeat(np.cumsum(counts) - counts, counts)
            chosen = np.zeros((len(found), int(counts.max(initial=0))), np.int64)
            values = np.full(chosen.shape, -np.inf, np.float32)
            chosen[line, slot], values[line, slot] = column, found[line, column]
        places, best = _best(np.hstack([places, chosen + start]), np.hstack([best, values]), k)
    return places, best


def _faiss_index(rows: np.ndarray) -> Any:
    import faiss

    index: Any = faiss.index_factory(rows.shape[1], f"IVF{_CELLS},SQfp16", faiss.METRIC_INNER_PRODUCT)
    sample = rows[:: max(1, len(rows) // (40 * _CELLS))]
    index.train(np.ascontiguousarray(sample, np.float32))
    for start in range(0, len(rows), _COLUMNS):
        index.add(np.ascontiguousarray(rows[start : start + _COLUMNS], np.float32))
    index.nprobe = _PROBED
    return index
