"""Untrusted ONNX files: a clear message for every problem, before ONNX Runtime sees the file where possible."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from visionft.core.amounts import size_text
from visionft.core.errors import ExportError, VisionFTError
from visionft.core.files import sha256_file
from visionft.core.messages import Message
from visionft.export import predictor
from visionft.export.model_file import read_model
from visionft.export.predictor import Predictor

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
PIXELS = np.zeros((1, 4, 5, 3), np.uint8)
IMAGE = ("image", TensorProto.UINT8, ["batch", "height", "width", 3])
ANSWER = ("probabilities", FLOAT, ["batch", "classes"])
DEEP = "[" * 100_000
value = helper.make_tensor_value_info


def tensor(name: str = "c", values: Sequence[float] = (0.1, 0.2, 0.7)) -> onnx.TensorProto:
    return helper.make_tensor(name, FLOAT, [1, len(values)], values)


def graph_of(nodes: Sequence[Any], constants: Sequence[Any] = (), *, given=(IMAGE,), answer=ANSWER, **metadata: str):
    """Return a model with metadata; by default it names three classes."""
    graph = helper.make_graph(nodes, "g", [value(*each) for each in given], [value(*answer)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {"class_names": json.dumps(["a", "b", "c"])} | metadata)
    return model


def model_of(*constants: onnx.TensorProto, nodes: Sequence[Any] = (), **others: Any) -> onnx.ModelProto:
    """Return a model with the same prediction for every image, and any further nodes."""
    name = others.get("answer", ANSWER)[0]
    return graph_of([*nodes, helper.make_node("Identity", ["c"], [name])], constants or [tensor()], **others)


def saved(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def refused(path: Path, read: Callable[[Path], Any] = Predictor) -> Any:
    """Return the message of the error about a file."""
    with pytest.raises(ExportError, match=path.name) as caught:
        read(path)
    return caught.value.message


def external(one: onnx.TensorProto, place: str) -> onnx.TensorProto:
    one.ClearField("float_data")
    one.data_location = TensorProto.EXTERNAL
    one.external_data.add(key="location", value=place)
    return one


def in_graph(one: onnx.TensorProto) -> onnx.ModelProto:
    return model_of(tensor(), one)


def in_attribute(one: onnx.TensorProto) -> onnx.ModelProto:
    return model_of(tensor(), nodes=(helper.make_node("Constant", [], ["x"], value=one),))


def in_branch(one: onnx.TensorProto) -> onnx.ModelProto:
    out = [value("x", FLOAT, None)]
    branch = helper.make_graph([helper.make_node("Constant", [], ["x"], value=one)], "branch", [], out)
    return model_of(tensor(), nodes=(helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),))


def in_function(one: onnx.TensorProto) -> onnx.ModelProto:
    model = in_graph(tensor("other"))
    node = helper.make_node("Constant", [], ["x"], value=one)
    model.functions.append(helper.make_function("own", "f", [], ["x"], [node], [helper.make_opsetid("", 18)]))
    return model


def sparse(one: onnx.TensorProto) -> onnx.ModelProto:
    model = model_of()
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(one, indices, [4]))
    return model


PLACES = [in_graph, in_attribute, in_branch, in_function, sparse]


@pytest.mark.parametrize("place", PLACES)
def test_tensors_in_other_files_or_larger_than_their_data_are_refused(place: Callable[..., Any], tmp_path: Path):
    (tmp_path / "weights.bin").write_bytes(b"\0" * 64)
    path = tmp_path / "m.onnx"
    for file in ("weights.bin", "../../secret.txt", "/etc/passwd"):
        assert "reason" not in refused(saved(path, place(external(tensor("far"), file))), read_model).values
    for dims in ([1 << 40], [1 << 32, 1 << 32], [-1], [2, 3]):
        large = tensor("large")
        large.ClearField("dims")
        large.dims.extend(dims)
        assert refused(saved(path, place(large)), read_model).values["reason"].values["held"] == "3"


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "int64", "bool", "uint8", "float64", "int32"])
def test_tensors_of_every_kind_pass_in_both_forms(kind: str, tmp_path: Path) -> None:
    values = np.ones((3, 5), kind)
    typed = helper.make_tensor("typed", helper.np_dtype_to_tensor_dtype(values.dtype), [3, 5], values.flatten())
    raw = numpy_helper.from_array(values, "raw")
    assert read_model(saved(tmp_path / "m.onnx", model_of(tensor(), typed, raw)))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for content in (b"", b"not a model", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"\x08\x08", b'{"a": 1}'):
        path.write_bytes(content)
        refused(path, read_model)
    refused(tmp_path)  # a folder without a model


def test_every_cut_is_said_before_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_args, **_more: pytest.fail("it was opened"))
    whole = model_of(tensor(), tensor("more", (0.5,) * 40)).SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refused(path)


def test_a_changed_byte_of_an_export_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.onnx", model_of())
    listed = {path.name: {"sha256": sha256_file(path), "bytes": path.stat().st_size}}
    record = {"parity": {}, "sha256": "", "files": listed}
    (tmp_path / "export.json").write_text(json.dumps(record), encoding="utf-8")
    assert Predictor(path).class_names == ("a", "b", "c")
    content = bytearray(path.read_bytes())
    content[content.index(np.float32(0.7).tobytes())] ^= 1
    path.write_bytes(content)
    refused(path)
    for nothing in ("{", "[]", "{}", "[" * 5000, '{"sha256": 5, "parity": {}, "files": {"model.onnx": 3}}'):
        (tmp_path / "export.json").write_text(nothing, encoding="utf-8")
        assert read_model(path)
    (tmp_path / "export.json").unlink()
    assert Predictor(path).class_names == ("a", "b", "c")


@pytest.mark.parametrize("limit", ["MAX_METADATA_BYTES", "MAX_FILE_BYTES"])
def test_a_file_without_end_is_refused(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "m.onnx", model_of(tensor(), note="x" * 1000))
    assert read_model(path)
    monkeypatch.setattr(f"visionft.export.model_file.{limit}", 1000)
    assert refused(path, read_model).values["reason"].values["limit"] == size_text(1000)


def test_what_the_metadata_put_behind_the_file_is_checked_too(tmp_path: Path) -> None:
    behind = onnx.ModelProto()
    behind.graph.initializer.append(external(tensor("far"), "/etc/passwd"))
    behind.graph.output.append(helper.make_tensor_value_info("distance", FLOAT, ["batch"]))
    about = json.dumps({"kind": "x", "split": "val", "images": 9, "share": 0.95})
    model = model_of(tensor(), distance=about, distance_output=behind.SerializeToString().hex())
    assert "reason" not in refused(saved(tmp_path / "m.onnx", model)).values


def test_a_sound_file_of_foreign_make_is_used(tmp_path: Path) -> None:
    model = model_of(thresholds="[0.1, 0.5, 0.5]", temperature="warm")
    answer = Predictor(saved(tmp_path / "m.onnx", model)).predict_pixels(PIXELS[0])
    assert (answer.class_name, answer.classes) == ("c", ("c", "a"))


NAMES = ("{", "5", "null", "[]", '{"a": 1}', "[1, 2, 3]", '["a", "", "c"]', '["a", "b", "c", "d"]', DEEP)
LIMITS = ("{", "[1, 2]", '"x"', '{"a": 1}', "[NaN, 1, 1]", "[[1], [1, 2], 3]", f"[1{'0' * 400}, 1, 1]", DEEP)
INPUTS = (
    [("photo", *IMAGE[1:])],
    [("image", TensorProto.UINT8, ["batch", "height", "width", 4])],
    [("image", FLOAT, ["batch", 8])],
    [IMAGE, ("more", FLOAT, [1])],
)


def test_foreign_files_are_refused_with_their_fault(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for names in NAMES:
        assert "classes" in refused(saved(path, model_of(class_names=names)))
    for limits in LIMITS:
        assert "thresholds" in refused(saved(path, model_of(thresholds=limits)))
    for given in INPUTS:
        assert "uint8" in refused(saved(path, model_of(given=given)))
    cast = helper.make_node("Cast", ["image"], ["probabilities"], to=FLOAT)
    flat = graph_of([cast], answer=("probabilities", FLOAT, ["b", "h", "w", 3]))
    for model in (model_of(answer=("scores", *ANSWER[1:])), flat):
        assert "probabilities" in refused(saved(path, model))
    refused(saved(path, model_of(nodes=(helper.make_node("Mystery", ["c"], ["x"], domain="somewhere"),))))


def test_the_network_without_its_preprocessing_is_told_from_the_model(tmp_path: Path) -> None:
    """Version 0.2 wrote such a file beside the model."""
    bare = model_of(given=[("input", FLOAT, ["b", 3, 64, 64])])
    with pytest.raises(ExportError) as caught:
        Predictor(saved(tmp_path / "model_float.onnx", bare))
    assert isinstance(caught.value.hint, Message) and caught.value.hint.values == {"MODEL_FILE": "model.onnx"}


@pytest.mark.parametrize("values", [(1, 2), (float("nan"), 0, 0)])
def test_answers_that_are_none_are_said(values, tmp_path: Path) -> None:
    refused(
        saved(tmp_path / "m.onnx", model_of(tensor("c", values))), lambda path: Predictor(path).probabilities(PIXELS)
    )


def test_a_graph_that_makes_up_more_than_the_memory_is_stopped(tmp_path: Path) -> None:
    """A shape of a few bytes requests it; memory invisible in the file is limited during computation."""
    asked = helper.make_tensor("asked", INT64, [1], [psutil.virtual_memory().total // 4])
    nodes = (
        helper.make_node("ConstantOfShape", ["asked"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["t", "sum"], ["c"]),
    )
    model = Predictor(saved(tmp_path / "m.onnx", model_of(tensor("t"), asked, nodes=nodes)))
    with pytest.raises(VisionFTError) as caught:
        model.probabilities(PIXELS)
    assert not isinstance(caught.value, ExportError)  # of the computer, not of the file


def test_a_graph_that_fails_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=FLOAT),
        helper.make_node("Reshape", ["float", "c"], ["probabilities"]),
    ]
    shape = helper.make_tensor("c", INT64, [2], [7, 3])
    model = Predictor(saved(tmp_path / "m.onnx", graph_of(nodes, [shape])))
    with pytest.raises(ExportError, match=r"m\.onnx"):
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
    constants = [helper.make_tensor(name, INT64, [len(size)], size) for name, size in sizes]
    with pytest.raises(VisionFTError):
        Predictor(saved(tmp_path / "m.onnx", graph_of(nodes, constants))).probabilities(PIXELS)


def test_a_graph_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "MAX_SECONDS_PER_IMAGE", 0.5)
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Add", ["x", "c"], ["y"])],
        "body",
        [value("i", INT64, []), value("go", BOOL, []), value("x", FLOAT, [1, 3])],
        [value("go_on", BOOL, []), value("y", FLOAT, [1, 3])],
    )
    constants = [
        helper.make_tensor("n", INT64, [], [1 << 62]),
        helper.make_tensor("yes", BOOL, [], [True]),
        helper.make_tensor("c", FLOAT, [1, 3], [0, 0, 0]),
    ]
    loop = helper.make_node("Loop", ["n", "yes", "c"], ["probabilities"], body=body)
    model = Predictor(saved(tmp_path / "m.onnx", graph_of([loop], constants)))
    began = time.monotonic()
    with pytest.raises(ExportError, match=r"m\.onnx"):
        model.probabilities(PIXELS)
    assert time.monotonic() - began < 20
