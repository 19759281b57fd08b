"""Samples representative of a whole split."""

from pathlib import Path

from visionft.data.types import SnapshotImage
from visionft.training.loop.subsets import spread, spread_by_class


def _images(labels: list[int]) -> list[SnapshotImage]:
    return [SnapshotImage(number, Path(f"{number}.png"), "", (label,), "train") for number, label in enumerate(labels)]


def test_a_part_is_evenly_spaced_and_a_small_whole_is_left_alone() -> None:
    images = _images([0] * 10)
    assert [image.image_id for image in spread(images, 4)] == [0, 2, 5, 7]
    assert spread(images, 10) == spread(images, 99) == tuple(images)


def test_every_class_keeps_its_share_and_a_rare_one_all_it_has() -> None:
    chosen = spread_by_class(_images([0] * 90 + [1] * 3 + [0] * 10), 5)
    assert [image.labels[0] for image in chosen].count(0) == 5
    assert [image.image_id for image in chosen if image.labels[0] == 1] == [90, 91, 92]
    assert [image.image_id for image in chosen] == sorted(image.image_id for image in chosen)
