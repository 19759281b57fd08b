"""The quality check: unusual images are flagged with the right kind, sets with an intended look are not."""

import hashlib
import io
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawing import jpeg, scene
from PIL import Image

from visionft.analysis.check import CheckResult, Inputs
from visionft.analysis.quality import Peers, Quality, measure_images, rarity, row_store
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.types import Snapshot, SnapshotImage


def planes(pixels: np.ndarray) -> bytes:
    handle = io.BytesIO()
    Image.fromarray(pixels).save(handle, "TIFF", save_all=True, append_images=[Image.fromarray(pixels[::-1])])
    return handle.getvalue()


@pytest.fixture
def project_of(tmp_path: Path):
    """Return a function: images (pixels or bytes), their classes -> the inputs of a check."""

    def project_of(contents: list[np.ndarray | bytes], classes: list[int] | None = None, **options) -> Inputs:
        images: list[SnapshotImage] = []
        (tmp_path / "images").mkdir(exist_ok=True)
        for number, content in enumerate(contents):
            data = content if isinstance(content, bytes) else jpeg(content)
            path = tmp_path / "images" / f"{number}.jpg"
            path.write_bytes(data)
            labels = () if classes is None else (classes[number],)
            images.append(SnapshotImage(number, path, hashlib.sha256(data).hexdigest(), labels, None))
        (tmp_path / "project").mkdir(exist_ok=True)
        names = tuple(f"class {number}" for number in range(1 + max(classes or [0])))
        return Inputs(tmp_path / "project", Snapshot("single", names, tuple(images)), **options)

    return project_of


def flags(result: CheckResult) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for finding in result.flagged():
        found.setdefault(finding.image_id, set()).add(finding.kind)
    return found


def grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


FAULTS = {
    "blurred": lambda p: jpeg(cv2.GaussianBlur(p, (0, 0), 2.5)),
    "dark": lambda p: jpeg((p * 0.15).astype(np.uint8)),
    "bright": lambda p: jpeg((p * 0.2 + 204).astype(np.uint8)),
    "overexposed": lambda p: jpeg(np.clip(p * 2.2, 0, 255).astype(np.uint8)),
    "low_information": lambda p: jpeg((p * 0.1 + 110).astype(np.uint8)),
    "blank": lambda p: jpeg(np.full_like(p, 77)),
    "shape": lambda p: jpeg(p[:, :24]),
    "size": lambda p: jpeg(cv2.resize(p, None, fx=4, fy=4)),
    "corrupt": lambda p: jpeg(p)[:-500],
    "partly_read": planes,
}


@pytest.fixture
def spoilt(project_of) -> Inputs:
    """Return 60 images in two classes; the first ones have one fault each, in the order of `FAULTS`."""
    contents: list[np.ndarray | bytes] = [scene(number) for number in range(60)]
    for number, spoil in enumerate(FAULTS.values()):
        contents[number] = spoil(scene(number))
    return project_of(contents, [number % 2 for number in range(60)])


def test_each_fault_is_flagged_for_what_it_is_and_nothing_else_is(spoilt):
    result = Quality().run(spoilt)
    found = flags(result)
    assert {number: kind for number, kind in enumerate(FAULTS) if kind not in found.get(number, set())} == {}
    assert set(found) == set(range(len(FAULTS)))
    assert result.checked == 60 and result.unreadable == ()


def test_reasons_are_sentences_with_numbers_and_the_worst_come_first(spoilt):
    result = Quality().run(spoilt)
    reasons = {issue.kind: issue.reason for issue in reversed(result.flagged())}
    assert "class 0" in reasons["blurred"]
    assert "24 x 64" in reasons["shape"] and "320 x 256" in reasons["size"]
    assert "truncated" in reasons["corrupt"]
    assert all(reason.endswith(".") for reason in reasons.values())
    scores = [issue.score for issue in result.issues]
    assert scores == sorted(scores, reverse=True) and min(scores) >= 0 and max(scores) <= 1


@pytest.mark.parametrize("kind", ["dark", "bright", "overexposed", "low_information", "blurred"])
def test_a_set_that_is_so_on_purpose_is_not_flagged_wholesale(project_of, kind):
    result = Quality().run(project_of([FAULTS[kind](scene(number)) for number in range(30)]))
    assert sum(kind in kinds for kinds in flags(result).values()) <= 1


@pytest.mark.parametrize("kind", ["dark", "overexposed"])
def test_nor_is_a_class(project_of, kind):
    contents = [FAULTS[kind](scene(n)) if n % 2 else scene(n) for n in range(80)]
    result = Quality().run(project_of(contents, [number % 2 for number in range(80)]))
    assert not any(kind in kinds for kinds in flags(result).values())


def test_neither_vivid_colours_nor_upright_and_wide_images_are_odd(project_of):
    contents = [scene(n, (64, 80) if n % 2 else (80, 64)) for n in range(40)]
    assert flags(Quality().run(project_of(contents))) == {}
    contents[0][:40] = (255, 60, 30)
    assert "overexposed" not in flags(Quality().run(project_of(contents))).get(0, set())


@pytest.mark.parametrize(
    ("contents", "flagged"),
    [
        ([*map(scene, range(4)), jpeg(scene(9))[:-900]], {4: {"corrupt"}}),
        ([scene(0)], {}),
        ([scene(0)] * 20, {}),
        ([b"\xff\xd8\xff no image"] * 6, {number: {"corrupt"} for number in range(6)}),
    ],
    ids=["five", "one", "equal", "broken"],
)
def test_few_equal_or_broken_images(project_of, contents, flagged):
    assert flags(Quality().run(project_of(contents))) == flagged


def test_files_missing(project_of):
    inputs = project_of([scene(number) for number in range(10)])
    inputs.images.images[3].path.unlink()
    result = Quality().run(inputs)
    assert [each for each, _ in result.unreadable] == [3] and result.checked == 9
    inputs.images.images[3].path.write_bytes(jpeg(scene(3)))
    assert Quality().run(inputs).unreadable == ()  # nothing of it was stored


class TestOnce:
    def test_what_was_measured_is_not_opened_again(self, project_of):
        inputs = project_of([scene(number) for number in range(10)])
        first = Quality().run(inputs)
        for image in inputs.images.images:
            image.path.unlink()
        assert Quality().run(inputs) == first

    def test_equal_images_are_measured_once_and_each_has_its_row(self, project_of):
        inputs = project_of([scene(0), scene(1), scene(0)])
        _, rows, _ = measure_images(inputs)
        assert len(row_store(inputs.project_dir)) == 2 and len(rows) == 3
        assert rows[0] == rows[2] != rows[1]

    def test_stopping_keeps_what_was_done_and_goes_on_there(self, project_of):
        asked = threading.Event()
        inputs = project_of([scene(n, (24, 24)) for n in range(150)])
        stopped = Inputs(inputs.project_dir, inputs.images, JobContext(lambda _: asked.set(), asked.is_set))
        with pytest.raises(JobCancelled):
            Quality().run(stopped)
        kept = len(row_store(inputs.project_dir))
        assert 0 < kept < 150
        seen: list[int] = []
        Quality().run(Inputs(inputs.project_dir, inputs.images, JobContext(lambda event: seen.append(event.total))))
        assert seen[-1] == 150 - kept


class TestOutliers:
    def test_the_lesser_of_both_distances_counts(self):
        images = [SnapshotImage(n, Path(), "", (n % 2,), None) for n in range(200)]
        rng = np.random.default_rng(0)
        values = rng.normal(0, 1, 200)
        values[1::2] -= 20  # one class is lower on purpose
        distances = Peers(images, ("a", "b")).low(values, floor=0.1)
        assert distances.max() < 5
        values[0] = -20  # usual in the set, odd in its class: stays
        values[1] = -60
        assert Peers(images, ("a", "b")).low(values, floor=0.1)[1] > 5

    def test_rarity_asks_for_company_not_for_the_middle(self):
        values = np.array([0.0] * 50 + [10.0] * 50 + [5.0])
        scores = rarity(values, step=1.0)
        assert scores[-1] == 1 and (scores[:-1] == 0).all()
