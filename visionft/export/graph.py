"""The exported ONNX graph: pictures of any size in, probabilities out, nothing left to do outside.

`image` uint8 [batch, height, width, 3] -> centre square -> antialiased resize -> normalise -> network -> `logits`
-> divide by the temperature -> softmax -> `probabilities`; from the network's stages the `distance` to the training
pictures, where it is known (`visionft.export.distance`). The steps before the network mirror
`visionft.data.preprocess` operation by operation.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import visionft
from visionft.data.preprocess import Preprocessing
from visionft.data.types import Task
from visionft.export.joining import replace_all
from visionft.export.options import OPSET
from visionft.export.predictor import RETURNING
from visionft.export.preprocessing_graph import constant, ir_version, preprocessing_model

NETWORK_INPUT, LOGITS = "input", "logits"


def export_network(
    network: Any, size: int, path: Path, *, opset: int = OPSET, outputs: Sequence[str] = (LOGITS,)
) -> None:
    """Write a network as ONNX: `input` float32 [batch, 3, size, size] (normalised) to `logits` and what follows."""
    import onnx
    import torch

    sample = torch.zeros(2, 3, size, size)
    torch.onnx.export(
        network,
        (sample,),
        path,
        dynamo=True,
        opset_version=opset,
        external_data=False,
        input_names=[NETWORK_INPUT],
        output_names=list(outputs),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
        verbose=False,
    )
    model = onnx.load(path)
    _strip(model)
    model.ir_version = ir_version(opset)
    onnx.save(model, path)


def _strip(model: Any) -> None:
    """Take out the exporter's notes: stack traces with the paths of this computer, half of a small file."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def from_pictures(network_path: Path, preprocessing: Preprocessing, *, opset: int = OPSET) -> Any:
    """Return one ONNX model from a network's file, with preprocessing before it: from `image` to what it gives."""
    import onnx
    from onnx import compose

    network = compose.add_prefix(onnx.load(network_path), "network/")
    before = preprocessing_model(preprocessing, opset)
    for node in before.graph.node:  # their names are what a viewer shows
        node.name = f"preprocessing/{node.name}"
    return compose.merge_models(before, network, io_map=[("pixels", f"network/{NETWORK_INPUT}")])


def assemble(joined: Any, *, temperature: float, task: Task) -> Any:
    """Return a model that gives logits (and distances) of pictures, with probabilities behind it, and checked."""
    import onnx
    from onnx import helper

    _append_probabilities(joined, temperature=temperature, task=task)
    opsets = {each.domain: each.version for each in joined.opset_import}  # merging lists the common one twice
    del joined.opset_import[:]
    joined.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in opsets.items())
    del joined.graph.value_info[:]  # shapes that the exporter noted for its own inputs no longer hold
    onnx.checker.check_model(joined, full_check=True)
    return joined


def hide_outputs(model: Any) -> dict[str, str]:
    """Take all outputs off the model but `probabilities` and `logits`; return how each comes back.

    Returns:
        For the metadata: bytes, as hex digits, that a file with them behind it has the output again. Protobuf joins
        messages that follow one another. Without them ONNX Runtime does not compute what only that output needs.
    """
    import onnx

    found: dict[str, str] = {}
    for name, key in RETURNING.items():
        outputs, returned = model.graph.output, onnx.ModelProto()
        for place in [place for place, output in enumerate(outputs) if output.name == name]:
            returned.graph.output.append(outputs[place])
            del outputs[place]
        if returned.graph.output:
            found[key] = returned.SerializeToString().hex()
    return found


def keep_only(model: Any, output: str) -> None:
    """Take off every other output and what only those need: some runtimes refuse a file for nodes nobody asked for."""
    graph = model.graph
    replace_all(graph.output, [each for each in graph.output if each.name == output])
    needed, kept = {output}, []
    for node in reversed(graph.node):  # they stand in the order of the computation
        if needed.intersection(node.output):
            needed.update(_names_used(node))
            kept.append(node)
    replace_all(graph.node, kept[::-1])
    replace_all(graph.initializer, [each for each in graph.initializer if each.name in needed])
    del graph.value_info[:]


def _names_used(node: Any) -> set[str]:
    """Return what a node reads, graphs of its own included: those may use what lies outside."""
    used = set(node.input)
    for attribute in node.attribute:
        for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            used.update(*map(_names_used, inner.node), (value.name for value in inner.output))
    return used


def set_metadata(model: Any, values: dict[str, Any]) -> None:
    """Name VisionFT as the producer, and store values in `metadata_props`: text as it is, anything else as JSON."""
    from onnx import helper

    model.producer_name, model.producer_version = "VisionFT", visionft.__version__

    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in values.items()
    }
    helper.set_model_props(model, texts)


def preprocessing_metadata(preprocessing: Preprocessing) -> dict[str, Any]:
    """Return what happens to a picture inside the graph, for those who want to know."""
    return {**asdict(preprocessing), "color_order": "RGB", "steps": "centre square, antialiased resize, normalise"}


def _append_probabilities(model: Any, *, temperature: float, task: Task) -> None:
    from onnx import TensorProto, helper

    graph = model.graph
    classes = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    raw, *others = graph.output
    more = [
        (each.name, each.name.rpartition("/")[2], [dim.dim_value for dim in each.type.tensor_type.shape.dim][1:])
        for each in others
    ]
    graph.initializer.append(constant("temperature", np.float32(temperature)))
    activation = {"single": ("Softmax", {"axis": 1}), "multi": ("Sigmoid", {})}[task]

    def add(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        graph.node.append(helper.make_node(operator, inputs, [output], name=f"answer/{output}", **attributes))

    add("Identity", [raw.name], LOGITS)
    add("Div", [raw.name, "temperature"], "calibrated")
    add(activation[0], ["calibrated"], "probabilities", **activation[1])
    for inner, name, _ in more:
        add("Identity", [inner], name)
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", classes]) for name in ("probabilities", LOGITS)
    )
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes]) for _, name, sizes in more
    )
