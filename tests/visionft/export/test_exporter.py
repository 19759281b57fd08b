"""Exports: self-contained, equal to PyTorch or not there at all, usable with bare ONNX Runtime; of ensembles too."""

import dataclasses
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import visionft
from models.catalog import BACKBONES
from models.methods.table import METHODS
from visionft.core.errors import ExportError
from visionft.core.events import Event, ResultStored
from visionft.core.jobs import JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.decode import decode
from visionft.data.types import Snapshot
from visionft.export import prepared
from visionft.export.export_result import ExportResult, read_export
from visionft.export.exporter import export_run
from visionft.export.graph import export_network
from visionft.export.options import ARTEFACTS, Artefact, ExportOptions, is_made_with
from visionft.export.predictor import Predictor
from visionft.export.verifying import verify_export
from visionft.training.combining import combine
from visionft.training.evaluation.report import evaluate_run, probabilities_of, run_logits
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.runs.run_folder import load_run
from visionft.training.runs.run_model import load_run_model

# Once merged, the other pairs are one of these graphs (`test_classifier.py` holds merged against unmerged networks).
GRAPHS = [
    ("test_resnet", "full"),
    ("test_resnet", "adapter"),
    ("test_resnet", "knn"),
    ("test_vit", "lora"),
    ("test_vit", "adapter"),
    ("test_vit", "prefix"),
    ("test_vit", "prototype"),
    ("hybrid_vit", "lora"),
]
QUICK = [("test_resnet", "full"), ("test_vit", "lora")]


def marks_of(backbone: str, method: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a pair: all but the two quick ones take seconds or more."""
    if (backbone, method) in QUICK:
        return []
    return [pytest.mark.slow if (backbone, method) in GRAPHS else pytest.mark.long]


PAIRS = [
    pytest.param(backbone, method, marks=marks_of(backbone, method))
    for backbone in ("test_resnet", "test_vit", "hybrid_vit")
    for method in METHODS
    if not METHODS[method].refusal(BACKBONES[backbone])
]


@pytest.mark.parametrize(("backbone", "method"), PAIRS)
def test_every_method_exports_one_equal_file(backbone: str, method: str, export_of) -> None:
    result = export_of(backbone, method)
    out = result.model.parent
    assert result.parity.max_abs_diff <= 1e-4 and result.parity.top1_agreement == 1.0
    assert 0 < result.parity.max_distance_diff <= 1e-3
    assert result.parity.images == 9 and result.parity.batches == (1, 2, 7)
    names = sorted(path.name for path in out.iterdir())
    index = ["index.safetensors"] if METHODS[method].is_live else []
    assert names == ["LICENSE", "README.md", "export.json", *index, "labels.txt", "model.onnx", "predict.py", "samples"]
    assert (out / "labels.txt").read_text() == "blue\ngreen\nred\n"
    record = json.loads((out / "export.json").read_text())
    assert record["bytes"] == result.model.stat().st_size and record["parity"]["images"] == 9


def test_the_file_follows_the_contract(export_of) -> None:
    model_path = export_of("test_vit", "lora").model
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("image", "tensor(uint8)", ["batch", "height", "width", 3])
    assert [output.name for output in session.get_outputs()] == ["probabilities", "logits"]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["class_names"]) == ["blue", "green", "red"]
    assert metadata["run"] == "001-test_vit-lora"
    steps = json.loads(metadata["preprocessing"])
    assert (steps["height"], steps["width"], steps["region"]) == (64, 64, [0, 0, 1000, 1000])
    for batch, height, width in ((1, 7, 300), (5, 90, 64)):
        pixels = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
        probabilities, logits = session.run(None, {"image": pixels})
        assert probabilities.shape == logits.shape == (batch, 3)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    onnx.checker.check_model(str(model_path), full_check=True)


def test_a_changed_weight_fails_the_comparison_and_leaves_nothing(run_of, snapshot, tmp_path, monkeypatch) -> None:
    honest = prepared.assemble

    def corrupted(*args, **kwargs):
        model = honest(*args, **kwargs)
        weight = next(
            w for w in model.graph.initializer if w.name.endswith("head.weight") or w.name.endswith("fc.weight")
        )
        values = onnx.numpy_helper.to_array(weight).copy()
        values[0] += 1.0
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        return model

    monkeypatch.setattr(prepared, "assemble", corrupted)
    with pytest.raises(ExportError) as caught:
        export_run(run_of("test_resnet", "linear"), snapshot, tmp_path / "out")
    assert isinstance(caught.value.message, Message) and "max_abs_diff" in caught.value.message.values
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_earlier_one(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = export_run(run_of("test_resnet", "linear"), snapshot, out).model.read_bytes()
    calls = itertools.count()  # the first call is in the evaluation, a single batch
    with pytest.raises(JobCancelled):
        export_run(run_of("test_vit", "linear"), snapshot, out, job=JobContext(cancelled=lambda: next(calls) > 0))
    assert (out / "model.onnx").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class Watch:
    """The context of an export: at each stored result it verifies the folder and notes the artefacts of its record."""

    def __init__(self, *, stops_at: str = "", act: Callable[[Path], None] = lambda _folder: None) -> None:
        self.made, self._stops_at, self._act = list[tuple[str, ...]](), stops_at, act
        self.job = JobContext(self._report, lambda: bool(self.made) and self._stops_at in self.made[-1])

    def _report(self, event: Event) -> None:
        if isinstance(event, ResultStored):
            model = Path(event.name)
            found = read_export(model.parent)
            assert found is not None and verify_export(model.parent).is_whole
            self.made.append(found.artefacts)
            self._act(model.parent)


FURTHER = ("fp16", "fixed-size", "float-input")


@pytest.mark.slow
def test_the_model_is_whole_before_each_further_file(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    out, watch = tmp_path / "out", Watch()
    options = ExportOptions(artefacts=FURTHER)
    result = export_run(run_of("test_resnet", "knn"), snapshot, out, options=options, job=watch.job)
    assert watch.made == [FURTHER[:count] for count in range(len(FURTHER))]
    assert result.artefacts == FURTHER and read_export(out) == result and verify_export(out).is_whole
    assert "fp16" in [each.precision for each in result.variants]
    (python,) = (each for each in result.samples if each.name == "python")
    kept = [each.file for each in result.variants if each.is_kept]
    assert python.agrees and python.models == ("model.onnx", *kept)


@pytest.mark.slow
def test_cancelled_at_a_further_file_the_export_is_that_before_it(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    out, watch = tmp_path / "out", Watch(stops_at="fixed-size")
    options = ExportOptions(artefacts=FURTHER[1:])
    result = export_run(run_of("test_resnet", "linear"), snapshot, out, options=options, job=watch.job)
    assert result.artefacts == ("fixed-size",) and read_export(out) == result and verify_export(out).is_whole
    assert not is_made_with(result, options) and not (out / "model_float.onnx").exists()
    result = export_run(run_of("test_resnet", "linear"), snapshot, out, options=options)  # nothing is in the way
    assert result.artefacts == FURTHER[1:] and verify_export(out).is_whole


@pytest.mark.slow
def test_a_further_file_that_fails_leaves_the_others(run_of, snapshot: Snapshot, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_arguments: object) -> ExportResult:
        raise ExportError("It differs from PyTorch.")

    monkeypatch.setitem(ARTEFACTS, "broken", Artefact(name="broken", title="Broken", write=refuse))
    out = tmp_path / "out"
    options = ExportOptions(artefacts=("fixed-size", "broken"))
    with pytest.raises(ExportError, match="differs"):
        export_run(run_of("test_resnet", "linear"), snapshot, out, options=options)
    found = read_export(out)
    assert found is not None and found.artefacts == ("fixed-size",) and verify_export(out).is_whole


@pytest.mark.slow
def test_exports_are_the_same_bytes_each_time(run_of, export_of, snapshot, tmp_path: Path, monkeypatch) -> None:
    first = export_of("test_resnet", "lora")
    monkeypatch.setattr(prepared, "export_network", export_network)
    assert export_run(run_of("test_resnet", "lora"), snapshot, tmp_path / "again").sha256 == first.sha256


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "opset", "ir"),
    [("test_vit", 18, 8), ("test_resnet", 20, 9), ("test_resnet", 22, 10)],
)
def test_files_are_as_old_as_their_operators_and_tell_nothing_of_this_computer(
    backbone: str, opset: int, ir: int, run_of, snapshot: Snapshot, tmp_path: Path
) -> None:
    result = export_run(
        run_of(backbone, "linear"),
        snapshot,
        tmp_path / "out",
        options=ExportOptions.for_target(opset=opset, fixed_size=True),
    )
    assert result.parity.is_equal and result.opset == opset
    for path in (result.model, result.model.with_name("model_fixed.onnx")):
        model = onnx.load(path)
        (imported,) = [each for each in model.opset_import if not each.domain]
        assert (imported.version, model.ir_version) == (opset, ir)
        assert (model.producer_name, model.producer_version) == ("VisionFT", visionft.__version__)
        assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        content = path.read_bytes()
        for secret in (str(Path(visionft.__file__).parents[1]), str(tmp_path), sys.prefix, "stack_trace"):
            assert secret.encode() not in content, f"{path.name} holds {secret}"


@pytest.mark.slow
def test_weights_of_ones_own_are_named_without_their_folder(saved_weights, snapshot, trained, tmp_path) -> None:
    own = {"backbone": "test_resnet", "method": "linear", "weights": str(saved_weights)}
    run_dir = trained(snapshot, tmp_path / "001-run", **own)
    out = export_run(run_dir, snapshot, tmp_path / "out").model.parent
    record = json.loads((out / "export.json").read_text())
    assert record["weights"]["source"] == record["weights"]["origin"] == saved_weights.name
    files = [path for path in out.rglob("*") if path.is_file()]
    assert not [path.name for path in files if str(tmp_path).encode() in path.read_bytes()]


def test_the_speed_was_measured_and_the_record_reads_back(export_of, tmp_path: Path) -> None:
    result = export_of("test_resnet", "full")
    out = shutil.copytree(result.model.parent, tmp_path / "out")
    latency = result.latency
    assert latency.runs >= 10 and latency.max_ms is not None and 0 < latency.median_ms <= latency.max_ms
    assert latency.provider == "CPUExecutionProvider" and (latency.width, latency.height) == (48, 40)
    assert read_export(result.model.parent) == result
    with (out / "model.onnx").open("ab") as handle:
        handle.write(b"x")
    assert read_export(out) is None  # the measured file was another
    (out / "export.json").write_text("{")
    assert read_export(out) is None and read_export(tmp_path / "nowhere") is None


@pytest.mark.slow
def test_prediction_needs_no_torch(export_of, snapshot: Snapshot) -> None:
    model = export_of("test_resnet", "full").model
    code = (
        "import sys; from pathlib import Path; from visionft.export.predictor import Predictor\n"
        "result = list(Predictor(Path(sys.argv[1])).predict([Path(sys.argv[2])]))\n"
        "assert not result[0].error; print(sorted(m for m in sys.modules if m in ('torch', 'timm', 'peft')))"
    )
    command = [sys.executable, "-c", code, str(model), str(snapshot.images[0].path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_predictions_are_the_evaluations(run_of, export_of, snapshot: Snapshot) -> None:
    run_dir = run_of("test_resnet", "full")
    strange = dataclasses.replace(snapshot, class_names=("blue", "green", "crimson"))  # the run knows two of them
    assert evaluate_run(run_dir, strange, "test").images == 6
    evaluation = evaluate_run(run_dir, snapshot, "test")
    model = export_of("test_resnet", "full").model
    predictions = Predictor(model).predict([image.path for image in snapshot.labelled("test")])
    stored = [json.loads(line) for line in (run_dir / "predictions-test.jsonl").read_text().splitlines()]
    for prediction, line in zip(predictions, stored, strict=True):
        assert [prediction.class_name] == line["predicted"]
        assert prediction.probability == pytest.approx(line["probability"], abs=1e-4)
        assert prediction.top5[0] == (prediction.class_name, prediction.probability)
        assert dict(prediction.top5) == pytest.approx(line["probabilities"], abs=1e-4)
    assert [line["file"] for line in stored] == [str(image.path) for image in snapshot.labelled("test")]
    assert evaluation.images == 9 and np.sum(evaluation.confusion) == 9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "method"), [("test_resnet", "linear"), pytest.param("test_vit", "lora", marks=pytest.mark.long)]
)
def test_the_file_decides_as_the_run_was_measured(backbone, method, several: Snapshot, trained, tmp_path: Path) -> None:
    names = ("tench", "tench, Tinca tinca", "Tinca tinca")  # with the separator of the display
    images = dataclasses.replace(several, class_names=names)
    run_dir = trained(images, tmp_path / "run", backbone=backbone, method=method, epochs=3)
    evaluation = evaluate_run(run_dir, images, "val")
    exported = export_run(run_dir, images, tmp_path / "out", options=ExportOptions.for_target(fp16=True))
    record = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert exported.parity.top1_agreement == 1.0
    assert record["metrics"]["val"]["top1"] == evaluation.top1
    predictor = Predictor(exported.model)
    assert float(predictor.metadata["temperature"]) == record["temperature"] == evaluation.temperature
    limits = [score.threshold for score in evaluation.per_class.values()]
    assert json.loads(predictor.metadata["thresholds"]) == limits
    stored = read_evaluation(run_dir, "val")
    assert stored is not None
    assert sum(each.is_right for each in stored.predictions) == round(evaluation.top1 * evaluation.images)
    by_id = {image.image_id: image for image in images.images}
    predictions = predictor.predict([by_id[each.image_id].path for each in stored.predictions])
    for prediction, each in zip(predictions, stored.predictions, strict=True):
        assert each.true_classes == tuple(names[index] for index in by_id[each.image_id].labels)
        shares = dict(prediction.top5)
        if np.abs(np.array([shares[name] for name in names]) - limits).min() > 1e-4:
            assert set(prediction.classes or ()) == set(each.predicted)


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
        images, run_dir = turned if method == "lora" else snapshot, folder / f"runs/{number:03d}-{backbone}-{method}"
        trained(images, run_dir, backbone=backbone, method=method, image_size=size)
    return folder


@pytest.fixture
def combined(project: Path, snapshot: Snapshot, tmp_path: Path) -> Callable[..., Path]:
    """Return a function: numbers of runs -> the folder of their combination, in a copy of the project."""
    copy = shutil.copytree(project, tmp_path / "project")
    return lambda *runs: load_run(copy, combine(copy, runs, snapshot).run).path


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_frozen_network_of_two_parts_is_stored_once(combined, project: Path, snapshot: Snapshot, tmp_path) -> None:
    alone = export_run(project / "runs" / "001-test_resnet-linear", snapshot, tmp_path / "alone")
    together = export_run(combined("1", "2"), snapshot, tmp_path / "together")
    assert together.parity.is_equal
    assert together.bytes < 1.02 * alone.bytes
    nodes = [sum(node.op_type == "Conv" for node in onnx.load(each.model).graph.node) for each in (alone, together)]
    assert nodes[0] == nodes[1]
