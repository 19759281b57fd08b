"""Features of a project's images: computed once per content, preserved when cancelled, refused where impossible."""

import dataclasses
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_features import embed

from visionft.core.errors import ProjectError, RunError
from visionft.core.events import Notice, Progress
from visionft.core.files import sha256_file
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.types import Snapshot
from visionft.features import embedding
from visionft.features.embedding import embedded, features_under
from visionft.features.feature_spec import FeatureSpec
from visionft.features.feature_store import load_features, stored_kinds
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

FIXTURES = Path(__file__).parents[2] / "fixtures"


def small(project: ProjectStore, **options: object):
    return embed(project.path, project.snapshot(), **options)


def test_each_image_is_looked_at_once(project: ProjectStore):
    events: list[object] = []
    found = small(project, job=JobContext(events.append))
    assert [each.done for each in events if isinstance(each, Progress) and each.total][-1] == 48
    features = load_features(project.path, project.snapshot())
    assert features.vectors.shape == (48, sum(features.kind.widths)) and features.vectors.dtype == np.float16
    assert not features.missing and not features.unusable
    assert features.images == project.snapshot().images
    again = embedded(project.path, project.snapshot())  # by the project's network
    assert again.kind == found.kind and np.array_equal(again.vectors, features.vectors)


def test_inputs_are_centred_and_numbers_that_are_none_are_set_aside(project: ProjectStore):
    small(project)
    features = load_features(project.path, project.snapshot())
    parts = np.split(features.inputs, np.cumsum(features.kind.widths)[:-1], axis=1)
    assert np.allclose(features.inputs[:].mean(axis=0), 0, atol=1e-5)
    assert np.allclose([np.square(part).sum(axis=1).mean() for part in parts], 1, atol=1e-4)
    assert np.allclose(np.linalg.norm(features.directions, axis=1), 1, atol=1e-5)
    images = project.snapshot()
    kind, image = features.kind, dataclasses.replace(images.images[0], sha256="2" * 64)
    kind.store(project.path).append([image.sha256], np.full((1, sum(kind.widths)), np.nan, np.float16))
    features = load_features(project.path, dataclasses.replace(images, images=(image, *images.images[1:])))
    assert features.unusable == (image,) and len(features) == 47 and np.isfinite(features.inputs[:]).all()


def test_a_stop_keeps_what_was_computed(project: ProjectStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedding, "BATCH", 10)
    asked = iter([False, True])
    with pytest.raises(JobCancelled):
        small(project, job=JobContext(cancelled=lambda: next(asked)))
    (store,) = (kind.store(project.path) for kind in stored_kinds(project.path))
    assert len(store) == 20
    assert len(small(project)) == 48


def test_an_edited_image_is_looked_at_again_and_a_lost_one_is_named(project: ProjectStore):
    small(project)
    first, second, *others = project.snapshot().images
    Image.new("RGB", (48, 40), "red").save(first.path)
    edited = dataclasses.replace(first, sha256=sha256_file(first.path))
    lost = dataclasses.replace(second, sha256="1" * 64, path=second.path.with_name("gone.png"))
    images = dataclasses.replace(project.snapshot(), images=(edited, lost, *others))
    assert load_features(project.path, images).missing == (edited, lost)
    events: list[object] = []
    embedded(project.path, images, job=JobContext(events.append))
    assert ["gone.png" in each.message for each in events if isinstance(each, Notice)] == [True]
    assert load_features(project.path, images).missing == (lost,)


def test_without_features_or_a_readable_image_there_is_an_error(project: ProjectStore):
    images = project.snapshot()
    with pytest.raises(ProjectError) as caught:
        load_features(project.path, images)
    assert caught.value.next_step is not None and caught.value.next_step.action == "find_issues"
    gone = tuple(dataclasses.replace(image, path=image.path.with_name("gone")) for image in images.images)
    with pytest.raises(RunError):
        embedded(project.path, Snapshot("single", images.class_names, gone))


def test_features_of_an_earlier_version_are_found_again(tmp_path: Path):
    """`features_v1` was written by commit 0f8423e6, from a `TrainConfig`: the current features, and those of a run."""
    stored = FIXTURES / "features_v1"
    with ProjectStore.create(tmp_path / "project") as project:
        import_source(project, stored / "images")
        shutil.copytree(stored / "features", project.path / "features")
        images = project.snapshot()
        before = contents(project.path / "features")
        known = embedded(project.path, images)
        assert (known.kind.backbone, known.kind.size, len(known), known.missing) == ("resnet18_in1k", 64, 4, ())
        spec = FeatureSpec(backbone="resnet18_in1k", image_size=128, framing="whole", weights="pretrained")
        found = features_under(project.path, images.images, spec, device="cpu")
        assert (found.kind.aspect, len(found), found.missing) == (1.333, 4, ())
        assert contents(project.path / "features") == before
        features_under(project.path, images.images, dataclasses.replace(spec, image_size=96), device="cpu")
        assert contents(project.path / "features") != before  # other features are computed


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_store_that_is_damaged_is_made_anew(project: ProjectStore):
    small(project)
    images = project.snapshot()
    before = load_features(project.path, images)
    folder = project.path / "features" / before.kind.folder_name
    rows, keys = (folder / "rows.bin").read_bytes(), (folder / "keys.bin").read_bytes()
    damages = (
        lambda: (folder / "rows.bin").write_bytes(rows[: len(rows) // 2]),
        lambda: (folder / "keys.bin").write_bytes(keys[:50]),
        lambda: (folder / "rows.bin").write_bytes(bytes(len(rows))),
        lambda: shutil.rmtree(project.path / "features"),
    )
    for damage in damages:
        damage()
        features = features_under(project.path, images.images, before.kind.spec, device="cpu")
        assert not features.missing and np.array_equal(features.vectors, before.vectors)


@pytest.mark.slow
def test_two_processes_at_once_complete_one_store(project: ProjectStore) -> None:
    script = f"""
from pathlib import Path
from visionft.features.embedding import features_under
from visionft.features.feature_spec import FeatureSpec
from visionft.project.store import ProjectStore
with ProjectStore.open(Path({str(project.path)!r}), read_only=True) as project:
    spec = FeatureSpec(backbone="starter_resnet", image_size=64)
    features_under(project.path, project.snapshot().images, spec, device="cpu")
"""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for work in [pool.submit(exec, script, {}) for _ in range(2)]:
            work.result()
    features = small(project)
    assert not features.missing and np.isfinite(features.inputs[:]).all()
    alone = features_under(project.path / "other", project.snapshot().images, features.kind.spec, device="cpu")
    assert np.array_equal(features.vectors, alone.vectors)
