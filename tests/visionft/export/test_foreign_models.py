"""ONNX files of foreign make: a clear word for whatever is wrong with one, and an end to what never ends."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from visionft.errors import ExportError, VisionFTError
from visionft.export import predictor
from visionft.export.predictor import Predictor

PIXELS = np.zeros((1, 4, 5, 3), np.uint8)
IMAGE = ("image", TensorProto.UINT8, ["batch", "height", "width", 3])
ANSWER = ("probabilities", TensorProto.FLOAT, ["batch", "classes"])
DEEP = "[" * 100_000


def value(name: str, kind: int, shape: Sequence[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(path: Path, nodes: list[Any], *, given=(IMAGE,), answer=ANSWER, constants=(), **metadata: str) -> Path:
    """Write a graph with metadata; it names three classes where nothing else is said."""
    graph = helper.make_graph(nodes, "g", [value(*each) for each in given], [value(*answer)], list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {"class_names": json.dumps(["a", "b", "c"])} | metadata)
    onnx.save(model, path)
    return path


def saved(path: Path, values: Sequence[float] = (0.1, 0.2, 0.7), **others: Any) -> Path:
    """Write a graph that answers with the same values for every picture."""
    constant = helper.make_tensor("c", TensorProto.FLOAT, [1, len(values)], values)
    name = others.get("answer", ANSWER)[0]
    return save(path, [helper.make_node("Identity", ["c"], [name])], constants=[constant], **others)


def test_a_sound_file_of_foreign_make_is_used(tmp_path: Path) -> None:
    answer = Predictor(saved(tmp_path / "m.onnx", thresholds="[0.1, 0.5, 0.5]", temperature="warm")).predict_pixels(
        PIXELS[0]
    )
    assert (answer.class_name, answer.classes) == ("c", ("c", "a"))


@pytest.mark.parametrize("names", ["{", "5", "null", "[]", '{"a": 1}', "[1, 2, 3]", '["a", "", "c"]', DEEP])
def test_class_names_that_are_none_are_said(names: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"m\.onnx does not name its classes.*Give a model\.onnx"):
        Predictor(saved(tmp_path / "m.onnx", class_names=names))


def test_more_names_than_answers_are_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="names 4 classes and answers with 3"):
        Predictor(saved(tmp_path / "m.onnx", class_names='["a", "b", "c", "d"]'))


@pytest.mark.parametrize(
    "limits", ["{", "[1, 2]", '"x"', '{"a": 1}', "[NaN, 1, 1]", "[[1], [1, 2], 3]", f"[1{'0' * 400}, 1, 1]", DEEP]
)
def test_thresholds_that_are_none_are_said(limits: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"m\.onnx holds “thresholds” that are no"):
        Predictor(saved(tmp_path / "m.onnx", thresholds=limits))


def test_the_network_without_its_preprocessing_is_told_from_the_model(run_of, snapshot, tmp_path: Path) -> None:
    from visionft.export.exporter import export_run
    from visionft.export.options import ExportOptions

    exported = export_run(
        run_of("test_vit", "linear"), snapshot, tmp_path / "out", options=ExportOptions(float_input=True)
    )
    assert exported.float_model
    with pytest.raises(ExportError, match=r"normalised before.*Give the model\.onnx beside it"):
        Predictor(exported.float_model)


@pytest.mark.parametrize(
    "given",
    [
        [("picture", *IMAGE[1:])],
        [("image", TensorProto.UINT8, ["batch", "height", "width", 4])],
        [("image", TensorProto.FLOAT, ["batch", 8])],
        [IMAGE, ("more", TensorProto.FLOAT, [1])],
    ],
)
def test_another_input_is_said(given, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"takes other input than image \(uint8\)"):
        Predictor(saved(tmp_path / "m.onnx", given=given))


def test_another_output_is_said(tmp_path: Path) -> None:
    cast = helper.make_node("Cast", ["image"], ["probabilities"], to=TensorProto.FLOAT)
    other = saved(tmp_path / "named.onnx", answer=("scores", *ANSWER[1:]))
    flat = save(tmp_path / "flat.onnx", [cast], answer=("probabilities", TensorProto.FLOAT, ["b", "h", "w", 3]))
    for path in (other, flat):
        with pytest.raises(ExportError, match=rf"{path.name} gives no probabilities"):
            Predictor(path)


@pytest.mark.parametrize(
    ("values", "said"), [((1, 2), "names 3 classes and answers with 2"), ((float("nan"), 0, 0), "no numbers")]
)
def test_answers_that_are_none_are_said(values, said: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=said):
        Predictor(saved(tmp_path / "m.onnx", values)).probabilities(PIXELS)


def test_a_graph_that_fails_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "c"], ["probabilities"]),
    ]
    shape = helper.make_tensor("c", TensorProto.INT64, [2], [7, 3])
    model = Predictor(save(tmp_path / "m.onnx", nodes, constants=[shape]))
    with pytest.raises(ExportError, match=r"m\.onnx does not run"):
        model.predict_pixels(PIXELS[0])
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_takes_all_memory_is_said(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["image"], ["one"], start=0, end=1),
        helper.make_node("Mul", ["one", "many"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("Reshape", ["large", "rows"], ["probabilities"]),
    ]
    sizes = [("many", [1 << 50]), ("rows", [-1, 3])]
    constants = [helper.make_tensor(name, TensorProto.INT64, [len(size)], size) for name, size in sizes]
    with pytest.raises(VisionFTError, match=r"does not run|not enough memory"):
        Predictor(save(tmp_path / "m.onnx", nodes, constants=constants)).probabilities(PIXELS)


def test_a_graph_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "LONGEST_S", 0.5)
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Add", ["x", "c"], ["y"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("x", TensorProto.FLOAT, [1, 3])],
        [value("go_on", TensorProto.BOOL, []), value("y", TensorProto.FLOAT, [1, 3])],
    )
    constants = [
        helper.make_tensor("n", TensorProto.INT64, [], [1 << 62]),
        helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        helper.make_tensor("c", TensorProto.FLOAT, [1, 3], [0, 0, 0]),
    ]
    loop = helper.make_node("Loop", ["n", "yes", "c"], ["probabilities"], body=body)
    model = Predictor(save(tmp_path / "m.onnx", [loop], constants=constants))
    began = time.monotonic()
    with pytest.raises(ExportError, match=r"m\.onnx gave no answer within"):
        model.probabilities(PIXELS)
    assert time.monotonic() - began < 20
