"""Inputs that are no square: every family trains on them, and everything after training sees the same part."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from visionft.core.files import sha256_file
from visionft.data.types import Snapshot, SnapshotImage
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.features.embedding import features_under
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.explain import explain_images
from visionft.training.evaluation.explanation import ExplanationRequest
from visionft.training.evaluation.report import evaluate_run
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import read_run

TINY = TrainConfig(
    weights="random", image_size=64, batch_size=8, epochs=1, device="cpu", workers=0, augmentation="light"
)
WHOLE = {"framing": "whole"}
CORNER = {"framing": "region", "region": "0.5,0,1,0.25"}


@pytest.fixture(scope="module")
def corners(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return noisy images of 128 x 64 pixels, whose class is the colour of their upper right corner alone."""
    folder, random, images = tmp_path_factory.mktemp("corners"), np.random.default_rng(0), []
    for number in range(36):
        label = number % 2
        pixels = random.integers(0, 256, (64, 128, 3), np.uint8)
        pixels[:16, 64:] = (220, 30, 30) if label else (30, 30, 220)
        pixels[:16, 64:] += random.integers(0, 30, (16, 64, 3), np.uint8)  # k-NN sets copies of a known image aside
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        split = "train" if number < 20 else "val" if number < 28 else "test"
        images.append(SnapshotImage(number + 1, path, sha256_file(path), (label,), split))
    return Snapshot("single", ("blue", "red"), tuple(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "method", "framing", "shape"),
    [
        ("test_vit", "lora", WHOLE, (48, 96)),
        ("starter_resnet", "knn", CORNER, (32, 128)),
    ],
)
def test_a_run_sees_its_frame_from_training_to_the_exported_file(
    backbone, method, framing, shape, corners: Snapshot, tmp_path: Path
) -> None:
    weights = "pretrained" if method == "knn" else TINY.weights  # whose features tell the classes apart anywhere
    config = dataclasses.replace(TINY, backbone=backbone, method=method, weights=weights, **framing)
    run_dir = tmp_path / "project" / "runs" / "001-a"
    train(config, corners, run_dir)
    kept = read_run(run_dir).config
    assert kept.input_shape == shape and kept.aspect > 1
    if method == "knn":
        assert evaluate_run(run_dir, corners, "test").top1 == 1.0  # the rest of the image is noise
    result = export_run(
        run_dir, corners, tmp_path / "out", options=ExportOptions.for_target(float_input=method != "knn")
    )
    assert result.parity.is_equal
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (record["preprocessing"]["height"], record["preprocessing"]["width"]) == shape
    request = ExplanationRequest(image_id=1, path=corners.images[0].path)
    (found,) = explain_images(run_dir, [request])
    assert not found.error and found.box == kept.preprocessing.crop_box(64, 128)
    if method != "knn":
        bare = onnxruntime.InferenceSession(tmp_path / "out" / "model_float.onnx")
        assert bare.get_inputs()[0].shape[1:] == [3, *shape]


def test_features_of_one_framing_are_not_taken_for_another(corners: Snapshot, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, backbone="starter_resnet", method="linear", weights="pretrained")
    square = features_under(tmp_path, corners.images, config.features)
    framed = features_under(tmp_path, corners.images, dataclasses.replace(config, **WHOLE).features)
    assert square.kind.folder_name != framed.kind.folder_name and not np.allclose(square.vectors, framed.vectors)
    again = features_under(tmp_path, corners.images, config.features)
    assert np.array_equal(again.vectors, square.vectors)
