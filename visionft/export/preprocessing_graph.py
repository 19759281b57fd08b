"""The steps before the network as ONNX operators: `Preprocessing.crop_box` and `Preprocessing.apply`, one by one.

Only operators that every runtime computes alike. ONNX's own `Resize` is not one: OpenVINO passes over `antialias`
without a word, and its answers were wrong by up to .42. So the resize is two products with matrices that the graph
makes of the picture's size, and no whole number is divided that is not a multiple of the divisor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from visionft.data.preprocess import Preprocessing


def preprocessing_model(preprocessing: Preprocessing, opset: int) -> Any:
    """Return a model from `image`, uint8 [batch, height, width, 3], to `pixels`, float [batch, 3, size, size]."""
    from onnx import TensorProto, helper

    size, graph = preprocessing.size, _Graph()
    square, side = _centre_square(graph, preprocessing)
    resized = _resized(graph, square, _windows(graph, side, preprocessing))
    _normalise(graph, resized, preprocessing)
    made = helper.make_graph(
        graph.nodes,
        "preprocessing",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, size, size])],
        graph.constants,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version(opset))


def ir_version(opset: int) -> int:
    """Return the file format that belongs to the operators: a newer one would shut out the runtimes of their time."""
    from onnx import helper

    return helper.find_min_ir_version_for([helper.make_opsetid("", opset)])


def constant(name: str, value: Any) -> Any:
    """Return a named constant; whole numbers become int64 vectors of length one, which indices have to be."""
    from onnx import numpy_helper

    array = np.array([value], np.int64) if isinstance(value, int) else np.asarray(value)
    return numpy_helper.from_array(array, name)


_LARGEST_BLOCK = 8  # output pixels that share a window: fewer copy more, more multiply by more zeros
_MOST_STRIPS = 14  # parts that the picture is turned to floats in, one after another


@dataclass
class _Graph:
    """Nodes and constants as they are added; a node is named by its only output."""

    nodes: list[Any] = field(default_factory=list[Any])
    constants: list[Any] = field(default_factory=list[Any])

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        """Add a constant and return its name."""
        self.constants.append(constant(name, value))
        return name

    def split(self, value: str, count: int) -> list[str]:
        """Cut a tensor along its first axis into equal parts and return their names."""
        from onnx import helper

        parts = [f"{value}_{place}" for place in range(count)]
        self.nodes.append(helper.make_node("Split", [value], parts, name=f"{value}_parts", axis=0, num_outputs=count))
        return parts

    def quotient(self, value: str, divisor: int, output: str) -> str:
        """Divide whole numbers that are not negative and drop the remainder, before the division: not all drop it."""
        by = self.constant(f"{output}_divisor", divisor)
        self.add("Mod", [value, by], f"{output}_remainder")
        self.add("Sub", [value, f"{output}_remainder"], f"{output}_multiple")
        return self.add("Div", [f"{output}_multiple", by], output)


def _centre_square(graph: _Graph, preprocessing: Preprocessing) -> tuple[str, str]:
    """Cut the centre square out; return its bytes [batch, side, side, 3] and its side, int64 [1]."""
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
    """A resize of one axis in blocks of output pixels, each of which sees a window of the input alone.

    Attributes:
        places: Of the windows' pixels in the input, int64 (blocks, length); they overlap.
        weights: Of the pixels of a window for the output pixels of its block, (blocks, block, length).
        block: Output pixels of a block.
        blocks: How many there are; together they are the whole output.
    """

    places: str
    weights: str
    block: int
    blocks: int


def _windows(graph: _Graph, side: str, preprocessing: Preprocessing) -> _Windows:
    """Compute the windows of an antialiased resize, with weights as torch's `interpolate` has them; rows sum to one.

    Output pixel i lies at (i + 1/2) s in the input, s = side / size, and sees what is around it through the filter f:
    w_ij = f((j + 1/2 - (i + 1/2) s) / max(s, 1)), a triangle or Keys' cubic with a = -1/2, divided by its sum.

    Of a large picture a pixel of the output sees only a strip; a product with a matrix of the whole side would multiply
    by zero nearly everywhere. Windows begin a pixel early and end late, where weights are zero: rounding cannot matter.
    """
    from onnx import TensorProto

    size, (filter_of, reach) = preprocessing.size, _FILTERS[preprocessing.interpolation]
    block = max(each for each in range(1, _LARGEST_BLOCK + 1) if size % each == 0)
    blocks = size // block
    centres = np.arange(size, dtype=np.float32).reshape(blocks, block, 1) + np.float32(0.5)
    half = graph.constant("half_pixel", np.float32(0.5))
    graph.add("Cast", [side], "length", to=TensorProto.FLOAT)
    scale = graph.add("Div", ["length", graph.constant("size", np.float32(size))], "scale")
    width = graph.add("Max", [scale, graph.constant("least_scale", np.float32(1))], "filter_width")
    radius = graph.add("Mul", [width, graph.constant("filter_reach", np.float32(reach))], "radius")
    # How many pixels a window holds: the block's centres, the filter at both ends, and what rounding may take.
    graph.add("Mul", [scale, graph.constant("steps", np.float32(block - 1))], "between_centres")
    graph.add("Sum", ["between_centres", radius, radius, graph.constant("spare", np.float32(5))], "wished_extent")
    graph.add("Cast", ["wished_extent"], "whole_extent", to=TensorProto.INT64)
    extent = graph.add("Min", ["whole_extent", side], "window_extent")
    # Where the windows begin.
    graph.add("Mul", [graph.constant("first_centres", centres[:, 0]), scale], "first_places")
    graph.add("Sub", ["first_places", radius], "first_seen")
    graph.add("Sub", ["first_seen", graph.constant("before", np.float32(1.5))], "wished_begin")
    graph.add("Cast", [graph.add("Relu", ["wished_begin"], "begin_inside")], "whole_begin", to=TensorProto.INT64)
    graph.add("Min", ["whole_begin", graph.add("Sub", [side, extent], "last_begin")], "begin")  # (blocks, 1)
    zero, step = graph.constant("zero", np.int64(0)), graph.constant("step", np.int64(1))
    graph.add("Range", [zero, graph.add("Squeeze", [extent], "window_length"), step], "columns")
    places = graph.add("Add", ["begin", "columns"], "places")  # (blocks, length)
    # What each pixel of them counts.
    graph.add("Cast", [places], "places_float", to=TensorProto.FLOAT)
    graph.add("Add", ["places_float", half], "pixel_centres")
    graph.add("Unsqueeze", ["pixel_centres", graph.constant("beside_blocks", 1)], "pixels_of_blocks")
    graph.add("Mul", [graph.constant("output_centres", centres), scale], "output_places")
    graph.add("Sub", ["pixels_of_blocks", "output_places"], "offsets")
    graph.add("Div", ["offsets", width], "relative_offsets")
    raw = filter_of(graph, graph.add("Abs", ["relative_offsets"], "distances"))
    graph.add("ReduceSum", [raw, graph.constant("along_window", 2)], "weight_sums", keepdims=1)
    weights = graph.add("Div", [raw, "weight_sums"], "resize_weights")
    return _Windows(places, weights, block, blocks)


def _triangle(graph: _Graph, distance: str) -> str:
    """Return max(0, 1 - x)."""
    return _ramp(graph, 1, distance)


def _cubic(graph: _Graph, distance: str) -> str:
    """Return Keys' cubic (1981) with a = -1/2 of x >= 0, without a comparison: q^2 (q - 1) / 2 + p^2 (1 - 2 p).

    q = max(0, 2 - x) and p = max(0, 1 - x): the first term is the filter beyond 1, the second what differs before.
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


def _strips(graph: _Graph, square: str, windows: _Windows, as_rows: str) -> list[str]:
    """Resize the first axis of bytes (batch, side, side, 3) in parts (batch, blocks / strips, block, side * 3).

    Only a strip of the picture at a time becomes floats: it stays in the processor's cache, and a picture of 12
    megapixels takes 15 MB in place of 100.
    """
    from onnx import TensorProto

    count = max(each for each in range(1, _MOST_STRIPS + 1) if windows.blocks % each == 0)
    places, weights = (graph.split(each, count) for each in (windows.places, windows.weights))
    strips: list[str] = []
    for strip, (seen, shares) in enumerate(zip(places, weights, strict=True)):
        graph.add("Gather", [square, seen], f"bytes_{strip}", axis=1)  # (batch, blocks / strips, length, side, 3)
        graph.add("Reshape", [f"bytes_{strip}", as_rows], f"rows_{strip}")
        graph.add("Cast", [f"rows_{strip}"], f"floats_{strip}", to=TensorProto.FLOAT)
        strips.append(graph.add("MatMul", [shares, f"floats_{strip}"], f"strip_{strip}"))
    return strips


# The filter, and how far it reaches.
_FILTERS = {"bilinear": (_triangle, 1), "bicubic": (_cubic, 2)}


def _resized(graph: _Graph, square: str, windows: _Windows) -> str:
    """Resize bytes (batch, side, side, 3) along both axes, and keep to what bytes can hold.

    Both passes do the same to the first axis, and turn what comes out.
    """
    size = windows.block * windows.blocks
    as_rows = graph.constant("as_rows", np.array([0, 0, 0, -1], np.int64))
    low = graph.add("Concat", _strips(graph, square, windows, as_rows), "low_blocks", axis=1)
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


def _normalise(graph: _Graph, resized: str, preprocessing: Preprocessing) -> None:
    """Map pixels of 0..255 to `pixels`."""
    mean, std = (
        np.array(part, np.float32).reshape(1, 3, 1, 1) * 255 for part in (preprocessing.mean, preprocessing.std)
    )
    centred = graph.add("Sub", [resized, graph.constant("mean", mean)], "centred")
    graph.add("Div", [centred, graph.constant("std", std)], "pixels")
