"""Record the values of a network's tensors on training images, to fit ranges and roundings to them.

A range with the extremes of every image is coarse for all other values; a range of minimum error clips a few. The
logits of a linear probe on waste (ResNet-18, 370 images) moved by .17 with every extreme included, and by .10 with the
minimum error of each tensor.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from visionft.errors import nothing_readable
from visionft.export.graph import NETWORK_INPUT
from visionft.export.model_file import trusted_session
from visionft.export.precision.quantising import PRODUCTS, Plan

LEVELS: Final = 255  # steps of a byte
SAMPLED: Final = 1024  # values per tensor and image
ROWS: Final = 64  # positions per image to sample a layer's inputs at
# Wider layers have no second moments: for a ResNet-18's last convolutions (4,608 values) they took as long as for all
# others together, and did not change the rounding's result.
MOST_WIDTH: Final = 2304
POWER: Final = 2.4  # of the error that a range minimises: the higher, the wider


@dataclass(frozen=True)
class CalibrationStatistics:
    """Observations of a network's tensors.

    Attributes:
        images: Number of images.
        ranges: By name, the ranges of the tensors converted to bytes by a plan.
        moments: By name of a layer of the plan: (K, K) float32, the mean of x x^T, with x the K values used for an
            output of the layer. Layers that are too wide, and grouped or dilated convolutions, are absent.
    """

    images: int
    ranges: Mapping[str, tuple[float, float]]
    moments: Mapping[str, np.ndarray]


def observe(network: Any, plan: Plan, inputs: Iterable[np.ndarray]) -> CalibrationStatistics:
    """Observe the tensors a plan converts to bytes, and the inputs of its layers.

    Args:
        network: An ONNX model; not modified.
        inputs: Float32 (1, 3, S, S) normalised images.

    Raises:
        RunError: There is none.
    """
    import onnx
    from onnx import TensorProto, helper

    names, draw = _activations(network, plan), np.random.default_rng(0)
    inner = [name for name in names if name != NETWORK_INPUT]
    model = onnx.ModelProto()
    model.CopyFrom(network)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = trusted_session(model.SerializeToString())
    samples = {name: list[np.ndarray]() for name in names}
    extremes = dict.fromkeys(names, (0.0, 0.0))
    layers, images = _layer_grams(network, plan), 0
    for image in inputs:
        images += 1
        seen = {NETWORK_INPUT: image, **dict(zip(inner, session.run(inner, {NETWORK_INPUT: image}), strict=True))}
        for name, sample in samples.items():
            sample.append(draw.choice(seen[name].ravel(), SAMPLED))
            low, high = extremes[name]
            extremes[name] = min(low, float(seen[name].min())), max(high, float(seen[name].max()))
        for layer in layers:
            layer.add(seen[layer.source], draw)
    if not images:
        raise nothing_readable("training images")
    ranges = {name: byte_range(np.concatenate(sample), *extremes[name]) for name, sample in samples.items()}
    return CalibrationStatistics(images, ranges, {layer.name: layer.products / layer.rows for layer in layers})


def byte_range(values: np.ndarray, lowest: float, highest: float) -> tuple[float, float]:
    """Return the range of a byte with the smallest mean |error|^POWER over sampled values, within these extremes."""

    def error(share: float) -> float:
        low, high = share * lowest, share * highest
        step = (high - low) / LEVELS or 1.0
        steps = np.clip(np.round((values - low) / step), 0, LEVELS)
        return float((np.abs(steps * step + low - values) ** POWER).mean())

    best = min(np.linspace(0.2, 1, 33).tolist(), key=error)
    return best * lowest, best * highest


def _activations(network: Any, plan: Plan) -> list[str]:
    """Return the tensors to convert to bytes: inputs of the plan's nodes, and outputs except those kept in float."""
    constants, wanted = {tensor.name for tensor in network.graph.initializer}, {*plan.layers, *plan.between}
    names: dict[str, None] = {}
    for node in network.graph.node:
        if node.name in wanted:
            gives_floats = plan.is_transformer and node.op_type in PRODUCTS
            names |= dict.fromkeys(node.input if gives_floats else (*node.input, *node.output))
    return [name for name in names if name and name not in constants]


@dataclass
class _LayerInputGram:
    """Sums x x^T over the inputs of a layer.

    Attributes:
        kernel: Height and width of a convolution; empty for a matrix product.
        strides: Of a convolution, vertical and horizontal.
        pads: Of a convolution: top, left, bottom, right.
        products: (K, K), the sum of `rows` x x^T so far.
    """

    name: str
    source: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    products: np.ndarray
    rows: int = 0

    def add(self, tensor: np.ndarray, draw: np.random.Generator) -> None:
        if not self.kernel:
            inputs = _sampled(tensor.reshape(-1, tensor.shape[-1]), draw)
        else:  # windows of a (channels, height, width) tensor, channels first as in the weights
            top, left, bottom, right = self.pads
            padded = np.pad(tensor[0], ((0, 0), (top, bottom), (left, right)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, self.kernel, axis=(1, 2))  # type: ignore[call-overload]
            windows = windows[:, :: self.strides[0], :: self.strides[1]]
            places = _sampled(np.indices(windows.shape[1:3]).reshape(2, -1).T, draw)
            inputs = np.moveaxis(windows[:, places[:, 0], places[:, 1]], 1, 0).reshape(len(places), -1)
        self.products += inputs.T @ inputs
        self.rows += len(inputs)


def _sampled(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= ROWS else rows[draw.choice(len(rows), ROWS, replace=False)]


def _layer_grams(network: Any, plan: Plan) -> list[_LayerInputGram]:
    from onnx import helper

    shapes = {tensor.name: tuple(tensor.dims) for tensor in network.graph.initializer}
    found: list[_LayerInputGram] = []
    for node in network.graph.node:
        if node.name not in plan.layers:
            continue
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        is_convolution, shape = node.op_type == "Conv", shapes[node.input[1]]
        width = math.prod(shape[1:]) if is_convolution or attributes.get("transB") else shape[0]
        is_usual = attributes.get("group", 1) == 1 and set(attributes.get("dilations", [1])) == {1}
        if width <= MOST_WIDTH and is_usual:
            kernel = tuple(shape[2:]) if is_convolution else ()
            strides, pads = tuple(attributes.get("strides", (1, 1))), tuple(attributes.get("pads", (0, 0, 0, 0)))
            products = np.zeros((width, width), np.float32)
            found.append(_LayerInputGram(node.name, node.input[0], kernel, strides, pads, products))
    return found
