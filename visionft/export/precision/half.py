"""A network at half precision: weights and activations of its body in float16, what goes in and out in float32.

Written here and not left to ONNX Runtime's converter: where nodes that stay and nodes that change share a constant, it
casts that several times under one name, and the graph is none any more.
"""

from dataclasses import dataclass, field
from typing import Any

from visionft.export.precision.body import body_nodes

HALF = "half"


def at_half_precision(network: Any, head: str) -> Any:
    """Return a network's ONNX model with its body in float16.

    Args:
        network: An ONNX model whose nodes have the names that `export_network` gives; it stays as it is.
        head: What timm calls the head, which stays in float32, as do the distance and the pooling before both.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(network)
    graph = copy.graph
    halving = _Halving(_floats(network), {each.name: each for each in graph.initializer})
    body = {node.name for node in body_nodes(graph, head)}
    inside = {name for node in graph.node if node.name in body for name in node.output} & halving.floats
    for node in list(graph.node):
        (halving.take_in if node.name in body else halving.leave_out)(node, inside)
    for output in graph.output:
        if output.name in inside:
            halving.cast_back(output.name)
    del graph.node[:]
    graph.node.extend(halving.nodes)
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *halving.constants.values()])
    del graph.value_info[:]
    return copy


def _floats(network: Any) -> set[str]:
    """Return the names of all tensors of float32."""
    import onnx
    from onnx import TensorProto

    graph = onnx.shape_inference.infer_shapes(network).graph
    values = [*graph.value_info, *graph.input, *graph.output]
    return {each.name for each in values if each.type.tensor_type.elem_type == TensorProto.FLOAT} | {
        each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT
    }


@dataclass
class _Halving:
    """The graph as it is made anew: a tensor `x` of the body is called `x/half`, and `x` again where it is cast back.

    Attributes:
        floats: Names of all tensors of float32 in the network.
        initial: Its constants by name.
        nodes: Of the new graph.
        constants: New ones of float16, by name.
    """

    floats: set[str]
    initial: dict[str, Any]
    nodes: list[Any] = field(default_factory=list[Any])
    constants: dict[str, Any] = field(default_factory=dict[str, Any])
    _made: set[str] = field(default_factory=set[str])

    def take_in(self, node: Any, inside: set[str]) -> None:
        """Add a node of the body."""
        from onnx import TensorProto

        for place, name in enumerate(node.input):
            if name in self.floats:
                node.input[place] = f"{name}/{HALF}"
                if name in self.initial:
                    self._halve(name)
                elif name not in inside:
                    self._cast(name, f"{name}/{HALF}", TensorProto.FLOAT16)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
        node.output[:] = [f"{name}/{HALF}" if name in inside else name for name in node.output]
        self.nodes.append(node)

    def leave_out(self, node: Any, inside: set[str]) -> None:
        """Add a node that stays as it is."""
        for name in node.input:
            if name in inside:
                self.cast_back(name)
        self.nodes.append(node)

    def cast_back(self, name: str) -> None:
        """Let a tensor of the body be there in float32."""
        from onnx import TensorProto

        self._cast(f"{name}/{HALF}", name, TensorProto.FLOAT)

    def _halve(self, name: str) -> None:
        import numpy as np
        from onnx import numpy_helper

        half = f"{name}/{HALF}"
        if half not in self.constants:
            values = numpy_helper.to_array(self.initial[name]).astype(np.float16)
            self.constants[half] = numpy_helper.from_array(values, half)

    def _cast(self, source: str, target: str, kind: int) -> None:
        from onnx import helper

        if target not in self._made:
            self._made.add(target)
            self.nodes.append(helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=kind))
