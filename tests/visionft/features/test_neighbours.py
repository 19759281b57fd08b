"""Nearest rows: exact in blocks, by an index above; always without oneself."""

import numpy as np
import pytest

from visionft.features import neighbours
from visionft.features.neighbours import nearest


def directions(count: int, width: int = 16) -> np.ndarray:
    rows = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 5])
def test_blocks_give_what_one_product_gives(monkeypatch: pytest.MonkeyPatch, k: int):
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    monkeypatch.setattr(neighbours, "COLUMNS", 11)
    rows = directions(60)
    found = nearest(rows, k=k)
    products = rows @ rows.T
    np.fill_diagonal(products, -np.inf)
    expected = np.argsort(-products, axis=1)[:, :k]
    assert np.array_equal(found.places, expected)
    assert np.allclose(found.products, np.take_along_axis(products, expected, axis=1), atol=1e-6)
    asked = nearest(rows, rows[:3] * 2, k=k)
    assert asked.places[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("asks_for_others", [False, True])
def test_cells_find_nearly_the_same(asks_for_others: bool):
    centres = directions(40)
    rows = np.repeat(centres, 100, axis=0) + 0.6 * directions(4000)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = (rows[:2000] + rows[1000:3000]) / 2 if asks_for_others else None
    exact, found = (nearest(rows, queries, k=5, max_exact=most) for most in (10_000, 1000))
    shared = np.mean([len(set(a) & set(b)) for a, b in zip(exact.places, found.places, strict=True)])
    assert shared > 4.5 and found.products == pytest.approx(exact.products, abs=0.2)
    if queries is None:
        assert all(place not in row for place, row in enumerate(found.places.tolist()))
    few = nearest(rows, rows[:3], k=5, max_exact=1000)  # an index is not worth it
    assert np.array_equal(few.places, nearest(rows, rows[:3], k=5).places)
