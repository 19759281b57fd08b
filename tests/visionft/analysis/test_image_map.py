"""The image map: similar images are near, placed points stay, new ones are placed, and bad input has a message."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from visionft.analysis.image_map import ImageMap, draw_map, read_map
from visionft.core.events import Notice, Progress
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_store import FeatureKind, make_current

KIND = FeatureKind(backbone="test", size=8, weights="", preprocessing="", widths=(8, 24))
CLASSES = 4


def vectors_of(count: int, *, seed: int = 0) -> np.ndarray:
    """Return (N, 32) float16 in four groups, one after the other in turn."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(CLASSES, 32)) * 4
    return (centres[np.arange(count) % CLASSES] + random.normal(size=(count, 32))).astype(np.float16)


def images_of(vectors: np.ndarray, *, first: int = 1) -> tuple[SnapshotImage, ...]:
    contents = [hashlib.sha256(row.tobytes()).hexdigest() for row in vectors]
    return tuple(
        SnapshotImage(first + place, Path(f"/images/{content}.png"), content, (place % CLASSES,), "train")
        for place, content in enumerate(contents)
    )


def project_of(folder: Path, vectors: np.ndarray) -> Snapshot:
    """Make a project folder of images with these features."""
    images = images_of(vectors)
    store = KIND.store(folder)
    store.append([image.sha256 for image in images], vectors)
    make_current(folder, KIND)
    return Snapshot("single", tuple("abcd"), images)


def purity(points: np.ndarray, groups: np.ndarray, k: int = 5) -> float:
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    return float((groups[np.argsort(distances, axis=1)[:, :k]] == groups[:, None]).mean())


def points_by_id(found: ImageMap) -> dict[int, tuple[float, float]]:
    return {int(each): tuple(point) for each, point in zip(found.image_ids, found.points.tolist(), strict=True)}


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_alike_lies_near_and_the_seed_decides(tmp_path: Path, method):
    vectors = vectors_of(120)
    images = project_of(tmp_path, vectors)
    found = draw_map(tmp_path, images, method=method)
    assert found.image_ids.tolist() == [image.image_id for image in images.images] and found.points.shape == (120, 2)
    assert found.fitted == 120 and found.is_plain == (method == "pca") and not found.left_out
    assert purity(found.points, np.arange(120) % CLASSES) > 0.9
    again = draw_map(tmp_path, images, method=method, again=True)
    assert np.array_equal(found.points, again.points)
    kept = read_map(tmp_path, images, method=method)
    assert kept is not None and np.array_equal(kept.points, found.points)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_what_was_drawn_stays_and_what_is_new_lands_among_its_like(tmp_path: Path, method):
    vectors, new = vectors_of(100), vectors_of(24, seed=5)
    images = project_of(tmp_path, vectors)
    before = points_by_id(draw_map(tmp_path, images, method=method))
    more = images_of(new, first=1000)
    KIND.store(tmp_path).append([image.sha256 for image in more], new)
    grown = dataclasses.replace(images, images=images.images + more)
    assert len(read_map(tmp_path, grown, method=method)) == 100  # type: ignore[arg-type]
    after = draw_map(tmp_path, grown, method=method)
    places = points_by_id(after)
    assert {each: places[each] for each in before} == before
    assert after.fitted == 100 and len(after) == 124 and not after.is_outgrown
    groups = np.concatenate([np.arange(100) % CLASSES, np.arange(24) % CLASSES])
    distances = ((after.points[100:, None] - after.points[None, :100]) ** 2).sum(-1)
    near = groups[np.argsort(distances, axis=1)[:, :5]]
    assert (near == groups[100:, None]).mean() > 0.9


@pytest.mark.slow
def test_of_many_images_a_sample_is_drawn_and_the_rest_placed_among_it(tmp_path: Path):
    images = project_of(tmp_path, vectors_of(200))
    whole = points_by_id(draw_map(tmp_path, images, max_tsne_images=200))
    assert points_by_id(draw_map(tmp_path, images, again=True)) == whole
    found = draw_map(tmp_path, images, again=True, max_tsne_images=100)
    assert (found.fitted, found.known, len(found)) == (100, 200, 200) and found.is_sampled and not found.is_outgrown
    assert purity(found.points, np.arange(200) % CLASSES) > 0.9
    kept = points_by_id(draw_map(tmp_path, images))
    assert kept == points_by_id(found)


def test_a_stop_keeps_the_map_before(tmp_path: Path):
    images = project_of(tmp_path, vectors_of(40))
    before = draw_map(tmp_path, images, seed=1)
    events: list[object] = []
    with pytest.raises(JobCancelled):
        draw_map(tmp_path, images, again=True, job=JobContext(events.append, lambda: len(events) > 8))
    assert sum(isinstance(each, Progress) for each in events) > 4
    kept = read_map(tmp_path, images)
    assert kept is not None and np.array_equal(kept.points, before.points)


def test_a_damaged_map_is_drawn_anew_and_says_so(tmp_path: Path):
    images = project_of(tmp_path, vectors_of(40))
    before = draw_map(tmp_path, images)
    (kept,) = (tmp_path / "curation" / "map").rglob("drawing.safetensors")
    kept.write_bytes(kept.read_bytes()[:100])
    events: list[object] = []
    after = draw_map(tmp_path, images, job=JobContext(events.append))
    assert any(isinstance(each, Notice) and "drawn again" in each.message for each in events)
    assert np.array_equal(after.points, before.points)
    (row_file,) = (tmp_path / "curation" / "map").rglob("rows.bin")
    damaged = bytearray(row_file.read_bytes())
    damaged[5] ^= 255
    row_file.write_bytes(damaged)
    assert len(read_map(tmp_path, images)) == 39  # type: ignore[arg-type]
    assert len(draw_map(tmp_path, images)) == 40


def test_what_a_killed_drawing_left_goes_with_the_next(tmp_path: Path):
    images = project_of(tmp_path, vectors_of(60))
    draw_map(tmp_path, images, method="pca")
    (folder,) = (tmp_path / "curation" / "map").glob("*/pca")
    (kept,) = [each for each in folder.iterdir() if each.is_dir()]
    (folder / "0123456789ab").mkdir()
    (folder / "0123456789ab" / "drawing.safetensors").write_bytes(b"half of one")
    draw_map(tmp_path, images, method="pca", again=True)
    (drawn,) = [each for each in folder.iterdir() if each.is_dir()]
    assert drawn != kept and {each.name for each in folder.iterdir()} == {drawn.name, "current.json"}
