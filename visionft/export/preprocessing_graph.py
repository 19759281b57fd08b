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
    weights = _resize_weights(graph, side, preprocessing)
    resized = _product_of_both_sides(graph, square, weights)
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

    def quotient(self, value: str, divisor: int, output: str) -> str:
        """Divide whole numbers that are not negative and drop the remainder, before the division: not all drop it."""
        by = self.constant(f"{output}_divisor", divisor)
        self.add("Mod", [value, by], f"{output}_remainder")
        self.add("Sub", [value, f"{output}_remainder"], f"{output}_multiple")
        return self.add("Div", [f"{output}_multiple", by], output)


def _centre_square(graph: _Graph, preprocessing: Preprocessing) -> tuple[str, str]:
    """Cut the centre square out; return its float planes [batch, 3, side, side] and its side, int64 [1]."""
    from onnx import TensorProto

    one = graph.constant("one", 1)
    extent = graph.add("Shape", ["image"], "extent", start=1, end=3)  # (height, width)
    graph.add("ReduceMin", [extent], "shorter", keepdims=1)
    graph.add("Mul", ["shorter", graph.constant("permille", preprocessing.crop_permille)], "scaled")
    graph.add("Add", ["scaled", graph.constant("half", 500)], "rounded")
    side = graph.add("Max", [graph.quotient("rounded", 1000, "wished_side"), one], "side")
    start = graph.quotient(graph.add("Sub", [extent, side], "margin"), 2, "start")
    end = graph.add("Add", [start, side], "end")
    axes = graph.constant("crop_axes", np.array([1, 2], np.int64))
    graph.add("Slice", ["image", start, end, axes], "square")
    # Bytes are turned to planes, not floats: a large picture would be in memory twice at four bytes a value.
    graph.add("Transpose", ["square"], "planes", perm=[0, 3, 1, 2])
    return graph.add("Cast", ["planes"], "square_planes", to=TensorProto.FLOAT), side


def _resize_weights(graph: _Graph, side: str, preprocessing: Preprocessing) -> str:
    """Return the (size, side) weights of an antialiased resize, as torch's `interpolate` has them; rows sum to one.

    Output pixel i lies at (i + 1/2) s in the input, s = side / size, and sees what is around it through the filter f:
    w_ij = f((j + 1/2 - (i + 1/2) s) / max(s, 1)), a triangle or Keys' cubic with a = -1/2, divided by its sum.
    """
    from onnx import TensorProto

    size = preprocessing.size
    places = np.arange(size, dtype=np.float32).reshape(size, 1) + np.float32(0.5)
    half = graph.constant("half_pixel", np.float32(0.5))
    zero, step = graph.constant("zero", np.int64(0)), graph.constant("step", np.int64(1))
    length = graph.add("Squeeze", [side], "length")
    graph.add("Cast", [length], "length_float", to=TensorProto.FLOAT)
    scale = graph.add("Div", ["length_float", graph.constant("size", np.float32(size))], "scale")
    width = graph.add("Max", [scale, graph.constant("least_scale", np.float32(1))], "filter_width")
    graph.add("Range", [zero, length, step], "columns")
    graph.add("Cast", ["columns"], "columns_float", to=TensorProto.FLOAT)
    graph.add("Add", ["columns_float", half], "column_centres")
    graph.add("Mul", [graph.constant("row_places", places), scale], "row_centres")
    graph.add("Sub", ["column_centres", "row_centres"], "offsets")
    graph.add("Div", ["offsets", width], "relative_offsets")
    distance = graph.add("Abs", ["relative_offsets"], "distances")
    raw = {"bilinear": _triangle, "bicubic": _cubic}[preprocessing.interpolation](graph, distance)
    graph.add("ReduceSum", [raw, graph.constant("along_columns", 1)], "row_sums", keepdims=1)
    return graph.add("Div", [raw, "row_sums"], "resize_weights")


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


def _product_of_both_sides(graph: _Graph, square: str, weights: str) -> str:
    """Resize (batch, 3, side, side) planes along both axes, and keep to what bytes can hold."""
    rows = graph.add("MatMul", [weights, square], "resized_rows")  # (batch, 3, size, side)
    across = graph.add("Transpose", [weights], "weights_across", perm=[1, 0])
    resized = graph.add("MatMul", [rows, across], "resized")
    low, high = graph.constant("low", np.float32(0)), graph.constant("high", np.float32(255))
    return graph.add("Clip", [resized, low, high], "clipped")


def _normalise(graph: _Graph, resized: str, preprocessing: Preprocessing) -> None:
    """Map pixels of 0..255 to `pixels`."""
    mean, std = (
        np.array(part, np.float32).reshape(1, 3, 1, 1) * 255 for part in (preprocessing.mean, preprocessing.std)
    )
    centred = graph.add("Sub", [resized, graph.constant("mean", mean)], "centred")
    graph.add("Div", [centred, graph.constant("std", std)], "pixels")
