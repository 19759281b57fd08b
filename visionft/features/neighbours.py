"""The nearest pictures in feature space, exactly: products of blocks; above 200,000 pictures an index of faiss.

Rows are directions (length 1), so that a product is a cosine; any other rows give inner products.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop

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
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
    stage: str = "Comparing the pictures",
    most_exact: int = MOST_EXACT,
) -> Neighbours:
    """Return the `k` nearest rows (N, D) of each query (M, D); without queries, of each row, itself left out.

    Above `most_exact` rows an index answers, which may miss some of them.

    Raises:
        InterruptedError: The user stopped.
    """
    is_own = queries is None
    asked = rows if queries is None else queries
    wanted = max(0, min(k, len(rows) - is_own))
    places = np.full((len(asked), wanted), -1, np.int64)
    products = np.full((len(asked), wanted), -np.inf, np.float32)
    index = _faiss_index(rows) if len(rows) > most_exact else None
    for start in range(0, len(asked) if wanted else 0, _BLOCK):
        if should_stop():
            raise InterruptedError
        block = np.ascontiguousarray(asked[start : start + _BLOCK], np.float32)
        own = np.arange(start, start + len(block)) if is_own else None
        if index is not None:
            found = index.search(block, wanted + is_own)
            part = _without_own(found[1], found[0], own, wanted)
        else:
            part = _exact(rows, block, own, wanted)
        places[start : start + len(block)], products[start : start + len(block)] = part
        on_event(Progress(stage=stage, done=min(len(asked), start + _BLOCK), total=len(asked)))
    return Neighbours(places, products)


def _exact(rows: np.ndarray, block: np.ndarray, own: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best `k` of all rows for a block of queries, kept while the columns go by.

    Only products above the worst that is kept so far are ranked: after the first columns those are few, and ranking all
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
        if start:
            chosen, values = _above(found, best[:, -1])
        else:
            chosen = np.argpartition(-found, min(k, found.shape[1]) - 1, axis=1)[:, :k]
            values = np.take_along_axis(found, chosen, axis=1)
        values = np.concatenate([best, values], axis=1)
        both = np.concatenate([places, chosen + start], axis=1)
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        best, places = np.take_along_axis(values, order, axis=1), np.take_along_axis(both, order, axis=1)
    return places, best


def _above(found: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns (N, most of any row) of what is above `least` (N), and the values; the rest is -inf."""
    line, column = np.nonzero(found > least[:, None])
    counts = np.bincount(line, minlength=len(found))
    slot = np.arange(len(line)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = np.zeros((len(found), int(counts.max(initial=0))), np.int64)
    values = np.full(chosen.shape, -np.inf, np.float32)
    chosen[line, slot], values[line, slot] = column, found[line, column]
    return chosen, values


def _without_own(
    places: np.ndarray, products: np.ndarray, own: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    if own is None:
        return places, products
    products = np.where(places == own[:, None], -np.inf, products)
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(products, order, axis=1)


def _faiss_index(rows: np.ndarray) -> Any:
    """Return an index that looks into the cells nearest to a query."""
    import faiss

    index: Any = faiss.index_factory(rows.shape[1], f"IVF{_CELLS},SQfp16", faiss.METRIC_INNER_PRODUCT)
    sample = rows[:: max(1, len(rows) // (40 * _CELLS))]
    index.train(np.ascontiguousarray(sample, np.float32))
    for start in range(0, len(rows), _COLUMNS):
        index.add(np.ascontiguousarray(rows[start : start + _COLUMNS], np.float32))
    index.nprobe = _PROBED
    return index
