"""Scaled rows: the same numbers whether kept in memory or scaled when they are read."""

import numpy as np
import pytest

from models.heads.numerics import ScaledRows, part_scaling, principal_directions


@pytest.mark.parametrize("are_directions", [False, True])
def test_rows_that_are_not_kept_are_the_same(are_directions: bool):
    vectors = np.random.default_rng(0).normal(3, 2, (300, 12)).astype(np.float16)
    scaling = part_scaling(vectors, (4, 8))
    kept, read = (ScaledRows(vectors, *scaling, are_directions, most_kept=most) for most in (300, 299))
    assert (
        np.array_equal(kept[:], read[:]) and np.array_equal(kept[7], read[7]) and np.array_equal(kept[::9], read[::9])
    )
    assert np.array_equal(np.concatenate(list(read.blocks(70))), kept[:])
    assert read @ kept[3] == pytest.approx(kept[:] @ kept[3], abs=1e-5)
    assert np.array_equal(read.among([5, 2, 9]).among([2, 0])[:], kept[[9, 5]])
    assert np.array_equal(read.among(np.arange(300) < 2)[1], kept[1]) and not len(read.among([]))
    assert np.array_equal(principal_directions(read, 3), principal_directions(kept[:], 3))
    norms = np.linalg.norm(kept[:], axis=1)
    assert norms == pytest.approx(1) if are_directions else (norms**2).mean() == pytest.approx(2, rel=1e-3)
