"""The gate of ONNX files: what is wrong with one is said before ONNX Runtime sees it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from visionft.cli import main
from visionft.errors import ExportError, VisionFTError
from visionft.export.model_file import read_model
from visionft.export.predictor import Predictor
from visionft.files import sha256_file

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def tensor(name: str = "c", values: tuple[float, ...] = (0.1, 0.2, 0.7)) -> onnx.TensorProto:
    return helper.make_tensor(name, FLOAT, [1, len(values)], values)


def model_of(*constants: onnx.TensorProto, nodes: tuple[Any, ...] = (), **metadata: str) -> onnx.ModelProto:
    """Return a model that gives the same answer for every picture, beside whatever else is to be in it."""
    answer = helper.make_node("Identity", ["c"], ["probabilities"])
    graph = helper.make_graph(
        [*nodes, answer],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info("probabilities", FLOAT, ["batch", "classes"])],
        constants or [tensor()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {"class_names": json.dumps(["a", "b", "c"])} | metadata)
    return model


def saved(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


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
    out = [helper.make_tensor_value_info("x", FLOAT, None)]
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
@pytest.mark.parametrize("file", ["weights.bin", "../../secret.txt", "/etc/passwd"])
def test_tensors_in_other_files_are_refused(place: Callable[..., onnx.ModelProto], file: str, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"\0" * 64)
    path = saved(tmp_path / "m.onnx", place(external(tensor("far"), file)))
    with pytest.raises(ExportError, match=r"m\.onnx keeps its tensors in other files.*one file"):
        read_model(path)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dims", [[1 << 40], [1 << 32, 1 << 32], [-1], [2, 3]])
def test_tensors_larger_than_what_they_hold_are_refused(place: Callable[..., Any], dims: list[int], tmp_path: Path):
    large = tensor("large")
    large.ClearField("dims")
    large.dims.extend(dims)
    with pytest.raises(ExportError, match=r"m\.onnx is damaged: a tensor of .* numbers holds 3"):
        read_model(saved(tmp_path / "m.onnx", place(large)))


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "int64", "bool", "uint8", "float64", "int32"])
def test_tensors_of_every_kind_pass_in_both_forms(kind: str, tmp_path: Path) -> None:
    values = np.ones((3, 5), kind)
    typed = helper.make_tensor("typed", helper.np_dtype_to_tensor_dtype(values.dtype), [3, 5], values.flatten())
    raw = numpy_helper.from_array(values, "raw")
    assert read_model(saved(tmp_path / "m.onnx", model_of(tensor(), typed, raw)))


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4, TensorProto.BFLOAT16, TensorProto.STRING])
def test_packed_and_odd_tensors_pass(kind: int, tmp_path: Path) -> None:
    values = [b"a", b"b", b"c"] if kind == TensorProto.STRING else [1, 2, 3]
    assert read_model(saved(tmp_path / "m.onnx", model_of(tensor(), helper.make_tensor("odd", kind, [3], values))))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"not a model", "is no ONNX file"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "is no ONNX file"),
        (b"\x08\x08", "is no ONNX file"),
        (b'{"a": 1}', "is no ONNX file"),
    ],
)
def test_what_is_no_model_is_said(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=said):
        read_model(tmp_path / "m.onnx")


def test_every_cut_is_said_before_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_args, **_more: pytest.fail("it was opened"))
    whole = model_of(tensor(), tensor("more", (0.5,) * 40)).SerializeToString()
    path = tmp_path / "model.onnx"
    (tmp_path / "export.json").write_text(json.dumps({"sha256": "0" * 64, "parity": {}}), encoding="utf-8")
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ExportError, match=r"cut short|is empty|is no ONNX file|changed or damaged"):
            Predictor(path)


@pytest.mark.parametrize("name", ["model.onnx", "model_int8.onnx"])
def test_a_changed_byte_of_an_export_is_said(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path / name, model_of())
    of_it = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    record = {"parity": {}, **(of_it if name == "model.onnx" else {"sha256": "0" * 64, "files": {name: of_it}})}
    (tmp_path / "export.json").write_text(json.dumps(record), encoding="utf-8")
    assert Predictor(path).class_names == ("a", "b", "c")
    content = bytearray(path.read_bytes())
    content[content.index(np.float32(0.7).tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"was changed or damaged since.*Export the run again"):
        Predictor(path)
    (tmp_path / "export.json").unlink()
    assert Predictor(path).class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    "record", ["{", "[]", "{}", "[" * 5000, '{"sha256": 5, "parity": {}, "files": {"model.onnx": 3}}']
)
def test_a_record_that_tells_nothing_is_no_obstacle(record: str, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(record, encoding="utf-8")
    assert read_model(saved(tmp_path / "model.onnx", model_of()))


def test_metadata_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionft.export.model_file.MOST_METADATA", 1000)
    with pytest.raises(ExportError, match="describes itself in more than"):
        read_model(saved(tmp_path / "m.onnx", model_of(tensor(), note="x" * 1000)))


def test_a_file_that_no_message_can_fill_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionft.export.model_file.MOST_BYTES", 100)
    with pytest.raises(ExportError, match="which no ONNX file can be"):
        read_model(saved(tmp_path / "m.onnx", model_of()))


def test_what_the_metadata_put_behind_the_file_is_checked_too(tmp_path: Path) -> None:
    behind = onnx.ModelProto()
    behind.graph.initializer.append(external(tensor("far"), "/etc/passwd"))
    behind.graph.output.append(helper.make_tensor_value_info("distance", FLOAT, ["batch"]))
    about = json.dumps({"kind": "x", "split": "val", "pictures": 9, "share": 0.95})
    model = model_of(tensor(), distance=about, distance_output=behind.SerializeToString().hex())
    with pytest.raises(ExportError, match="keeps its tensors in other files"):
        Predictor(saved(tmp_path / "m.onnx", model))


def test_a_graph_that_makes_up_more_than_the_memory_is_stopped(tmp_path: Path) -> None:
    """A shape of a few bytes asks for it; what no look at the file tells is limited where it is computed."""
    asked = helper.make_tensor("asked", INT64, [1], [psutil.virtual_memory().total // 4])
    nodes = (
        helper.make_node("ConstantOfShape", ["asked"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["t", "sum"], ["c"]),
    )
    predictor = Predictor(saved(tmp_path / "m.onnx", model_of(tensor("t"), asked, nodes=nodes)))
    with pytest.raises(VisionFTError, match="not enough memory"):
        predictor.probabilities(np.zeros((1, 4, 5, 3), np.uint8))


def test_an_operator_that_nobody_knows_is_said(tmp_path: Path) -> None:
    model = model_of(tensor(), nodes=(helper.make_node("Mystery", ["c"], ["x"], domain="somewhere"),))
    with pytest.raises(ExportError, match="is no model that ONNX Runtime can run"):
        Predictor(saved(tmp_path / "m.onnx", model))


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("visionft.export.model_file.has_nvidia_gpu", lambda: False)
    path = saved(tmp_path / "m.onnx", model_of())
    with pytest.raises(ExportError, match="no cuda device that ONNX Runtime can use"):
        Predictor(path, device="cuda")
    assert Predictor(path, device="auto").provider == "CPUExecutionProvider"
    monkeypatch.setattr("sys.argv", ["visionft", "predict", str(path), str(tmp_path), "--device", "cuda"])
    assert main() == 2
    assert "Next: visionft doctor" in capsys.readouterr().err
