"""A network in whole numbers of 8 bits: their ranges come from training pictures.

`QuantizeLinear` and its inverse stand around the layers; runtimes fuse both into products of bytes. Weights are signed
and have a scale for each output channel, activations unsigned and one for all: x86 multiplies these, and ONNX Runtime
fuses a ReLU into what is before it only so. (Signed activations left 11 of a ResNet-18's 20 convolutions in float: 22
ms of processor time in place of 9.5; float32 takes 21.) Of a transformer only products with constant weights, and the
stages of a ResNet that it may stand on: with residuals, norms, softmax, GELU and attention in bytes too, a ViT's
accuracy fell from .81 to 0 (TinyNeuralNetwork).
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from visionft.export.precision.body import body_nodes, convolutional_start, has_attention, layers

Ranges = Mapping[str, tuple[float, float]]
NEAREST: Mapping[str, np.ndarray] = {}  # every weight is rounded to the nearest step
PRODUCTS = ("MatMul", "Gemm")  # of a transformer: what they give stays float
_BETWEEN = ("Relu", "Add", "MaxPool")  # what stays in bytes between the convolutions of a ResNet


@dataclass(frozen=True)
class Plan:
    """Which nodes of a network become whole numbers.

    Attributes:
        layers: Names of the convolutions and products.
        between: Names of what stands between convolutions and takes bytes as it is.
        is_transformer: Whether products give floats, which what follows them needs.
        units: Names of what goes back to float together: each product, and convolutions with all up to the next sum of
            a residual. (With a convolution alone what goes in and comes out is still bytes: of a ResNet-18 with
            adapters, logits moved by .084 with none of its 40 convolutions in float, and by .085 with 39.)
    """

    layers: tuple[str, ...]
    between: tuple[str, ...]
    is_transformer: bool
    units: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, network: Any, head: str) -> "Plan":
        """Return the plan for a network's ONNX model, whose head timm calls `head`."""
        found, is_transformer = layers(network.graph, head), has_attention(network.graph)
        between = [node.name for node in body_nodes(network.graph, head) if node.op_type in _BETWEEN]
        if is_transformer:
            start = convolutional_start(network.graph, ("Conv", *_BETWEEN))
            found = [node for node in found if node.op_type != "Conv" or node.name in start]
            between = [name for name in between if name in start]
        layer_names = tuple(node.name for node in found)
        units = _units([node for node in network.graph.node if node.name in {*layer_names, *between}])
        return cls(layer_names, tuple(between), is_transformer, units)


def _units(nodes: Iterable[Any]) -> tuple[tuple[str, ...], ...]:
    """Return nodes of a plan, in the order of the graph, as `Plan.units`."""
    units: list[list[Any]] = []
    is_open = False  # whether what follows belongs to the last one
    for node in nodes:
        is_product = node.op_type not in ("Conv", *_BETWEEN)
        has_sum = bool(units) and any(each.op_type == "Add" for each in units[-1])
        if is_product or not is_open or (has_sum and node.op_type != "Relu"):
            units.append([])
        units[-1].append(node)
        is_open = not is_product
    return tuple(tuple(node.name for node in unit) for unit in units)


def in_whole_numbers(
    network: Any,
    plan: Plan,
    ranges: Ranges,
    *,
    bits: int,
    in_float: Collection[str] = (),
    weights: Mapping[str, np.ndarray] = NEAREST,
) -> Any:
    """Return a network's ONNX model with its layers in whole numbers.

    Args:
        network: An ONNX model; it stays as it is.
        plan: For it.
        ranges: Of its tensors, from `Observed.ranges`.
        bits: Of a weight, 8 or 7: those of 7 are exact on every processor.
        in_float: Nodes of the plan that stay as they are.
        weights: Better ones than the nearest whole numbers, by the name of their constant (`rounded_weights`).
    """
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.quant_utils import QuantType

    copy = onnx.ModelProto()
    copy.CopyFrom(network)
    nodes = [name for name in (*plan.layers, *plan.between) if name not in in_float]
    kinds = {node.op_type for node in copy.graph.node if node.name in nodes}
    data: dict[str, Any] = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    options = {"MatMulConstBOnly": True}
    if plan.is_transformer:
        options["OpTypesToExcludeOutputQuantization"] = list(PRODUCTS)  # type: ignore[assignment]
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(copy),
        per_channel=True,
        reduce_range=bits == 7,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=nodes,
        nodes_to_exclude=[],
        op_types_to_quantize=sorted(kinds),
        extra_options=options,
    )
    root = logging.getLogger()  # ONNX Runtime's tools write what is of no use to anybody into the root logger
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantizer.quantize_model()
    finally:
        root.setLevel(level)
    quantizer.model.topological_sort()
    made = quantizer.model.model
    del made.graph.value_info[:]
    for constant in made.graph.initializer:
        if constant.name in weights:
            constant.CopyFrom(numpy_helper.from_array(weights[constant.name], constant.name))
    return made


def session_of(content: bytes) -> Any:
    """Return ONNX Runtime's session of a graph that was just made, on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a busy computer would stall on it
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
