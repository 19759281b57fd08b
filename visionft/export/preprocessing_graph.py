"""Preprocessing as ONNX operators: `PreprocessConfig.crop_box` and `PreprocessConfig.apply`, step by step.

Only operators with the same result in every runtime are used. ONNX's own `Resize` is not one: OpenVINO silently ignores
`antialias`, with errors of up to .42 in the predictions. The resize is two products with matrices computed in the graph
from the image size, and integers are only divided without a remainder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from visionft.data.preprocess import PreprocessConfig


def preprocessing_model(preprocessing: PreprocessConfig, opset: int) -> Any:
    """Return a model from `image`, uint8 [batch, height, width, 3], to `pixels`, float [batch, 3, size, size]."""
    from onnx import TensorProto, helper

    size, graph = preprocessing.size, _Graph()
    square, side = _centre_square(graph, preprocessing)
    resized = _resized(graph, square, _windows(graph, side, preprocessing))
    mean, std = (
        np.array(part, np.float32).reshape(1, 3, 1, 1) * 255 for part in (preprocessing.mean, preprocessing.std)
    )
    centred = graph.add("Sub", [resized, graph.constant("mean", mean)], "centred")
    graph.add("Div", [centred, graph.constant("std", std)], "pixels")
    made = helper.make_graph(
        graph.nodes,
        "preprocessing",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, size, size])],
        graph.constants,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version(opset))


def ir_version(opset: int) -> int:
    """Return the oldest file format version for an opset: a newer one would exclude the runtimes of its time."""
    from onnx import helper

    return helper.find_min_ir_version_for([helper.make_opsetid("", opset)])


def constant(name: str, value: Any) -> Any:
    """Return a named constant; integers become int64 vectors of length one, as required of indices."""
    from onnx import numpy_helper

    array = np.array([value], np.int64) if isinstance(value, int) else np.asarray(value)
    return numpy_helper.from_array(array, name)


_LARGEST_BLOCK = 8  # output pixels per window: fewer copy more, more multiply by more zeros
_MOST_STRIPS = 14  # parts of the image, converted to floats one after another


@dataclass
class _Graph:
    """Nodes and constants in the order of their addition; a node is named after its only output."""

    nodes: list[Any] = field(default_factory=list[Any])
    constants: list[Any] = field(default_factory=list[Any])

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(constant(name, value))
        return name

    def split(self, value: str, count: int) -> list[str]:
        """Split a tensor along its first axis into equal parts and return their names."""
        from onnx import helper

        parts = [f"{value}_{place}" for place in range(count)]
        self.nodes.append(helper.make_node("Split", [value], parts, name=f"{value}_parts", axis=0, num_outputs=count))
        return parts

    def quotient(self, value: str, divisor: int, output: str) -> str:
        """Divide non-negative integers, rounding down.

        The remainder is subtracted before the division, as not all runtimes drop it.
        """
        by = self.constant(f"{output}_divisor", divisor)
        self.add("Mod", [value, by], f"{output}_remainder")
        self.add("Sub", [value, f"{output}_remainder"], f"{output}_multiple")
        return self.add("Div", [f"{output}_multiple", by], output)


def _centre_square(graph: _Graph, preprocessing: PreprocessConfig) -> tuple[str, str]:
    """Crop the centre square; return its bytes [batch, side, side, 3] and its side, int64 [1]."""
    one = graph.constant("one", 1)
    extent = graph.add("Shape", ["image"], "extent", start=1, end=3)  # (height, width)
    graph.add("ReduceMin", [extent], "shorter", keepdims=1)
    graph.add("Mul", ["shorter", graph.constant("permille", preprocessing.crop_permille)], "scaled")
    graph.add("Add", ["scaled", graph.constant("half", 500)], "rounded")
    side = graph.add("Max", [graph.quotient("rounded", 1000, "wished_side"), one], "side")
    start = graph.quotient(graph.add("Sub", [extent, side], "margin"), 2, "start")
    end = graph.add("Add", [start, side], "end")
    axes = graph.constant("crop_axes", np.array([1, 2], np.int64))
    return graph.add("Slice", ["image", start, end, axes], "square"), side


@dataclass(frozen=True)
class _Windows:
    """A resize of one axis in blocks of output pixels, each computed from a window of the input alone.

    Attributes:
        places: Positions of the windows' pixels in the input, int64 (blocks, length); the windows overlap.
        weights: Weights of a window's pixels for the output pixels of its block, (blocks, block, length).
        block: Number of output pixels per block; all blocks together are the whole output.
    """

    places: str
    weights: str
    block: int
    blocks: int


def _windows(graph: _Graph, side: str, preprocessing: PreprocessConfig) -> _Windows:
    """Compute the windows of an antialiased resize, with weights as in torch's `interpolate`; rows sum to one.

    Output pixel i is at (i + 1/2) s in the input, s = side / size, and averages its surroundings with the filter f:
    w_ij = f((j + 1/2 - (i + 1/2) s) / max(s, 1)), a triangle or Keys' cubic with a = -1/2, divided by its sum.

    In a large image an output pixel depends only on a strip; a product with a matrix of the whole side would multiply
    by zero nearly everywhere. Windows begin a pixel early and end late, with weights of zero: rounding cannot matter.
    """
    from onnx import TensorProto

    size, is_cubic = preprocessing.size, preprocessing.interpolation == "bicubic"
    block = max(each for each in range(1, _LARGEST_BLOCK + 1) if size % each == 0)
    blocks = size // block
    centres = np.arange(size, dtype=np.float32).reshape(blocks, block, 1) + np.float32(0.5)
    half = graph.constant("half_pixel", np.float32(0.5))
    graph.add("Cast", [side], "length", to=TensorProto.FLOAT)
    scale = graph.add("Div", ["length", graph.constant("size", np.float32(size))], "scale")
    width = graph.add("Max", [scale, graph.constant("least_scale", np.float32(1))], "filter_width")
    radius = graph.add("Mul", [width, graph.constant("filter_reach", np.float32(2 if is_cubic else 1))], "radius")
    # Pixels per window: the block's centres, the filter at both ends, and a margin for rounding.
    graph.add("Mul", [scale, graph.constant("steps", np.float32(block - 1))], "between_centres")
    graph.add("Sum", ["between_centres", radius, radius, graph.constant("spare", np.float32(5))], "wished_extent")
    graph.add("Cast", ["wished_extent"], "whole_extent", to=TensorProto.INT64)
    extent = graph.add("Min", ["whole_extent", side], "window_extent")
    # First pixel of each window.
    graph.add("Mul", [graph.constant("first_centres", centres[:, 0]), scale], "first_places")
    graph.add("Sub", ["first_places", radius], "first_seen")
    graph.add("Sub", ["first_seen", graph.constant("before", np.float32(1.5))], "wished_begin")
    graph.add("Cast", [graph.add("Relu", ["wished_begin"], "begin_inside")], "whole_begin", to=TensorProto.INT64)
    graph.add("Min", ["whole_begin", graph.add("Sub", [side, extent], "last_begin")], "begin")  # (blocks, 1)
    zero, step = graph.constant("zero", np.int64(0)), graph.constant("step", np.int64(1))
    graph.add("Range", [zero, graph.add("Squeeze", [extent], "window_length"), step], "columns")
    places = graph.add("Add", ["begin", "columns"], "places")  # (blocks, length)
    # Weight of each pixel of the windows.
    graph.add("Cast", [places], "places_float", to=TensorProto.FLOAT)
    graph.add("Add", ["places_float", half], "pixel_centres")
    graph.add("Unsqueeze", ["pixel_centres", graph.constant("beside_blocks", 1)], "pixels_of_blocks")
    graph.add("Mul", [graph.constant("output_centres", centres), scale], "output_places")
    graph.add("Sub", ["pixels_of_blocks", "output_places"], "offsets")
    graph.add("Div", ["offsets", width], "relative_offsets")
    distances = graph.add("Abs", ["relative_offsets"], "distances")
    raw = _cubic(graph, distances) if is_cubic else _ramp(graph, 1, distances)
    graph.add("ReduceSum", [raw, graph.constant("along_window", 2)], "weight_sums", keepdims=1)
    weights = graph.add("Div", [raw, "weight_sums"], "resize_weights")
    return _Windows(places, weights, block, blocks)


def _cubic(graph: _Graph, distance: str) -> str:
    """Return Keys' cubic (1981) with a = -1/2 of x >= 0, without a comparison: q^2 (q - 1) / 2 + p^2 (1 - 2 p).

    q = max(0, 2 - x) and p = max(0, 1 - x): the first term is the filter beyond 1, the second the difference below 1.
    """
    one, minus_two = graph.constant("number_one", np.float32(1)), graph.constant("minus_two", np.float32(-2))
    near, far = _ramp(graph, 1, distance), _ramp(graph, 2, distance)
    graph.add("Mul", [far, far], "far_square")
    graph.add("Sub", [far, one], "far_less_one")
    graph.add("Mul", ["far_square", "far_less_one"], "far_twice")
    graph.add("Mul", ["far_twice", graph.constant("one_half", np.float32(0.5))], "far_term")
    graph.add("Mul", [near, near], "near_square")
    graph.add("Mul", [near, minus_two], "near_lowered")
    graph.add("Add", ["near_lowered", one], "near_factor")
    graph.add("Mul", ["near_square", "near_factor"], "near_term")
    return graph.add("Add", ["far_term", "near_term"], "filter")


def _ramp(graph: _Graph, end: int, distance: str) -> str:
    """Return max(0, end - x)."""
    top = graph.constant(f"end_{end}", np.float32(end))
    return graph.add("Relu", [graph.add("Sub", [top, distance], f"below_{end}")], f"ramp_{end}")


def _resized(graph: _Graph, square: str, windows: _Windows) -> str:
    """Resize bytes (batch, side, side, 3) along both axes, and clip to the range of a byte.

    Both passes resize the first axis and transpose the result. In the first, only a strip of the image at a time is
    converted to floats: it fits the processor's cache, and a 12-megapixel image takes 15 MB instead of 100.
    """
    from onnx import TensorProto

    size = windows.block * windows.blocks
    as_rows = graph.constant("as_rows", np.array([0, 0, 0, -1], np.int64))
    count = max(each for each in range(1, _MOST_STRIPS + 1) if windows.blocks % each == 0)
    places, weights = (graph.split(each, count) for each in (windows.places, windows.weights))
    strips: list[str] = []
    for strip, (seen, shares) in enumerate(zip(places, weights, strict=True)):
        graph.add("Gather", [square, seen], f"bytes_{strip}", axis=1)  # (batch, blocks / strips, length, side, 3)
        graph.add("Reshape", [f"bytes_{strip}", as_rows], f"rows_{strip}")
        graph.add("Cast", [f"rows_{strip}"], f"floats_{strip}", to=TensorProto.FLOAT)
        strips.append(graph.add("MatMul", [shares, f"floats_{strip}"], f"strip_{strip}"))
    low = graph.add("Concat", strips, "low_blocks", axis=1)  # parts: (batch, blocks / strips, block, side * 3)
    graph.add("Reshape", [low, graph.constant("as_low", np.array([0, size, -1, 3], np.int64))], "low")
    graph.add("Transpose", ["low"], "low_turned", perm=[0, 2, 3, 1])  # (batch, side, 3, size)
    graph.add("Gather", ["low_turned", windows.places], "seen_columns", axis=1)
    graph.add("Reshape", ["seen_columns", as_rows], "seen_across")  # (batch, blocks, length, 3 * size)
    graph.add("MatMul", [windows.weights, "seen_across"], "narrow_blocks")
    shape = graph.constant("as_narrow", np.array([0, size, 3, size], np.int64))
    graph.add("Reshape", ["narrow_blocks", shape], "narrow")  # (batch, size along the width, 3, size along the height)
    resized = graph.add("Transpose", ["narrow"], "resized", perm=[0, 2, 3, 1])
    low, high = graph.constant("low_end", np.float32(0)), graph.constant("high_end", np.float32(255))
    return graph.add("Clip", [resized, low, high], "clipped")
