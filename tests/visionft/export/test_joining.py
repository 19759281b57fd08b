"""An ensemble's file: one image in, members mixed inside, equal to PyTorch; shared parts are stored once."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from visionft.combining.combine import combine
from visionft.data.decode import decode
from visionft.data.types import Snapshot
from visionft.evaluation.report import evaluate_run, probabilities_of, run_logits
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.parity import read_export
from visionft.export.predictor import Predictor
from visionft.training.runs.run_folder import load_run
from visionft.training.runs.run_model import load_run_model


@pytest.fixture(scope="module")
def project(snapshot: Snapshot, trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project folder with two heads on one frozen network, and a ViT of another size and order of classes."""
    folder = tmp_path_factory.mktemp("joined")
    last = len(snapshot.class_names) - 1
    images = tuple(
        dataclasses.replace(image, labels=tuple(last - label for label in image.labels)) for image in snapshot.images
    )
    turned = dataclasses.replace(snapshot, class_names=snapshot.class_names[::-1], images=images)
    made = (("test_resnet", "linear", 64), ("test_resnet", "prototype", 64), ("test_vit", "lora", 48))
    for number, (backbone, method, size) in enumerate(made, start=1):
        images, run_dir = (
            turned if method == "lora" else snapshot,
            folder / "runs" / f"{number:03d}-{backbone}-{method}",
        )
        trained(images, run_dir, backbone=backbone, method=method, image_size=size)
    return folder


@pytest.fixture
def combined(project: Path, snapshot: Snapshot, tmp_path: Path) -> Callable[..., Path]:
    """Return a function: numbers of runs -> the folder of their combination, in a copy of the project."""
    copy = shutil.copytree(project, tmp_path / "project")
    return lambda *runs: load_run(copy, combine(copy, runs, snapshot).run).path


def test_the_file_answers_as_the_parts_do_together(combined, snapshot: Snapshot, tmp_path: Path) -> None:
    run_dir = combined("1", "3")
    result = export_run(run_dir, snapshot, tmp_path / "out")
    assert result.parity.is_equal and result.border is not None
    temperature = evaluate_run(run_dir, snapshot, "test").temperature
    asked = run_logits(load_run_model(load_run(run_dir.parent.parent, run_dir.name)), snapshot, "test")
    predictor = Predictor(result.model)
    got = np.concatenate([predictor.probabilities(decode(image.path)[None]) for image in asked.images])
    np.testing.assert_allclose(got, probabilities_of(asked, temperature), atol=2e-3)
    model = onnx.load(result.model)
    assert [each.name for each in model.graph.input] == ["image"]
    assert [each.name for each in model.graph.output] == ["probabilities", "logits"]
    said = json.loads(predictor.metadata["parts"])
    assert sorted(part["run"][:3] for part in said) == ["001", "003"]
    assert sum(part["share"] for part in said) == pytest.approx(1)
    assert json.loads((tmp_path / "out" / "export.json").read_text())["parts"] == said


def test_a_frozen_network_of_two_parts_is_stored_once(combined, project: Path, snapshot: Snapshot, tmp_path) -> None:
    alone = export_run(project / "runs" / "001-test_resnet-linear", snapshot, tmp_path / "alone")
    together = export_run(combined("1", "2"), snapshot, tmp_path / "together")
    assert together.parity.is_equal
    assert together.bytes < 1.02 * alone.bytes
    nodes = [sum(node.op_type == "Conv" for node in onnx.load(each.model).graph.node) for each in (alone, together)]
    assert nodes[0] == nodes[1]


def test_a_float_model_of_an_ensemble_is_left_out_with_the_reason(combined, snapshot: Snapshot, tmp_path) -> None:
    options = ExportOptions(float_input=True, huggingface=True)
    result = export_run(combined("1", "3"), snapshot, tmp_path / "out", options=options)
    assert len(result.left_out) == 2 and "timm" in result.left_out[1]
    assert result.float_model is None and not (tmp_path / "out" / "model_float.onnx").exists()
    assert read_export(tmp_path / "out") == result
