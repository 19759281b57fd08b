"""Exports that average with the mirror image: their answers, their figures, and what cannot be averaged."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from visionft.calibration import sigmoid, softmax
from visionft.combining.combine import combine
from visionft.data.decode import decode
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ExportError, RunError
from visionft.evaluation.report import evaluate_run
from visionft.export.export_result import read_export
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.predictor import Predictor
from visionft.files import sha256_file
from visionft.training.runs.run_folder import load_run, read_run
from visionft.training.runs.run_model import load_run_model

MIRROR = ExportOptions.for_target(mirror=True)


@torch.no_grad()
def logits_of(run_dir: Path, pixels: np.ndarray) -> np.ndarray:
    """Return the logits of one image in PyTorch."""
    (part,) = load_run_model(read_run(run_dir)).parts
    return part.classifier(part.preprocessing.apply(pixels)[None]).double().numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "is_several"), [("test_resnet", False), ("test_vit", True)])
def test_the_file_answers_with_the_mean_of_both_orientations(
    backbone: str, is_several: bool, snapshot: Snapshot, several: Snapshot, run_of, trained, tmp_path: Path
) -> None:
    images = several if is_several else snapshot
    settings = {"backbone": backbone, "method": "full"}
    run_dir = trained(several, tmp_path / "run", **settings) if is_several else run_of(*settings.values())
    usual = export_run(run_dir, images, tmp_path / "usual")
    has_variants = not is_several
    options = ExportOptions.for_target(
        mirror=True, float_input=True, huggingface=True, fp16=has_variants, int8=has_variants
    )
    result = export_run(run_dir, images, tmp_path / "out", options=options)
    predictor = Predictor(result.model, device="cpu")
    pixels = decode(images.images[0].path)
    both = logits_of(run_dir, pixels), logits_of(run_dir, pixels[:, ::-1])
    assert np.abs(both[0] - both[1]).max() > 1e-3
    expected = (sigmoid if is_several else softmax)(sum(both) / 2 / result.temperature)
    got, distance = predictor.outputs(pixels[None])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(predictor.probabilities(pixels[None, :, ::-1]), expected, atol=1e-5)
    usual_distance = Predictor(usual.model, device="cpu").outputs(pixels[None])[1]
    assert distance is not None and usual_distance is not None
    np.testing.assert_allclose(distance, usual_distance, atol=1e-4)  # of the image itself
    assert len(result.variants) == 2 * has_variants
    for variant in result.variants:
        assert variant.is_kept
        smaller = Predictor(result.model.with_name(variant.file), device="cpu")
        np.testing.assert_allclose(smaller.probabilities(pixels[None]), expected, atol=0.1)
        turned = smaller.probabilities(pixels[None, :, ::-1])
        np.testing.assert_allclose(smaller.probabilities(pixels[None]), turned, atol=1e-4)
    weights = sum(tensor.ByteSize() for tensor in onnx.load(result.model).graph.initializer)
    assert weights < 1.01 * sum(tensor.ByteSize() for tensor in onnx.load(usual.model).graph.initializer)

    assert result.float_model
    bare = onnxruntime.InferenceSession(result.model.with_name("model_float.onnx"))
    (part,) = load_run_model(read_run(run_dir)).parts
    prepared = part.preprocessing.apply(pixels).numpy()[None]
    np.testing.assert_allclose(bare.run(None, {"input": prepared})[0], sum(both) / 2, atol=1e-4)
    (reason,) = result.left_out
    assert "timm" in reason and not (tmp_path / "out" / "huggingface").exists()


@pytest.mark.slow
def test_the_figures_are_of_the_average(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    run_dir = run_of("test_resnet", "full")
    evaluate_run(run_dir, snapshot, "test")
    plain = evaluate_run(run_dir, snapshot, "val")
    result = export_run(run_dir, snapshot, tmp_path / "out", options=MIRROR)
    effect = result.mirror
    assert effect is not None and effect.plain_top1 == plain.top1 and effect.images == plain.images
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    predictor = Predictor(result.model, device="cpu")
    for split in ("val", "test"):
        shown = snapshot.labelled(split)
        said = [int(predictor.probabilities(decode(image.path)[None]).argmax()) for image in shown]
        right = np.mean([(answer,) == image.labels for answer, image in zip(said, shown, strict=True)])
        assert record["metrics"][split]["top1"] == pytest.approx(right)
    assert record["metrics"]["val"]["top1"] == effect.top1
    assert record["temperature"] == result.temperature
    assert predictor.metadata["mirror"] == "true"
    assert read_export(tmp_path / "out") == result
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"**{effect.top1:.1%}** instead of {effect.plain_top1:.1%}" in card


@pytest.fixture(scope="module")
def slanted(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return images of two classes, lines falling to the left or to the right: each is the other, mirrored."""
    folder, names, images = tmp_path_factory.mktemp("slanted"), ("left", "right"), []
    y, x = np.mgrid[0:64, 0:64]
    for number in range(40):
        label, split = number % 2, "train" if number < 20 else "val"
        waves = np.sin((y + (x if label else -x)) / 3 + number) * 90 + 128
        path = folder / f"{number}.png"
        Image.fromarray(np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)).save(path)
        images.append(
            SnapshotImage(image_id=number + 1, path=path, sha256=sha256_file(path), labels=(label,), split=split)
        )
    return Snapshot("single", names, tuple(images))


@pytest.mark.slow
def test_a_class_that_mirroring_changes_shows_in_the_figures(slanted: Snapshot, trained, tmp_path: Path) -> None:
    run_dir = trained(slanted, tmp_path / "run", backbone="test_resnet", method="linear")
    effect = export_run(run_dir, slanted, tmp_path / "out", options=MIRROR).mirror
    assert effect is not None and effect.is_worse and effect.plain_top1 > 0.9 > effect.top1
    assert effect.changed > 15 and effect.difference[1] < 0


@pytest.mark.slow
def test_an_ensemble_averages_each_of_its_networks(snapshot: Snapshot, trained, tmp_path: Path) -> None:
    for number, (backbone, method) in enumerate((("test_resnet", "knn"), ("test_vit", "linear")), start=1):
        run_dir = tmp_path / "runs" / f"{number:03d}-{method}"
        trained(snapshot, run_dir, backbone=backbone, method=method, image_size=64 - 16 * (number - 1))
    mixed = load_run(tmp_path, combine(tmp_path, ("1", "2"), snapshot).run)
    result = export_run(mixed.path, snapshot, tmp_path / "out", options=MIRROR)
    assert result.parity.is_equal and result.mirror is not None
    pixels = decode(snapshot.images[0].path)[None]
    predictor = Predictor(result.model, device="cpu")
    turned = predictor.probabilities(pixels[:, :, ::-1])
    np.testing.assert_allclose(predictor.probabilities(pixels), turned, atol=1e-5)


def test_an_index_and_images_without_labels_are_refused(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        export_run(run_of("test_resnet", "knn"), snapshot, tmp_path / "out", options=MIRROR)
    assert caught.value.hint
    unlabelled = tuple(
        image if image.split != "val" else dataclasses.replace(image, labels=()) for image in snapshot.images
    )
    with pytest.raises(RunError):
        images = dataclasses.replace(snapshot, images=unlabelled)
        export_run(run_of("test_resnet", "linear"), images, tmp_path / "out", options=MIRROR)
    assert not list(tmp_path.iterdir())
