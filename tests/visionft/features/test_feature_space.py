"""The space of stored features: counted, limited and cleared; they are computed again, and nothing else is lost."""

import os
import time

import numpy as np
import pytest
from small_features import embed

from visionft.data.image_cache import CacheUse
from visionft.data.limits import CACHE_LIMIT_VARIABLE
from visionft.features.embedding import embedded, features_under
from visionft.features.feature_spec import FeatureSpec
from visionft.features.feature_store import clear_features, current_kind, feature_use, load_features
from visionft.project.store import ProjectStore


def of_size(project: ProjectStore, size: int):
    spec = FeatureSpec(backbone="starter_resnet", image_size=size)
    return features_under(project.path, project.snapshot().images, spec, device="cpu")


def age(project: ProjectStore, hours: float) -> None:
    """Let all stored features be of an earlier time."""
    for path in (project.path / "features").rglob("rows.bin"):
        os.utime(path, (time.time() - 3600 * hours,) * 2)


def test_features_are_counted_and_cleared_and_the_chosen_network_stays(project: ProjectStore):
    assert feature_use(project.path) == CacheUse(0, 0)
    embed(project.path, project.snapshot(), backbone="starter_vit")
    of_size(project, 64)
    before, kind = load_features(project.path, project.snapshot()), current_kind(project.path, project.image_reading)
    use = feature_use(project.path)
    assert use.files == 2 and use.bytes > 48 * 2 * sum(before.kind.widths)
    files = {
        path: path.read_bytes() for path in project.path.rglob("*") if path.is_file() and "features" not in path.parts
    }
    assert clear_features(project.path) == CacheUse(0, 0) == feature_use(project.path)
    assert all(path.read_bytes() == content for path, content in files.items())
    assert current_kind(project.path, project.image_reading) == kind
    assert len(load_features(project.path, project.snapshot()).missing) == 48
    assert embedded(project.path, project.snapshot()).kind == kind
    assert np.array_equal(load_features(project.path, project.snapshot()).vectors, before.vectors)
    assert clear_features(project.path / "nowhere") == CacheUse(0, 0)


@pytest.mark.slow
def test_features_unused_for_hours_make_room_and_the_current_ones_stay(project: ProjectStore, monkeypatch):
    embed(project.path, project.snapshot(), size=32)
    of_size(project, 64)
    of_size(project, 96)
    monkeypatch.setenv(CACHE_LIMIT_VARIABLE, "0.05")
    of_size(project, 128)
    assert feature_use(project.path).files == 4  # all are in use
    age(project, 24)
    of_size(project, 96)  # read, and so in use again
    of_size(project, 160)
    sizes = {path.parent.name.split("-")[1] for path in (project.path / "features").rglob("rows.bin")}
    assert sizes == {"32", "96", "160"}
