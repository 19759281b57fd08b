"""Several exported graphs as one: the same picture in, their logits mixed, what they have in common kept once.

Parts of a combination often stand on the same frozen network. Tensors of equal bytes are kept once; then nodes that do
the same to the same, so that such a network is neither stored nor computed twice.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from visionft.training.runs.answerer import Answerer

MIXED = "mixed"


def join(graphs: Sequence[Any], answerer: Answerer) -> Any:
    """Return one model of all parts: from the picture to the mixed logits, and to the distance where one has it.

    Args:
        graphs: ONNX models from `image` to logits, then the distance or not; one a part and in their order.
        answerer: How the logits are mixed.
    """
    from onnx import TensorProto, compose, helper

    if len(graphs) == 1:
        return graphs[0]
    first, *others = (
        compose.add_prefix(each, f"part_{place}/", rename_inputs=False) for place, each in enumerate(graphs)
    )
    graph = first.graph
    logits, distances = [], []
    for each in (first, *others):
        logits.append(each.graph.output[0].name)
        distances += list(each.graph.output)[1:]
        if each is not first:
            graph.node.extend(each.graph.node)
            graph.initializer.extend(each.graph.initializer)
            first.functions.extend(each.functions)
    _mix(graph, logits, answerer)
    classes = len(answerer.run.class_names)
    outputs = [helper.make_tensor_value_info(MIXED, TensorProto.FLOAT, ["batch", classes]), *distances]
    replace_all(graph.output, outputs)
    del graph.value_info[:]
    _keep_once(graph)
    return first


def _mix(graph: Any, logits: Sequence[str], answerer: Answerer) -> None:
    """Append the sum of factor x logits, each part's classes in the combination's order."""
    from onnx import helper, numpy_helper

    terms: list[str] = []
    for place, (name, factor, columns) in enumerate(zip(logits, answerer.factors, answerer.columns, strict=True)):
        ordered, term = name, f"term_{place}"
        if columns != tuple(range(len(columns))):
            ordered = f"ordered_{place}"
            graph.initializer.append(numpy_helper.from_array(np.array(columns, np.int64), f"columns_{place}"))
            graph.node.append(
                helper.make_node("Gather", [name, f"columns_{place}"], [ordered], name=f"mix/{ordered}", axis=1)
            )
        graph.initializer.append(numpy_helper.from_array(np.float32(factor).reshape(1), f"factor_{place}"))
        graph.node.append(helper.make_node("Mul", [ordered, f"factor_{place}"], [term], name=f"mix/{term}"))
        terms.append(term)
    graph.node.append(helper.make_node("Sum", terms, [MIXED], name=f"mix/{MIXED}"))


def _keep_once(graph: Any) -> None:
    """Take out tensors that are there twice, then nodes that do the same to the same; outputs keep their names."""
    names: dict[str, str] = {}  # what is taken out -> what stands in for it
    tensors: dict[tuple[Any, ...], str] = {}
    kept = []
    for tensor in graph.initializer:
        first = tensors.setdefault(_content(tensor), tensor.name)
        if first == tensor.name:
            kept.append(tensor)
        else:
            names[tensor.name] = first
    outputs = {output.name for output in graph.output}
    nodes, seen = [], {}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        first = seen.setdefault(_work(node), node)
        if first is node or outputs.intersection(node.output):
            nodes.append(node)
        else:
            names.update(zip(node.output, first.output, strict=True))
    replace_all(graph.initializer, kept)
    replace_all(graph.node, nodes)


def _content(tensor: Any) -> tuple[Any, ...]:
    from onnx import numpy_helper

    return tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes()


def _work(node: Any) -> Any:
    """Return what a node does and to what; two that are equal give the same."""
    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        return id(node)  # what stands in a graph of its own may use names that are taken out
    attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
    return node.domain, node.op_type, tuple(node.input), tuple(attributes), len(node.output)


def replace_all(field: Any, kept: Sequence[Any]) -> None:
    """Let a message's repeated field hold these alone, some of which may be its own."""
    copies = [type(each)() for each in kept]
    for copy, each in zip(copies, kept, strict=True):
        copy.CopyFrom(each)
    del field[:]
    field.extend(copies)
