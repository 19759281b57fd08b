"""Preprocessing as ONNX operators: `PreprocessConfig.crop_box` and `PreprocessConfig.apply`, step by step.

Only operators with the same result in every runtime are used. ONNX's own `Resize` is not one: OpenVINO silently ignores
`antialias`, with errors of up to .42 in the predictions. The resize is two products with matrices computed in the graph
from the image size, and integers are only divided without a remainder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from visionft.data.preprocess import WHOLE, PreprocessConfig


def preprocessing_model(preprocessing: PreprocessConfig, opset: int) -> Any:
    """Return a model from `image`, uint8 [batch, height, width, 3], to `pixels`, float32 [batch, 3, rows, columns]."""
    height, width = preprocessing.shape
    graph = _Graph()
    part, sides = _cropped(graph, preprocessing)
    is_cubic = preprocessing.interpolation == "bicubic"
    rows = columns = _windows(graph, sides[0], height, is_cubic=is_cubic, axis="rows")
    if width != height:
        columns = _windows(graph, sides[1], width, is_cubic=is_cubic, axis="columns")
    _normalise(graph, _resized(graph, part, rows, columns), preprocessing)
    return _model(graph, ["batch", "height", "width", 3], ["batch", 3, height, width], opset)


def normalising_model(preprocessing: PreprocessConfig, opset: int) -> Any:
    """Return a model from `image`, uint8 [1, rows, columns, 3], to `pixels`, float32 [1, 3, rows, columns]."""
    from onnx import TensorProto

    height, width = preprocessing.shape
    graph = _Graph()
    turned = graph.add("Transpose", ["image"], "turned", perm=[0, 3, 1, 2])
    _normalise(graph, graph.add("Cast", [turned], "floats", to=TensorProto.FLOAT), preprocessing)
    return _model(graph, [1, height, width, 3], [1, 3, height, width], opset)


def _normalise(graph: "_Graph", pixels: str, preprocessing: PreprocessConfig) -> None:
    mean, std = (
        np.array(part, np.float32).reshape(1, 3, 1, 1) * 255 for part in (preprocessing.mean, preprocessing.std)
    )
    centred = graph.add("Sub", [pixels, graph.constant("mean", mean)], "centred")
    graph.add("Div", [centred, graph.constant("std", std)], "pixels")


def _model(graph: "_Graph", taken: Sequence[int | str], given: Sequence[int | str], opset: int) -> Any:
    from onnx import TensorProto, helper

    made = helper.make_graph(
        graph.nodes,
        "preprocessing",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, taken)],
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, given)],
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


_MAX_BLOCK_PX = 8  # output pixels per window; smaller windows copy more, larger ones multiply by more zeros
_MAX_NODE_OUTPUTS = 7  # WebGPU guarantees 8 buffers per shader, one of which is the input
_STRIPS = (*range(1, 9), 10, 12, 14)  # parts of the image, converted to floats one after another
_Adding = Callable[[str, Sequence[str], str], str]  # of a node: operator, inputs, output
_Numbering = Callable[[str, Any], str]  # of a constant: name, value


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
        """Split a tensor along its first axis into equal parts, by halves where they are many; return their names."""
        from onnx import helper

        if count > _MAX_NODE_OUTPUTS:
            return [part for half in self.split(value, count // 2) for part in self.split(half, 2)]
        parts = [f"{value}_{place}" for place in range(count)]
        self.nodes.append(helper.make_node("Split", [value], parts, name=f"{value}_parts", axis=0, num_outputs=count))
        return parts

    def quotient(self, value: str, divisor: Any, output: str) -> str:
        """Divide non-negative integers by one number, or each by its own, rounding down.

        The remainder is subtracted before the division, as not all runtimes drop it.
        """
        by = self.constant(f"{output}_divisor", divisor)
        self.add("Mod", [value, by], f"{output}_remainder")
        self.add("Sub", [value, f"{output}_remainder"], f"{output}_multiple")
        return self.add("Div", [f"{output}_multiple", by], output)


def _cropped(graph: _Graph, preprocessing: PreprocessConfig) -> tuple[str, list[str]]:
    """Crop as `PreprocessConfig.crop_box`; return the bytes [batch, height, width, 3], and both sides, int64 [1].

    Sides and positions are computed together, as vectors of (along the height, along the width).
    """
    extent, start = graph.add("Shape", ["image"], "extent", start=1, end=3), None  # (height, width)
    one = graph.constant("one", 1)
    if preprocessing.region != WHOLE:
        left, top, right, bottom = preprocessing.region
        first = graph.add("Mul", [extent, graph.constant("first_permille", _pair(top, left))], "first_scaled")
        last = graph.add("Mul", [extent, graph.constant("last_permille", _pair(bottom, right))], "last_scaled")
        start = graph.quotient(first, 1000, "region_start")
        wished = graph.add("Sub", [graph.quotient(last, 1000, "region_end"), start], "wished_region")
        extent = graph.add("Max", [wished, one], "region_extent")
    units, by = preprocessing.units, preprocessing.box_factors
    scaled = graph.add("Mul", [extent, graph.constant("units", _pair(*units[::-1]))], "scaled")
    graph.add("ReduceMin", [scaled], "least", keepdims=1)
    graph.add("Mul", ["least", graph.constant("factors", _pair(*(2 * each.numerator for each in by)))], "doubled")
    halves = graph.constant("halves", _pair(*(each.denominator for each in by)))
    divisors = _pair(*(2 * each.denominator for each in by))
    wished = graph.quotient(graph.add("Add", ["doubled", halves], "rounded"), divisors, "wished_sides")
    sides = graph.add("Max", [wished, one], "sides")
    inset = graph.quotient(graph.add("Sub", [extent, sides], "margin"), 2, "inset")
    begin = graph.add("Add", [start, inset], "begin") if start else inset
    end = graph.add("Add", [begin, sides], "end")
    axes = graph.constant("crop_axes", np.array([1, 2], np.int64))
    return graph.add("Slice", ["image", begin, end, axes], "part"), graph.split(sides, 2)


def _pair(height: int, width: int) -> np.ndarray:
    return np.array([height, width], np.int64)


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


def _windows(graph: _Graph, side: str, size: int, *, is_cubic: bool, axis: str) -> _Windows:
    """Compute the windows of an antialiased resize, with weights as in torch's `interpolate`; rows sum to one.

    Output pixel i is at (i + 1/2) s in the input, s = side / size, and averages its surroundings with the filter f:
    w_ij = f((j + 1/2 - (i + 1/2) s) / max(s, 1)), a triangle or Keys' cubic with a = -1/2, divided by its sum.

    In a large image an output pixel depends only on a strip; a product with a matrix of the whole side would multiply
    by zero nearly everywhere. Windows begin a pixel early and end late, with weights of zero: rounding cannot matter.
    """
    from onnx import TensorProto

    block = max(each for each in range(1, _MAX_BLOCK_PX + 1) if size % each == 0)
    blocks = size // block
    centres = np.arange(size, dtype=np.float32).reshape(blocks, block, 1) + np.float32(0.5)

    def add(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        return graph.add(operator, inputs, f"{axis}_{output}", **attributes)

    def number(name: str, value: Any) -> str:
        return graph.constant(f"{axis}_{name}", np.asarray(value, np.float32))

    length = add("Cast", [side], "length", to=TensorProto.FLOAT)
    scale = add("Div", [length, number("size", size)], "scale")
    width = add("Max", [scale, number("least_scale", 1)], "filter_width")
    radius = add("Mul", [width, number("filter_reach", 2 if is_cubic else 1)], "radius")
    # Pixels per window: the block's centres, the filter at both ends, and a margin for rounding.
    between = add("Mul", [scale, number("steps", block - 1)], "between_centres")
    wished = add("Sum", [between, radius, radius, number("spare", 5)], "wished_extent")
    extent = add("Min", [add("Cast", [wished], "whole_extent", to=TensorProto.INT64), side], "window_extent")
    # First pixel of each window.
    first = add("Mul", [number("first_centres", centres[:, 0]), scale], "first_places")
    seen = add("Sub", [add("Sub", [first, radius], "first_seen"), number("before", 1.5)], "wished_begin")
    begin = add("Cast", [add("Relu", [seen], "begin_inside")], "whole_begin", to=TensorProto.INT64)
    begin = add("Min", [begin, add("Sub", [side, extent], "last_begin")], "begin")  # (blocks, 1)
    zero, step = (graph.constant(f"{axis}_{name}", np.int64(value)) for name, value in (("zero", 0), ("step", 1)))
    columns = add("Range", [zero, add("Squeeze", [extent], "window_length"), step], "columns")
    places = add("Add", [begin, columns], "places")  # (blocks, length)
    # Weight of each pixel of the windows.
    pixels = add("Cast", [places], "places_float", to=TensorProto.FLOAT)
    pixels = add("Add", [pixels, number("half_pixel", 0.5)], "pixel_centres")
    pixels = add("Unsqueeze", [pixels, graph.constant(f"{axis}_beside_blocks", 1)], "pixels_of_blocks")
    outputs = add("Mul", [number("output_centres", centres), scale], "output_places")
    offsets = add("Div", [add("Sub", [pixels, outputs], "offsets"), width], "relative_offsets")
    distances = add("Abs", [offsets], "distances")
    raw = _cubic(add, number, distances) if is_cubic else _ramp(add, number, 1, distances)
    sums = add("ReduceSum", [raw, graph.constant(f"{axis}_along_window", 2)], "weight_sums", keepdims=1)
    return _Windows(places, add("Div", [raw, sums], "resize_weights"), block, blocks)


def _cubic(add: _Adding, number: _Numbering, distance: str) -> str:
    """Return Keys' cubic (1981) with a = -1/2 of x >= 0, without a comparison: q^2 (q - 1) / 2 + p^2 (1 - 2 p).

    q = max(0, 2 - x) and p = max(0, 1 - x): the first term is the filter beyond 1, the second the difference below 1.
    """
    one = number("number_one", 1)
    near, far = _ramp(add, number, 1, distance), _ramp(add, number, 2, distance)
    far_square = add("Mul", [far, far], "far_square")
    far_twice = add("Mul", [far_square, add("Sub", [far, one], "far_less_one")], "far_twice")
    far_term = add("Mul", [far_twice, number("one_half", 0.5)], "far_term")
    near_square = add("Mul", [near, near], "near_square")
    near_factor = add("Add", [add("Mul", [near, number("minus_two", -2)], "near_lowered"), one], "near_factor")
    return add("Add", [far_term, add("Mul", [near_square, near_factor], "near_term")], "filter")


def _ramp(add: _Adding, number: _Numbering, end: int, distance: str) -> str:
    """Return max(0, end - x)."""
    return add("Relu", [add("Sub", [number(f"end_{end}", end), distance], f"below_{end}")], f"ramp_{end}")


def _resized(graph: _Graph, part: str, rows: _Windows, columns: _Windows) -> str:
    """Resize bytes (batch, height, width, 3) along both axes, and clip to the range of a byte.

    Both passes resize the first axis and transpose the result. In the first, only a strip of the image at a time is
    converted to floats: it fits the processor's cache, and a 12-megapixel image takes 15 MB instead of 100.
    """
    from onnx import TensorProto

    height, width = (each.block * each.blocks for each in (rows, columns))
    as_rows = graph.constant("as_rows", np.array([0, 0, 0, -1], np.int64))
    count = max(each for each in _STRIPS if rows.blocks % each == 0)
    places, weights = (graph.split(each, count) for each in (rows.places, rows.weights))
    strips: list[str] = []
    for strip, (seen, shares) in enumerate(zip(places, weights, strict=True)):
        graph.add("Gather", [part, seen], f"bytes_{strip}", axis=1)  # (batch, blocks / strips, length, width, 3)
        graph.add("Reshape", [f"bytes_{strip}", as_rows], f"rows_{strip}")
        graph.add("Cast", [f"rows_{strip}"], f"floats_{strip}", to=TensorProto.FLOAT)
        strips.append(graph.add("MatMul", [shares, f"floats_{strip}"], f"strip_{strip}"))
    low = graph.add("Concat", strips, "low_blocks", axis=1)  # parts: (batch, blocks / strips, block, width * 3)
    graph.add("Reshape", [low, graph.constant("as_low", np.array([0, height, -1, 3], np.int64))], "low")
    graph.add("Transpose", ["low"], "low_turned", perm=[0, 2, 3, 1])  # (batch, width of the part, 3, height)
    graph.add("Gather", ["low_turned", columns.places], "seen_columns", axis=1)
    graph.add("Reshape", ["seen_columns", as_rows], "seen_across")  # (batch, blocks, length, 3 * height)
    graph.add("MatMul", [columns.weights, "seen_across"], "narrow_blocks")
    shape = graph.constant("as_narrow", np.array([0, width, 3, height], np.int64))
    graph.add("Reshape", ["narrow_blocks", shape], "narrow")  # (batch, width, 3, height)
    resized = graph.add("Transpose", ["narrow"], "resized", perm=[0, 2, 3, 1])
    low, high = graph.constant("low_end", np.float32(0)), graph.constant("high_end", np.float32(255))
    return graph.add("Clip", [resized, low, high], "clipped")
