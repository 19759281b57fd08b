"""Tiny exported files and videos, made here."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from visionft.export.graph import hide_outputs

NAMES = ("red", "green", "blue")
BORDER = {"kind": "mahalanobis", "split": "val", "pictures": 80, "share": 0.95}


def _write_model(
    target: Path,
    *,
    names: "tuple[str, ...] | list[str]" = NAMES,
    thresholds: list[float] | None = None,
    border: dict[str, object] | None = None,
) -> Path:
    """Write a file of the kind VisionFT exports: it answers the colour that is strongest in the picture.

    With a border, the distance is the mean of red over 100: a picture with much red is unlike the others.
    """
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Div", ["means", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    shapes = {"probabilities": ["batch", 3], "logits": ["batch", 3]}
    facts = {"class_names": json.dumps(names), "temperature": "1.25"}
    facts |= {"thresholds": json.dumps(thresholds)} if thresholds else {}
    if border is not None:
        nodes.append(helper.make_node("Gather", ["means", "first"], ["reds"], axis=1))
        nodes.append(helper.make_node("Div", ["reds", "hundred"], ["distance"]))
        shapes["distance"] = ["batch"]
        facts["distance"] = json.dumps(BORDER | border)
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("scale", TensorProto.FLOAT, [1], [20.0]),
        helper.make_tensor("first", TensorProto.INT64, [], [0]),
        helper.make_tensor("hundred", TensorProto.FLOAT, [], [100.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, facts | hide_outputs(model))
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
    return target


@pytest.fixture
def write_model() -> Callable[..., Path]:
    """Return the function that writes an exported file."""
    return _write_model


def _write_video(target: Path, *, frames: int, colour: tuple[int, int, int] = (0, 200, 0)) -> Path:
    """Write a video of one colour, given in RGB: to OpenCV it is a camera that is unplugged after its last picture."""
    import cv2

    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(frames):
        writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    return target


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Return the function that writes a video."""
    return _write_video
