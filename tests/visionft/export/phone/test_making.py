"""The files for phones: fixed sizes, ONNX Runtime's format and Core ML, compared with the exported model."""

import json
import logging
from importlib.util import find_spec

import numpy as np
import onnx
import pytest

from visionft.combining.combine import combine
from visionft.data.decode import decode
from visionft.data.types import Snapshot
from visionft.errors import ExportError
from visionft.export.bundle.verifying import verify_export
from visionft.export.export_result import read_export
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions, is_made_with
from visionft.export.phone.fixed_size import fixed_input, values_without_size
from visionft.export.predictor import Predictor
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import load_run

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module", params=["test_resnet", "test_vit"])
def exported(request, run_of, snapshot: Snapshot, tmp_path_factory):
    """Return (result of an export for phones, preprocessing of its network), of each family."""
    method = "full" if request.param == "test_resnet" else "lora"
    options = ExportOptions.for_target(phone=True, mirror=request.param == "test_vit", opset=18)
    result = export_run(
        run_of(request.param, method), snapshot, tmp_path_factory.mktemp("out") / "out", options=options
    )
    return result, TrainConfig().with_settings([f"backbone={request.param}", "image_size=64"]).preprocessing


@pytest.mark.slow
def test_every_size_of_the_fixed_file_is_a_number_and_it_answers_alike(exported, snapshot: Snapshot) -> None:
    result, preprocessing = exported
    folder = result.model.parent
    path, prepare = folder / "model_fixed.onnx", fixed_input(preprocessing)
    assert not values_without_size(onnx.load(path)) and values_without_size(onnx.load(result.model))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 64, 64, 3]
    for image in snapshot.labelled("test"):
        pixels = decode(image.path)
        (found,) = session.run(["probabilities"], {"image": prepare(pixels)})
        np.testing.assert_allclose(found, Predictor(folder).probabilities(pixels[None]), atol=0.01)
    with pytest.raises(ExportError) as caught:
        Predictor(path)
    assert "model.onnx" in caught.value.hint


def test_the_file_in_the_runtimes_own_format_gives_the_same(exported, snapshot: Snapshot) -> None:
    folder = exported[0].model.parent
    session = onnxruntime.InferenceSession(folder / "model.ort", providers=["CPUExecutionProvider"])
    for image in snapshot.labelled("test"):
        pixels = decode(image.path)[None]
        (found,) = session.run(["probabilities"], {"image": pixels})
        np.testing.assert_allclose(found, Predictor(folder).probabilities(pixels), atol=1e-5)


def test_the_files_stand_in_record_and_card_and_pass_verification(exported) -> None:
    result, _ = exported
    folder = result.model.parent
    forms = {each.file: each for each in result.forms}
    fixed = forms["model_fixed.onnx"]
    assert fixed.images == 18 and forms["model.ort"].images == 9  # of validation and test; of validation
    assert fixed.scaled_max_abs_diff is not None and forms["model.ort"].scaled_max_abs_diff is None
    assert fixed.max_abs_diff < fixed.scaled_max_abs_diff
    assert read_export(folder) == result
    assert len(json.loads((folder / "export.json").read_text())["forms"]) == len(forms)
    card = (folder / "README.md").read_text()
    assert all(name in card for name in forms) and f"{fixed.scaled_max_abs_diff:.3f}" in card
    assert is_made_with(result, ExportOptions.for_target(phone=True, mirror=result.mirror is not None, opset=18))
    assert verify_export(folder).is_whole
    (folder / "model.ort").write_bytes(b"another")
    assert not verify_export(folder).is_whole


def test_core_ml_is_converted_or_left_out_with_the_reason(exported) -> None:
    result, _ = exported
    folder = result.model.parent / "model.mlpackage"
    form = next((each for each in result.forms if each.file == "model.mlpackage/"), None)
    assert folder.is_dir() == (form is not None) == (find_spec("coremltools") is not None)
    if form is None:
        assert any("Core ML" in each for each in result.left_out)
        return
    assert form.why_not and not form.images  # nothing but a Mac runs it
    coremltools = pytest.importorskip("coremltools")
    described = coremltools.utils.load_spec(str(folder)).description
    taken = described.input[0].type.imageType
    assert (taken.width, taken.height) == (64, 64)
    assert {each.name for each in described.output} == {"classLabel", "classLabel_probs"}


@pytest.mark.slow
def test_an_ensemble_has_only_the_runtimes_format(run_of, snapshot: Snapshot, tmp_path) -> None:
    import shutil

    for number, pair in enumerate((("test_resnet", "full"), ("test_vit", "lora")), start=1):
        shutil.copytree(run_of(*pair), tmp_path / "runs" / f"{number:03d}-{pair[0]}")
    mixed = load_run(tmp_path, combine(tmp_path, ("1", "2"), snapshot).run)
    result = export_run(mixed.path, snapshot, tmp_path / "out", options=ExportOptions.for_target(phone=True))
    assert [each.file for each in result.forms] == ["model.ort"] and len(result.left_out) == 1


def test_tract_runs_the_fixed_file(exported, snapshot: Snapshot) -> None:
    """tract (Rust) optimises for sizes that it knows."""
    tract = pytest.importorskip("tract", reason="pip install tract")
    result, preprocessing = exported
    pixels = fixed_input(preprocessing)(decode(snapshot.labelled("test")[0].path))
    path = result.model.parent / "model_fixed.onnx"
    runnable = tract.onnx().load(str(path)).into_model().into_runnable()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    difference = np.abs(runnable.run([pixels])[0].to_numpy() - session.run(["probabilities"], {"image": pixels})[0])
    logging.getLogger(__name__).info("tract: %.1e", difference.max())
    assert difference.max() <= 2e-6
