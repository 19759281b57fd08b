"""Quantise a network to 8-bit integers, with ranges from training images.

`QuantizeLinear` and `DequantizeLinear` surround the layers; runtimes fuse both into products of bytes. Weights are
signed with a scale per output channel, activations unsigned with a single scale: x86 multiplies this combination, and
ONNX Runtime fuses a ReLU into the preceding operator only with unsigned activations. (Signed activations left 11 of a
ResNet-18's 20 convolutions in float: 22 ms of processor time instead of 9.5; float32 takes 21.) Weights have 7 bits:
they are exact on every processor, and x86 without VNNI adds products of 8-bit weights in 16 bits, too few.

In a transformer, only products with constant weights are quantised, and the ResNet stages of a hybrid: with residuals,
norms, softmax, GELU and attention in bytes too, a ViT's accuracy fell from .81 to 0 (TinyNeuralNetwork).

A ReLU6 is part of the bytes before it: with the range of the convolution in front, which it cuts off, the logits of an
EfficientNet-Lite2 moved by .39 of their spread, with its own by .14 (10 images for the ranges, 12 seen).

The head and the distance stay in float32: they are small, and their outputs are divided by a temperature.

A range with the extremes of every image is coarse for all other values; a range of minimum error clips a few. The
logits of a linear probe on waste (ResNet-18, 370 images) moved by .17 with every extreme included, and by .10 with the
minimum error of each tensor.
"""

import logging
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from visionft.errors import nothing_readable
from visionft.export.graph import NETWORK_INPUT
from visionft.export.model_file import trusted_session

BITS: Final = 7  # of a weight
LARGEST_WEIGHT: Final = 2 ** (BITS - 1)  # and the negative of the smallest
PRODUCTS = ("MatMul", "Gemm")  # of a transformer: their outputs stay float
_ACTIVATIONS = ("Relu", "Clip")  # a ReLU6 is a Clip; both vanish in the range of the bytes before them
_BETWEEN = (*_ACTIVATIONS, "Add", "MaxPool")  # stay in bytes between convolutions
LEVELS: Final = 255  # steps of a byte
SAMPLED: Final = 1024  # values per tensor and image
ROWS: Final = 64  # positions per image to sample a layer's inputs at
# Wider layers have no second moments: for a ResNet-18's last convolutions (4,608 values) they took as long as for all
# others together, and did not change the rounding's result.
MOST_WIDTH: Final = 2304
POWER: Final = 2.4  # of the error that a range minimises: the higher, the wider


def body_nodes(graph: Any, head: str) -> Iterator[Any]:
    """Yield the nodes of the modules of a network (of `export_network`), without its head and nodes outside modules."""
    for node in graph.node:
        module = module_of(node.name)
        if module and module.partition(".")[0] not in (head, "distance"):
            yield node


def module_of(name: str) -> str:
    """Return the name of a node's module in timm's network, such as `layer1.0.conv1`; empty for none."""
    module = name.rpartition("/")[0]
    return module.removeprefix("network.").removeprefix("body.")  # of `WithOutputs` and of `JoinedNetwork`


@dataclass(frozen=True)
class Plan:
    """The nodes of a network to quantise.

    Attributes:
        layers: Names of the convolutions and matrix products.
        between: Names of the nodes between convolutions with bytes as inputs and outputs.
        is_transformer: Whether products have float outputs, as the next operators need.
        units: Names of nodes restored to float together: each product alone, and convolutions up to the next sum of a
            residual. (A single convolution in float still has bytes as input and output: in a ResNet-18 with adapters,
            logits moved by .084 with none of its 40 convolutions in float, and by .085 with 39.)
    """

    layers: tuple[str, ...]
    between: tuple[str, ...]
    is_transformer: bool
    units: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, network: Any, head: str) -> "Plan":
        """Return the plan for a network's ONNX model; `head` is timm's name of its head."""
        graph = network.graph
        body = list(body_nodes(graph, head))
        dimensions = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
        # Attention to prefix tokens is no layer, although its keys and values are constants: a matrix for each head.
        layers = [
            node
            for node in body
            if node.op_type in ("Conv", *PRODUCTS)
            and dimensions.get(node.input[1]) == (4 if node.op_type == "Conv" else 2)
        ]
        between = [node for node in body if node.op_type in _BETWEEN]
        is_transformer = any(node.op_type == "Softmax" for node in graph.node)
        if is_transformer:
            start = _convolutional_start(graph)
            layers = [node for node in layers if node.op_type != "Conv" or node.name in start]
            between = [node for node in between if node.name in start]
        layer_names, between_names = (tuple(node.name for node in nodes) for nodes in (layers, between))
        units = _units(node for node in graph.node if node.name in {*layer_names, *between_names})
        return cls(layer_names, between_names, is_transformer, units)


def _convolutional_start(graph: Any) -> set[str]:
    """Return the names of the convolutions and nodes between them before a transformer.

    The convolution that makes the tokens is excluded: its output is no longer an image.
    """
    reached = {tensor.name for tensor in (*graph.input, *graph.initializer)}
    found: list[Any] = []
    for node in graph.node:
        if node.op_type in ("Conv", *_BETWEEN) and reached.issuperset(filter(None, node.input)):
            reached.update(node.output)
            found.append(node)
    used = {name for node in found for name in node.input}
    return {node.name for node in found if node.op_type != "Conv" or used.intersection(node.output)}


def _units(nodes: Iterable[Any]) -> tuple[tuple[str, ...], ...]:
    """Group the nodes of a plan, in the order of the graph, into `Plan.units`."""
    units: list[list[Any]] = []
    is_open = False  # whether the next node belongs to the last unit
    for node in nodes:
        is_product = node.op_type in PRODUCTS
        has_sum = bool(units) and any(each.op_type == "Add" for each in units[-1])
        if is_product or not is_open or (has_sum and node.op_type not in _ACTIVATIONS):
            units.append([])
        units[-1].append(node)
        is_open = not is_product
    return tuple(tuple(node.name for node in unit) for unit in units)


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

    names = _activations(network, plan)
    draw = np.random.default_rng(0)
    inner = [name for name in names if name != NETWORK_INPUT]
    model = onnx.ModelProto()
    model.CopyFrom(network)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = trusted_session(model.SerializeToString())
    samples = {name: list[np.ndarray]() for name in names}
    extremes = dict.fromkeys(names, (0.0, 0.0))
    layers = _layer_grams(network, plan)
    images = 0
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
    constants = {tensor.name for tensor in network.graph.initializer}
    wanted = {*plan.layers, *plan.between}
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
            strides = tuple(attributes.get("strides", (1, 1)))
            pads = tuple(attributes.get("pads", (0, 0, 0, 0)))
            products = np.zeros((width, width), np.float32)
            found.append(_LayerInputGram(node.name, node.input[0], kernel, strides, pads, products))
    return found


def quantise(
    network: Any,
    plan: Plan,
    ranges: Mapping[str, tuple[float, float]],
    *,
    weights: Mapping[str, np.ndarray] | None = None,
    in_float: Collection[str] = (),
) -> Any:
    """Return a network's ONNX model with its layers quantised to integers.

    Args:
        network: An ONNX model; not modified.
        ranges: Of its tensors, from `CalibrationStatistics`.
        weights: Integers by the name of their constant (`round_weights`); None rounds each weight to the nearest.
        in_float: Nodes of the plan to keep in float.
    """
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.quant_utils import QuantType

    copy = onnx.ModelProto()
    copy.CopyFrom(network)
    nodes = [name for name in (*plan.layers, *plan.between) if name not in in_float]
    data: dict[str, Any] = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    float_outputs = {"OpTypesToExcludeOutputQuantization": list(PRODUCTS)} if plan.is_transformer else {}
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(copy),
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=nodes,
        nodes_to_exclude=[],
        op_types_to_quantize=sorted({node.op_type for node in copy.graph.node if node.name in nodes}),
        extra_options={"MatMulConstBOnly": True, **float_outputs},
    )
    root = logging.getLogger()  # ONNX Runtime's tools log useless messages to the root logger
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantizer.quantize_model()
    finally:
        root.setLevel(level)
    quantizer.model.topological_sort()
    quantised = quantizer.model.model
    del quantised.graph.value_info[:]
    for constant in quantised.graph.initializer:
        if weights and constant.name in weights:
            constant.CopyFrom(numpy_helper.from_array(weights[constant.name], constant.name))
    return quantised
