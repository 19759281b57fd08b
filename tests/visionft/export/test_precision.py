"""Smaller files beside `model.onnx`: their contents, their evaluation, and the rejection of wrong ones."""

import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from visionft.core.errors import ExportError
from visionft.core.jobs import JobContext
from visionft.data.decode import decode
from visionft.data.types import Snapshot
from visionft.export.export_result import MAX_POSSIBLE_LOSS, ExportResult, VariantAgreement, read_export
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.predictor import Predictor
from visionft.export.verifying import verify_export
from visionft.training.evaluation.comparison import paired_interval

BOTH = ExportOptions.for_target(fp16=True, int8=True)


@pytest.fixture(scope="module")
def exported(run_of, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory):
    """Return a function (backbone, method) -> export with both smaller files, made once per pair."""
    folder = tmp_path_factory.mktemp("exports")

    @functools.cache
    def export(backbone: str, method: str) -> ExportResult:
        return export_run(run_of(backbone, method), snapshot, folder / f"{backbone}-{method}", options=BOTH)

    return export


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "method"), [("test_resnet", "full"), ("test_vit", "prefix"), ("test_resnet", "knn")]
)
def test_smaller_files_answer_like_the_model(backbone: str, method: str, exported, snapshot: Snapshot) -> None:
    result = exported(backbone, method)
    pixels = decode(snapshot.labelled("val")[0].path)[None]
    expected, distance = Predictor(result.model, device="cpu").outputs(pixels)
    assert [variant.precision for variant in result.variants] == ["fp16", "int8"]
    for variant in result.variants:
        assert variant.is_kept and variant.speed is not None
        assert (variant.answers.images, variant.split) == (18, "held_out")  # 9 of validation, 9 of test
        path = result.model.with_name(variant.file)
        assert path.stat().st_size == variant.bytes < variant.reference_bytes == result.bytes
        predictor = Predictor(path, device="cpu")
        assert predictor.class_names == ("blue", "green", "red")
        got, own_distance = predictor.outputs(pixels)
        np.testing.assert_allclose(got, expected, atol=0.1 if variant.precision == "int8" else 0.02)
        assert distance is not None and own_distance is not None
        np.testing.assert_allclose(own_distance, distance, rtol=0.3)
        assert predictor.temperature == pytest.approx(variant.temperature, abs=1e-5)
        assert variant.temperature == result.temperature
    assert result.samples[0].agrees and result.samples[0].models[1:] == ("model_fp16.onnx", "model_int8.onnx")
    assert read_export(result.model.parent) == result


def test_only_the_body_of_the_network_changes(exported) -> None:
    result = exported("test_resnet", "full")
    half, whole = (onnx.load(result.model.with_name(variant.file)) for variant in result.variants)
    kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    weights = {name: kind for name, kind in kinds.items() if name.endswith((".weight/half", ".weight"))}
    assert {kind for name, kind in weights.items() if "conv" in name} == {onnx.TensorProto.FLOAT16}
    assert {kind for name, kind in weights.items() if "fc" in name} == {onnx.TensorProto.FLOAT}
    assert all(kind != onnx.TensorProto.FLOAT16 for name, kind in kinds.items() if not name.endswith("/half"))
    quantised = {node.name for node in whole.graph.node if node.op_type == "QuantizeLinear"}
    assert quantised and not [name for name in quantised if "fc" in name or "preprocessing" in name]
    for tensor in whole.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8 and tensor.dims and len(tensor.dims) > 1:
            assert np.abs(numpy_helper.to_array(tensor).astype(int)).max() <= 64  # exact on every processor


def test_a_transformer_keeps_attention_norms_and_residuals_in_float(exported) -> None:
    result = exported("test_vit", "prefix")
    graph = onnx.load(result.model.with_name("model_int8.onnx")).graph
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type in ("Softmax", "LayerNormalization", "Gelu", "Add") and node.name.startswith("network/"):
            assert not any(made_by[name].op_type == "DequantizeLinear" for name in node.input if name in made_by)
    whole = [each for each in graph.initializer if each.data_type == onnx.TensorProto.INT8]
    assert not [each for each in whole if len(each.dims) == 3]
    products = [node for node in graph.node if node.op_type == "MatMul" and "attention" not in node.name]
    given = [made_by[node.input[0]].op_type for node in products if node.input[0] in made_by]
    assert given.count("DequantizeLinear") > 4


def test_evidence_works_with_a_smaller_file_in_the_script_too(exported, snapshot: Snapshot) -> None:
    result, image = exported("test_resnet", "knn"), snapshot.labelled("val")[0].path
    (prediction,) = Predictor(result.model.with_name("model_int8.onnx"), device="cpu").predict([image])
    assert prediction.evidence is not None and prediction.evidence.supporting
    command = [sys.executable, result.model.with_name("predict.py"), "--model", "model_int8.onnx", image]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert str(image) in said and "for" in said


def test_what_answers_wrongly_is_not_kept(run_of, snapshot: Snapshot, tmp_path: Path, monkeypatch) -> None:
    from visionft.export import precision_variants

    honest = precision_variants.at_half_precision

    def spoilt(network, head):
        model = honest(network, head)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT16 and len(tensor.dims) == 4:
                values = np.random.default_rng(0).standard_normal(tensor.dims).astype(np.float16)
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return model

    monkeypatch.setattr(precision_variants, "at_half_precision", spoilt)
    options = ExportOptions.for_target(fp16=True)
    result = export_run(run_of("test_resnet", "full"), snapshot, tmp_path / "out", options=options)
    (variant,) = result.variants
    assert variant.verdict == "wrong" and not variant.file and variant.speed is None
    assert not list((tmp_path / "out").glob("model_*")) and result.model.is_file()
    (told,) = json.loads((tmp_path / "out" / "export.json").read_text())["variants"]
    assert told["verdict"] == "wrong" and told["answers"]["flips"] == variant.answers.flips


@pytest.mark.parametrize("split", ["val", "train"])
def test_smaller_files_need_images(split: str, run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    without = dataclasses.replace(snapshot, images=tuple(each for each in snapshot.images if each.split != split))
    with pytest.raises(ExportError) as caught:
        export_run(run_of("test_resnet", "full"), without, tmp_path / "out", options=BOTH)
    assert caught.value.next_step is not None and caught.value.next_step.action == "split"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_stopping_keeps_the_model_alone(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    stages: list[str] = []
    job = JobContext(
        lambda event: stages.append(getattr(event, "stage", "")), lambda: "Comparing the variants" in stages
    )
    result = export_run(run_of("test_resnet", "full"), snapshot, tmp_path / "out", options=BOTH, job=job)
    assert "Comparing the variants" in stages and not result.variants and not list((tmp_path / "out").glob("model_*"))
    assert verify_export(tmp_path / "out").is_whole


ANSWERS = VariantAgreement(
    images=400,
    top1=0.9,
    reference_top1=0.9,
    difference=(-0.01, 0.01),
    flips=2,
    ece=0.02,
    reference_ece=0.02,
    max_abs_diff=0.01,
    max_distance_diff=0.0,
)


@pytest.mark.parametrize(("fixed", "broken", "images"), [(0, 0, 9), (0, 0, 58), (0, 1, 60), (2, 2, 60), (0, 1, 9)])
def test_as_many_images_as_are_lacking_make_it_sure(fixed: int, broken: int, images: int) -> None:
    def answers(count: int) -> VariantAgreement:
        reference, flips = 0.5, fixed + broken
        top1, difference = reference + (fixed - broken) / count, paired_interval(fixed, broken, count)
        changed = {"images": count, "top1": top1, "reference_top1": reference, "difference": difference, "flips": flips}
        return dataclasses.replace(ANSWERS, **changed)

    missing_images = answers(images).missing_images
    assert missing_images > 0 and answers(images).largest_loss > MAX_POSSIBLE_LOSS
    assert (
        answers(images + missing_images).largest_loss
        <= MAX_POSSIBLE_LOSS
        < answers(images + missing_images - 1).largest_loss
    )
    assert answers(images + missing_images).missing_images == 0
