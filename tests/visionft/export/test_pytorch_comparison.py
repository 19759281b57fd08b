"""The images of the comparison with PyTorch: of all shapes and classes, each decoded once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.core.jobs import SILENT_JOB
from visionft.data.image_reading import AS_STORED
from visionft.data.types import SnapshotImage
from visionft.export.prepared import BATCHES, measure_parity, spread_by_shape


@pytest.fixture
def image_of(tmp_path: Path) -> Callable[..., SnapshotImage]:
    """Return a function (number, width, height, label) -> an image of that size."""

    def write(number: int, width: int, height: int, label: int = 0) -> SnapshotImage:
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (width, height)).save(path)
        return SnapshotImage(number, path, f"{number}", (label,), "val")

    return write


def test_the_extremes_of_size_and_shape_and_all_classes_are_compared(image_of) -> None:
    usual = [image_of(number, 40 + number % 3, 40, number % 4) for number in range(60)]
    odd = [image_of(60, 8, 8), image_of(61, 300, 290), image_of(62, 200, 12), image_of(63, 11, 210)]
    found = spread_by_shape([*usual[:30], *odd, *usual[30:]], 12, AS_STORED)
    assert len(found) == 12 and set(odd) < set(found)
    assert {image.labels for image in found if image in usual} == {(0,), (1,), (2,), (3,)}
    assert spread_by_shape(usual[:5], 12, AS_STORED) == usual[:5]


@pytest.mark.parametrize("count", [3, 24])
def test_each_image_is_compared_in_each_batch_size(count: int) -> None:
    decoded = [np.full((30 + number, 40, 3), number, np.uint8) for number in range(count)]
    seen: dict[str, list[int]] = {"expected": [], "got": []}

    def outputs_in(name: str) -> Callable[..., tuple[np.ndarray, None]]:
        def outputs(images) -> tuple[np.ndarray, None]:
            seen[name].append(len(images))
            return np.array([[image.mean(), 255 - image.mean()] for image in images]) / 255, None

        return outputs

    parity = measure_parity(outputs_in("expected"), outputs_in("got"), decoded, at_once=4, job=SILENT_JOB)
    assert parity.is_equal and parity.images == count and parity.batches == BATCHES
    assert set(seen["got"]) == set(BATCHES) and max(seen["expected"]) <= 7
    assert sum(seen["got"]) == sum(seen["expected"]) == {3: 3 + 2 + 7, 24: 17 + 2 + 7}[count]
