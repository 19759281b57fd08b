"""Which nodes of an exported network's graph are its body, and which of them are layers.

The head and the distance stay in float32: they are small, and a temperature divides what they give.
"""

from collections.abc import Collection, Iterator
from typing import Any

_WRAPPERS = ("network.", "body.")  # of `WithOutputs` and of `JoinedNetwork`, in this order
_LAYERS = ("Conv", "MatMul", "Gemm")


def body_nodes(graph: Any, head: str) -> Iterator[Any]:
    """Yield the nodes of the network's own modules, without its head and without what stands in no module.

    Args:
        graph: Of a network, whose nodes have the names that `export_network` gives.
        head: What timm calls the head.
    """
    for node in graph.node:
        module = module_of(node.name)
        if module and module.partition(".")[0] not in (head, "distance"):
            yield node


def module_of(name: str) -> str:
    """Return the module of timm's network that a node belongs to, such as `layer1.0.conv1`; empty for none."""
    module = name.rpartition("/")[0]
    for wrapper in _WRAPPERS:
        module = module.removeprefix(wrapper)
    return module


def layers(graph: Any, head: str) -> list[Any]:
    """Return the convolutions and products of the body whose weights are constants, in their order.

    Attention to prefix tokens, whose keys and values are constants too, is none: they are a matrix for each head.
    """
    dimensions = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    nodes = [node for node in body_nodes(graph, head) if node.op_type in _LAYERS]
    return [node for node in nodes if dimensions.get(node.input[1]) == (4 if node.op_type == "Conv" else 2)]


def has_attention(graph: Any) -> bool:
    """Tell whether the network is a transformer, whole or in part."""
    return any(node.op_type == "Softmax" for node in graph.node)


def convolutional_start(graph: Any, kinds: Collection[str]) -> set[str]:
    """Return the names of the nodes of these kinds that stand before a transformer, with nothing else between.

    A convolution that makes tokens is not among them: what follows it is no picture any more.
    """
    reached = {tensor.name for tensor in (*graph.input, *graph.initializer)}
    found: list[Any] = []
    for node in graph.node:
        if node.op_type in kinds and reached.issuperset(filter(None, node.input)):
            reached.update(node.output)
            found.append(node)
    used = {name for node in found for name in node.input}
    return {node.name for node in found if node.op_type != "Conv" or used.intersection(node.output)}
