"""Contents of a network's tensors, and the resulting ranges."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch.nn.functional import unfold

from visionft.errors import RunError
from visionft.export.precision.observing import MOST_WIDTH, byte_range, observe
from visionft.export.precision.quantising import Plan


def network_of(nodes: Sequence[Any], **weights: np.ndarray) -> Any:
    """Return an ONNX model from `input` to `logits`."""
    value, float32 = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    constants = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()]
    ends = [value("input", float32, None)], [value("logits", float32, None)]
    graph = onnx.helper.make_graph(list(nodes), "g", *ends, constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


def test_a_range_clips_an_outlier_that_is_too_rare_for_the_sample() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 4000).astype(np.float32)
    low, high = byte_range(values, 0.0, 9.0)
    assert low == 0 and 1 <= high < 2
    assert byte_range(np.zeros(3, np.float32), 0.0, 0.0) == (0.0, 0.0)


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(1, 1, 0), (3, 1, 1), (3, 2, 1)])
def test_moments_are_those_of_all_windows(kernel: int, stride: int, pad: int) -> None:
    weights = np.ones((4, 3, kernel, kernel))
    node = onnx.helper.make_node(
        "Conv",
        ["input", "w"],
        ["logits"],
        name="layer",
        kernel_shape=[kernel] * 2,
        strides=[stride] * 2,
        pads=[pad] * 4,
    )
    images = [np.random.default_rng(each).standard_normal((1, 3, 6, 8)).astype(np.float32) for each in range(2)]
    seen = observe(network_of([node], w=weights), Plan(("layer",), (), is_transformer=False), images)
    windows = unfold(torch.from_numpy(np.concatenate(images)), kernel, padding=pad, stride=stride)
    rows = windows.transpose(1, 2).reshape(-1, 3 * kernel**2).numpy()
    np.testing.assert_allclose(seen.moments["layer"], rows.T @ rows / len(rows), rtol=1e-4, atol=1e-5)
    assert seen.images == 2 and set(seen.ranges) == {"input", "logits"}
    lowest, highest = seen.ranges["input"]
    assert min(map(np.min, images)) <= lowest < 0 < highest <= max(map(np.max, images))


def test_products_are_watched_and_wide_layers_are_left_out() -> None:
    nodes = [
        onnx.helper.make_node("MatMul", ["input", "w"], ["wide"], name="usual"),
        onnx.helper.make_node("MatMul", ["wide", "v"], ["logits"], name="too wide"),
    ]
    network = network_of(nodes, w=np.ones((5, MOST_WIDTH + 1)), v=np.ones((MOST_WIDTH + 1, 2)))
    rows = np.random.default_rng(0).standard_normal((1, 7, 5)).astype(np.float32)
    seen = observe(network, Plan(("usual", "too wide"), (), is_transformer=True), [rows])
    assert set(seen.moments) == {"usual"} and set(seen.ranges) == {"input", "wide"}  # the output stays float
    np.testing.assert_allclose(seen.moments["usual"], rows[0].T @ rows[0] / 7, rtol=1e-5)


def test_nothing_is_seen_without_images() -> None:
    node = onnx.helper.make_node("Relu", ["input"], ["logits"], name="relu")
    with pytest.raises(RunError, match="None of the training images can be read"):
        observe(network_of([node]), Plan((), ("relu",), is_transformer=False), [])
