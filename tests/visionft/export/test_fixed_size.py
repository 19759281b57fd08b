"""`model_fixed.onnx`: every size a number, equal to PyTorch, its resize measured against the exported model."""

import logging
import shutil

import numpy as np
import onnx
import pytest

from visionft.core.errors import ExportError
from visionft.data.decode import decode
from visionft.data.types import Snapshot
from visionft.export.export_result import read_export
from visionft.export.exporter import export_run
from visionft.export.fixed_size import scaled_input, values_without_size
from visionft.export.options import ExportOptions, is_made_with
from visionft.export.predictor import Predictor
from visionft.export.verifying import verify_export
from visionft.training.combining import combine
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import load_run

onnxruntime = pytest.importorskip("onnxruntime")
OPTIONS = ExportOptions.for_target(fixed_size=True, opset=18)


@pytest.fixture(scope="module", params=["test_resnet", "test_vit"])
def exported(request, run_of, snapshot: Snapshot, tmp_path_factory):
    """Return (result of an export with the file, preprocessing of its network), of each family."""
    method = "full" if request.param == "test_resnet" else "lora"
    out = tmp_path_factory.mktemp("out") / "out"
    result = export_run(run_of(request.param, method), snapshot, out, options=OPTIONS)
    return result, TrainConfig().with_settings([f"backbone={request.param}", "image_size=64"]).preprocessing


@pytest.mark.slow
def test_every_size_of_the_fixed_file_is_a_number_and_its_resize_is_measured(exported, snapshot: Snapshot) -> None:
    result, preprocessing = exported
    folder = result.model.parent
    path = folder / "model_fixed.onnx"
    assert not values_without_size(onnx.load(path)) and values_without_size(onnx.load(result.model))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 64, 64, 3]
    effect = result.fixed_size
    assert effect is not None and effect.images == 18  # of validation and test
    for image in snapshot.labelled("test"):
        pixels = decode(image.path)
        (found,) = session.run(["probabilities"], {"image": scaled_input(preprocessing, pixels)})
        difference = np.abs(found - Predictor(folder, device="cpu").probabilities(pixels[None])).max()
        assert difference <= effect.max_abs_diff + 1e-5
    with pytest.raises(ExportError) as caught:
        Predictor(path)
    assert "model.onnx" in caught.value.hint


def test_the_file_stands_in_record_and_card_and_passes_verification(exported) -> None:
    result, _ = exported
    folder = result.model.parent
    assert read_export(folder) == result and is_made_with(result, OPTIONS)
    card = (folder / "README.md").read_text()
    assert "model_fixed.onnx" in card and f"{result.fixed_size.max_abs_diff:.3f}" in card
    assert verify_export(folder).is_whole


@pytest.mark.slow
def test_an_ensemble_has_none(run_of, snapshot: Snapshot, tmp_path) -> None:
    for number, pair in enumerate((("test_resnet", "full"), ("test_vit", "lora")), start=1):
        shutil.copytree(run_of(*pair), tmp_path / "runs" / f"{number:03d}-{pair[0]}")
    mixed = load_run(tmp_path, combine(tmp_path, ("1", "2"), snapshot).run)
    result = export_run(mixed.path, snapshot, tmp_path / "out", options=OPTIONS)
    assert result.fixed_size is None and len(result.left_out) == 1


def test_tract_runs_the_fixed_file(exported, snapshot: Snapshot) -> None:
    """tract (Rust) optimises for sizes that it knows."""
    tract = pytest.importorskip("tract", reason="pip install tract")
    result, preprocessing = exported
    pixels = scaled_input(preprocessing, decode(snapshot.labelled("test")[0].path))
    path = result.model.parent / "model_fixed.onnx"
    runnable = tract.onnx().load(str(path)).into_model().into_runnable()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    difference = np.abs(runnable.run([pixels])[0].to_numpy() - session.run(["probabilities"], {"image": pixels})[0])
    logging.getLogger(__name__).info("tract: %.1e", difference.max())
    assert difference.max() <= 2e-6
