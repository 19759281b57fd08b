"""Quantise a network to 8-bit integers by ONNX Runtime's `quantize_static`, with ranges from training images.

Weights are signed with a scale per output channel, activations unsigned with a single scale: x86 multiplies this
combination, and ONNX Runtime fuses a ReLU into the preceding operator only with unsigned activations. Weights have 7
bits: they are exact on every processor, and x86 without VNNI adds products of 8-bit weights in 16 bits, too few.

In a transformer only matrix products with constant weights are quantised. The head and the distance stay in float32:
they are small, and their outputs are divided by a temperature.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from visionft.export.graph import NETWORK_INPUT

BITS: Final = 7  # of a weight
_CONVOLUTIONAL = ("Conv", "Relu", "Clip", "Add", "MaxPool")  # a ReLU6 is a Clip
_PRODUCTS = ("MatMul", "Gemm")  # of a transformer: their outputs stay float


def body_nodes(graph: Any, head: str) -> Iterator[Any]:
    """Yield the nodes of the modules of a network (of `export_network`), without its head and nodes outside modules."""
    for node in graph.node:
        module = node.name.rpartition("/")[0]
        module = module.removeprefix("network.").removeprefix("body.")  # of `WithOutputs` and of `JoinedNetwork`
        if module and module.partition(".")[0] not in (head, "distance"):
            yield node


def quantise(network: Any, head: str, images: Sequence[np.ndarray]) -> Any:
    """Return a network's ONNX model with its layers quantised to integers.

    Args:
        network: An ONNX model with node names from `export_network`; not modified.
        head: timm's name of the head.
        images: Float32 (1, 3, height, width) normalised training images, for the ranges of the activations.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(images)

        def get_next(self) -> Any:
            image = next(self._left, None)
            return None if image is None else {NETWORK_INPUT: image}

    matrices = {tensor.name for tensor in network.graph.initializer if len(tensor.dims) == 2}
    # Attention, whose second factor is no matrix of constants, stays in float.
    body = {
        node.name
        for node in body_nodes(network.graph, head)
        if node.op_type not in _PRODUCTS or node.input[1] in matrices
    }
    is_transformer = any(node.op_type == "Softmax" for node in network.graph.node)
    float_outputs = {"OpTypesToExcludeOutputQuantization": list(_PRODUCTS)} if is_transformer else {}
    with tempfile.TemporaryDirectory(prefix="visionft-") as folder, _without_root_log():
        # `quant_pre_process` fails for vision transformers, and PyTorch's exporter has folded the norms already.
        copy = onnx.ModelProto()
        copy.CopyFrom(network)
        quantised = Path(folder) / "quantised.onnx"
        quantize_static(
            copy,
            quantised,
            Images(),
            op_types_to_quantize=list(_PRODUCTS if is_transformer else _CONVOLUTIONAL),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in network.graph.node if node.name not in body],
            extra_options={"CalibMovingAverage": True, **float_outputs},
        )
        model = onnx.load(quantised)
    del model.graph.value_info[:]
    return model


@contextmanager
def _without_root_log() -> Iterator[None]:
    """Silence the root logger, to which ONNX Runtime's tools write messages that are of no use."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
