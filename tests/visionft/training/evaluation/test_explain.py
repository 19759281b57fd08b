"""Heat maps: they highlight the known evidence, and unreliable ones are marked."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.catalog import get_backbone
from models.classifier import TrainableClassifier, build_classifier
from models.heads.solutions import SOLUTIONS, Material
from models.methods.table import METHODS, get_method
from visionft.core.errors import RunError
from visionft.core.files import sha256_file
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.combining import combine
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation import explanation
from visionft.training.evaluation.explain import explain_batch, explain_images
from visionft.training.evaluation.explanation import Explanation, ExplanationRequest
from visionft.training.evaluation.report import evaluate_run
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.loop.train import train

COLOURS = {"blue": (50, 70, 220), "green": (40, 180, 60), "red": (210, 40, 40)}
SIDE = 128
PAIRS = [
    (backbone, method)
    for backbone in ("test_resnet", "test_vit")
    for method in METHODS
    if not get_method(method).refusal(get_backbone(backbone))
] + [("hybrid_vit", "lora")]


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, dict[Path, tuple[int, int]]]:
    """Return noisy grey images classified by the colour of a spot in one corner, and each spot's position."""
    folder, random = tmp_path_factory.mktemp("spots"), np.random.default_rng(0)
    images: list[SnapshotImage] = []
    places: dict[Path, tuple[int, int]] = {}
    for index, (name, colour) in enumerate(COLOURS.items()):
        for number in range(22):
            grey = random.integers(90, 150, (12, 12, 3)).astype(np.uint8)
            image = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            x, y = ((24, 24), (104, 24), (24, 104), (104, 104))[number % 4]
            ImageDraw.Draw(image).ellipse((x - 18, y - 18, x + 18, y + 18), fill=colour)
            path = folder / f"{name}_{number:02d}.png"
            image.save(path)
            places[path] = (x, y)
            split = "train" if number < 12 else "val" if number < 20 else "test"
            images.append(SnapshotImage(100 * index + number + 1, path, sha256_file(path), (index,), split))
    return Snapshot("single", tuple(COLOURS), tuple(images)), places


@pytest.fixture(scope="module")
def spot_run(spots, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function: backbone -> a run trained to classify the spots."""
    folder = tmp_path_factory.mktemp("runs")

    def run_of(backbone: str) -> Path:
        run_dir = folder / backbone
        if not run_dir.exists():
            config = TrainConfig(backbone=backbone, method="linear", epochs=4, device="cpu", workers=0)
            result = train(config, spots[0], run_dir)
            assert result.best is not None and result.best.val_accuracy > 0.9
        return run_dir

    return run_of


def requests_of(snapshot: Snapshot) -> list[ExplanationRequest]:
    return [ExplanationRequest(image_id=image.image_id, path=image.path) for image in snapshot.labelled("val")]


def mass_near(found: Explanation, place: tuple[int, int]) -> float:
    """Return the share of the map's mass in the quarter of the image where the spot is."""
    top, left, height, width = found.box
    spread = np.zeros(found.size, np.float32)
    spread[top : top + height, left : left + width] = explanation.resized(found.heat, height, width)
    half, (x, y) = SIDE // 2, place
    rows, columns = (slice(0, half) if at < half else slice(half, SIDE) for at in (y, x))
    return float(spread[rows, columns].sum() / max(1e-9, spread.sum()))


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["starter_resnet", "starter_vit"])
def test_the_map_lies_on_the_spot_that_decides(backbone: str, spots, spot_run) -> None:
    snapshot, places = spots
    found = explain_images(spot_run(backbone), requests_of(snapshot)[::3])
    shares = [mass_near(each, places[each.path]) for each in found]
    # A quarter would be chance. A class predicted because the others lose has no place of its own.
    assert np.mean([share > 0.4 for share in shares]) >= 0.6, shares
    trusted = [share for share, each in zip(shares, found, strict=True) if each.is_reliable]
    assert len(trusted) >= len(found) // 2, [each.verdict for each in found]
    assert np.mean(trusted) > 0.5
    again = explain_images(spot_run(backbone), requests_of(snapshot)[:1])[0]
    np.testing.assert_array_equal(again.heat, found[0].heat)
    assert again.random_deletion == found[0].random_deletion


@pytest.mark.slow
def test_the_map_of_a_combination_lies_where_its_parts_agree(spots, spot_run, tmp_path: Path) -> None:
    snapshot, places = spots
    for number, backbone in enumerate(("starter_resnet", "starter_vit"), start=1):
        shutil.copytree(spot_run(backbone), tmp_path / "runs" / f"{number:03d}-{backbone}")
    run_dir = tmp_path / "runs" / combine(tmp_path, ["1", "2"], snapshot).run
    found = explain_images(run_dir, requests_of(snapshot)[::3])
    assert all(" + " in each.method for each in found)
    trusted = [mass_near(each, places[each.path]) for each in found if each.is_reliable]
    assert len(trusted) >= len(found) // 2, [each.verdict for each in found]
    assert np.mean(trusted) > 0.5


# -- how maps are made --------------------------------------------------------------------------------------------


def small_classifier(backbone: str, method: str, **options) -> TrainableClassifier:
    row, chosen = get_backbone(backbone), get_method(method)
    classifier = build_classifier(
        row, chosen, classes=3, options=chosen.options(**options), weights=None, shape=(64, 64), seed=1
    )
    if chosen.is_live:  # it is still empty, and predicts nothing
        with torch.no_grad():
            inputs = torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(2))
            features = classifier.eval().features(inputs)
        material = Material(
            features=features,
            targets=torch.nn.functional.one_hot(torch.arange(12) % 3),
            widths=classifier.head_parts,
            options=chosen.options(),
        )
        classifier.load_head(SOLUTIONS[chosen.solution](material).state)
    return classifier.eval().requires_grad_(False)


@pytest.mark.parametrize(("backbone", "method"), PAIRS)
def test_every_method_can_be_explained_and_is_left_as_it_was(backbone: str, method: str) -> None:
    classifier = small_classifier(backbone, method)
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    with torch.no_grad():
        logits = classifier(inputs)
        found = explain_batch(classifier, inputs, torch.tensor([0, 2]))
        alone = explain_batch(classifier, inputs[1:], torch.tensor([2]))
    assert found.shape[0] == 2 and found.ndim == 3 and bool((found >= 0).all()) and bool(found.isfinite().all())
    assert not found.requires_grad and bool(found.any())
    torch.testing.assert_close(found[1:], alone, rtol=1e-3, atol=1e-6)  # images of a batch do not mix
    torch.testing.assert_close(classifier(inputs), logits)  # no hook is left
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())


# -- the test of a map --------------------------------------------------------------------------------------------


# -- trouble ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_trouble_is_said_in_words(spots, spot_run, tmp_path: Path) -> None:
    snapshot, _ = spots
    run_dir, requests = spot_run("starter_resnet"), requests_of(snapshot)
    with pytest.raises(RunError, match="purple") as caught:
        explain_images(run_dir, [dataclasses.replace(requests[0], class_name="purple")])
    assert all(name in caught.value.hint for name in COLOURS)
    gone = ExplanationRequest(image_id=9, path=tmp_path / "gone.png")
    vanished, seen = explain_images(run_dir, [gone, dataclasses.replace(requests[0], class_name="red")])
    assert vanished.error and not vanished.is_reliable
    assert seen.class_name == "red" and not seen.error
    counted = iter(range(9))
    stopped = explain_images(run_dir, requests, job=JobContext(cancelled=lambda: next(counted) >= 3))
    assert 1 <= len(stopped) <= 3


@pytest.mark.slow
def test_it_is_as_sure_as_the_evaluation_of_the_same_run(spots, spot_run: Callable[[str], Path]) -> None:
    """A prediction has one confidence on every screen: both are calibrated by the same temperature."""
    run_dir = spot_run("starter_resnet")
    requests = [ExplanationRequest(image_id=each.image_id, path=each.path) for each in spots[0].labelled("test")[:3]]
    evaluate_run(run_dir, spots[0])
    evaluate_run(run_dir, spots[0], "test")
    stored = read_evaluation(run_dir, "test")
    assert stored is not None
    evaluated = {each.image_id: each.probability for each in stored.predictions}
    for each in explain_images(run_dir, requests):
        assert each.probability == pytest.approx(evaluated[each.image_id], abs=2e-3)
    file = run_dir / "evaluation-val.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": 20.0}))
    less = [(each.probability, evaluated[each.image_id]) for each in explain_images(run_dir, requests)]
    assert all(abs(now - 1 / 3) < abs(before - 1 / 3) and now < before for now, before in less), less
    file.unlink()
