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

from visionft.cli import main
from visionft.errors import ExportError, VisionFTError
from visionft.export import predictor
from visionft.export.exporter import export_run
from visionft.export.model_file import read_model
from visionft.export.options import ExportOptions
from visionft.export.predictor import Predictor
from visionft.files import sha256_file

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


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="There is no model"):
        Predictor(tmp_path)


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
    about = json.dumps({"kind": "x", "split": "val", "images": 9, "share": 0.95})
    model = model_of(tensor(), distance=about, distance_output=behind.SerializeToString().hex())
    with pytest.raises(ExportError, match="keeps its tensors in other files"):
        Predictor(saved(tmp_path / "m.onnx", model))


def test_a_graph_that_makes_up_more_than_the_memory_is_stopped(tmp_path: Path) -> None:
    """A shape of a few bytes requests it; memory invisible in the file is limited during computation."""
    asked = helper.make_tensor("asked", INT64, [1], [psutil.virtual_memory().total // 4])
    nodes = (
        helper.make_node("ConstantOfShape", ["asked"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["t", "sum"], ["c"]),
    )
    model = Predictor(saved(tmp_path / "m.onnx", model_of(tensor("t"), asked, nodes=nodes)))
    with pytest.raises(VisionFTError, match="not enough memory"):
        model.probabilities(PIXELS)


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


def test_a_sound_file_of_foreign_make_is_used(tmp_path: Path) -> None:
    model = model_of(thresholds="[0.1, 0.5, 0.5]", temperature="warm")
    answer = Predictor(saved(tmp_path / "m.onnx", model)).predict_pixels(PIXELS[0])
    assert (answer.class_name, answer.classes) == ("c", ("c", "a"))


@pytest.mark.parametrize("names", ["{", "5", "null", "[]", '{"a": 1}', "[1, 2, 3]", '["a", "", "c"]', DEEP])
def test_class_names_that_are_none_are_said(names: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"m\.onnx does not name its classes.*Give a model\.onnx"):
        Predictor(saved(tmp_path / "m.onnx", model_of(class_names=names)))


def test_more_names_than_answers_are_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="names 4 classes and answers with 3"):
        Predictor(saved(tmp_path / "m.onnx", model_of(class_names='["a", "b", "c", "d"]')))


@pytest.mark.parametrize(
    "limits", ["{", "[1, 2]", '"x"', '{"a": 1}', "[NaN, 1, 1]", "[[1], [1, 2], 3]", f"[1{'0' * 400}, 1, 1]", DEEP]
)
def test_thresholds_that_are_none_are_said(limits: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"m\.onnx holds “thresholds” that are no"):
        Predictor(saved(tmp_path / "m.onnx", model_of(thresholds=limits)))


def test_the_network_without_its_preprocessing_is_told_from_the_model(run_of, snapshot, tmp_path: Path) -> None:
    exported = export_run(
        run_of("test_vit", "linear"), snapshot, tmp_path / "out", options=ExportOptions(float_input=True)
    )
    assert exported.float_model
    with pytest.raises(ExportError, match=r"normalised before.*Give the model\.onnx beside it"):
        Predictor(exported.float_model)


@pytest.mark.parametrize(
    "given",
    [
        [("photo", *IMAGE[1:])],
        [("image", TensorProto.UINT8, ["batch", "height", "width", 4])],
        [("image", FLOAT, ["batch", 8])],
        [IMAGE, ("more", FLOAT, [1])],
    ],
)
def test_another_input_is_said(given, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"takes other input than image \(uint8\)"):
        Predictor(saved(tmp_path / "m.onnx", model_of(given=given)))


def test_another_output_is_said(tmp_path: Path) -> None:
    cast = helper.make_node("Cast", ["image"], ["probabilities"], to=FLOAT)
    other = saved(tmp_path / "named.onnx", model_of(answer=("scores", *ANSWER[1:])))
    flat = saved(tmp_path / "flat.onnx", graph_of([cast], answer=("probabilities", FLOAT, ["b", "h", "w", 3])))
    for path in (other, flat):
        with pytest.raises(ExportError, match=rf"{path.name} gives no probabilities"):
            Predictor(path)


@pytest.mark.parametrize(
    ("values", "said"), [((1, 2), "names 3 classes and answers with 2"), ((float("nan"), 0, 0), "no numbers")]
)
def test_answers_that_are_none_are_said(values, said: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=said):
        Predictor(saved(tmp_path / "m.onnx", model_of(tensor("c", values)))).probabilities(PIXELS)


def test_a_graph_that_fails_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=FLOAT),
        helper.make_node("Reshape", ["float", "c"], ["probabilities"]),
    ]
    shape = helper.make_tensor("c", INT64, [2], [7, 3])
    model = Predictor(saved(tmp_path / "m.onnx", graph_of(nodes, [shape])))
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
    constants = [helper.make_tensor(name, INT64, [len(size)], size) for name, size in sizes]
    with pytest.raises(VisionFTError, match=r"does not run|not enough memory"):
        Predictor(saved(tmp_path / "m.onnx", graph_of(nodes, constants))).probabilities(PIXELS)


def test_a_graph_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "LONGEST_S", 0.5)
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
    with pytest.raises(ExportError, match=r"m\.onnx gave no answer within"):
        model.probabilities(PIXELS)
    assert time.monotonic() - began < 20
