"""The exported ONNX graph: from images of any size to probabilities, preprocessing included.

`image` uint8 [batch, height, width, 3] -> crop -> antialiased resize -> normalise -> network -> `logits`
-> divide by the temperature -> softmax -> `probabilities`. If a distance is fitted (`visionft.export.distance`), the
network's stages also give the `distance` to the training images. The steps before the network mirror
`visionft.data.preprocess` operation by operation.
"""

import ast
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import visionft
from models.shapes import InputShape
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Task
from visionft.export.contents import OPSET
from visionft.export.predictor import HIDDEN_OUTPUT_KEYS
from visionft.export.preprocessing_graph import constant, ir_version, normalising_model, preprocessing_model
from visionft.training.runs.run_model import RunModel

_SCOPES_KEY = "pkg.torch.onnx.name_scopes"
NETWORK_INPUT, LOGITS = "input", "logits"


def export_network(
    network: Any,
    shape: InputShape,
    path: Path,
    *,
    opset: int = OPSET,
    outputs: Sequence[str] = (LOGITS,),
    is_fixed: bool = False,
) -> None:
    """Write a network as ONNX: `input` float32 [batch, 3, height, width] (normalised) to `logits` and further outputs.

    With `is_fixed`, the batch size is 1 and all shapes are static.

    Each node is named `MODULE/OPERATOR`, as `body.layer1.0.conv1/Conv`, to show the network's modules in a viewer. The
    exporter records the enclosing modules of each node, outermost first, then the operator. For a convolution with a
    folded norm it records the norm's modules, so the convolution is named after its weights.
    """
    import onnx
    import torch

    sample = torch.zeros(1 if is_fixed else 2, 3, *shape)
    sizes = None if is_fixed else ({0: torch.export.Dim("batch", min=1, max=4096)},)
    program = torch.onnx.export(
        network,
        (sample,),
        dynamo=True,
        opset_version=opset,
        external_data=False,
        input_names=[NETWORK_INPUT],
        output_names=list(outputs),
        dynamic_shapes=sizes,
        verbose=False,
    )
    assert program is not None  # guaranteed with `dynamo`
    model = program.model_proto
    graph = model.graph
    names = Counter[str]()
    for node in graph.node:
        scopes = next((prop.value for prop in node.metadata_props if prop.key == _SCOPES_KEY), "[]")
        modules = [module for module in ast.literal_eval(scopes)[:-1] if not module.startswith("_")]
        module = modules[-1] if modules else ""
        if node.op_type == "Conv" and node.input[1].endswith(".weight"):
            module = node.input[1].removesuffix(".weight")
        name = f"{module}/{node.op_type}"
        names[name] += 1
        node.name = name if names[name] == 1 else f"{name}_{names[name]}"
    # The exporter adds stack traces with paths of this computer; they are half of a small file.
    for part in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.ir_version = ir_version(opset)
    onnx.save(model, path)


def with_preprocessing(
    network: Any, preprocessing: PreprocessConfig, *, opset: int = OPSET, is_fixed: bool = False
) -> Any:
    """Prepend the preprocessing to a network; return the ONNX model from `image` to the outputs of the network.

    With `is_fixed`, the preprocessing is only the normalisation.
    """
    from onnx import compose

    network = compose.add_prefix(network, "network/")
    steps = (normalising_model if is_fixed else preprocessing_model)(preprocessing, opset)
    for node in steps.graph.node:  # graph viewers show the names
        node.name = f"preprocessing/{node.name}"
    return compose.merge_models(steps, network, io_map=[("pixels", f"network/{NETWORK_INPUT}")])


def assemble(joined: Any, *, temperature: float, task: Task, batch: str | int = "batch") -> Any:
    """Append calibrated probabilities to a model from images to logits (and further outputs), check and return it."""
    import onnx
    from onnx import TensorProto, helper

    graph = joined.graph
    raw, *others = graph.output
    classes = raw.type.tensor_type.shape.dim[1].dim_value
    outputs = {"probabilities": [classes], LOGITS: [classes]}
    graph.initializer.append(constant("temperature", np.float32(temperature)))
    activation = {"single": ("Softmax", {"axis": 1}), "multi": ("Sigmoid", {})}[task]

    def add(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        graph.node.append(helper.make_node(operator, inputs, [output], name=f"answer/{output}", **attributes))

    add("Identity", [raw.name], LOGITS)
    add("Div", [raw.name, "temperature"], "calibrated")
    add(activation[0], ["calibrated"], "probabilities", **activation[1])
    for output in others:
        name = output.name.rpartition("/")[2]
        outputs[name] = [dim.dim_value for dim in output.type.tensor_type.shape.dim][1:]
        add("Identity", [output.name], name)
    del graph.output[:]
    for name, sizes in outputs.items():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *sizes]))
    opsets = {opset.domain: opset.version for opset in joined.opset_import}  # merged models repeat common domains
    del joined.opset_import[:]
    joined.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in opsets.items())
    del graph.value_info[:]  # shapes of the network before merging are outdated
    onnx.checker.check_model(joined, full_check=True)
    return joined


def hide_outputs(model: Any) -> dict[str, str]:
    """Remove all outputs of a model except `probabilities` and `logits`, so that ONNX Runtime does not compute them.

    Returns:
        {metadata key: bytes as hex digits} to restore each output: appended to the file, the bytes add the output
        again, because protobuf merges concatenated messages.
    """
    import onnx

    hidden: dict[str, str] = {}
    for name, key in HIDDEN_OUTPUT_KEYS.items():
        outputs = model.graph.output
        restoring = onnx.ModelProto()
        for index in [index for index, output in enumerate(outputs) if output.name == name]:
            restoring.graph.output.append(outputs[index])
            del outputs[index]
        if restoring.graph.output:
            hidden[key] = restoring.SerializeToString().hex()
    return hidden


def set_metadata(model: Any, values: dict[str, Any]) -> None:
    """Set VisionFT as the producer, and store values in `metadata_props`: text unchanged, other values as JSON."""
    from onnx import helper

    model.producer_name, model.producer_version = "VisionFT", visionft.__version__
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in values.items()
    }
    helper.set_model_props(model, texts)


ENSEMBLE_LOGITS = "mixed"


def join(graphs: Sequence[Any], model: RunModel) -> Any:
    """Return one ONNX model of all parts, from `image` to the weighted logits and, if a part has it, the distance.

    Parts often share a frozen network, so equal tensors and nodes are stored and computed once.

    Args:
        graphs: ONNX models from `image` to logits, one per part of `model`. At most one also returns the distance.
        model: The run or ensemble.
    """
    from onnx import TensorProto, compose, helper

    if len(graphs) == 1:
        return graphs[0]
    first, *others = (
        compose.add_prefix(part, f"part_{index}/", rename_inputs=False) for index, part in enumerate(graphs)
    )
    graph = first.graph
    logits = [part.graph.output[0].name for part in (first, *others)]
    distances = [output for part in (first, *others) for output in part.graph.output[1:]]
    for part in others:
        graph.node.extend(part.graph.node)
        graph.initializer.extend(part.graph.initializer)
        first.functions.extend(part.functions)
    _append_weighted_sum(graph, logits, model)
    classes = len(model.run.class_names)
    outputs = [helper.make_tensor_value_info(ENSEMBLE_LOGITS, TensorProto.FLOAT, ["batch", classes]), *distances]
    replace_all(graph.output, outputs)
    del graph.value_info[:]
    _merge_duplicates(graph)
    return first


def _append_weighted_sum(graph: Any, logits: Sequence[str], model: RunModel) -> None:
    """Append the weighted sum of the parts' logits, with each part's classes reordered to the ensemble's order."""
    from onnx import helper, numpy_helper

    terms: list[str] = []
    for index, (name, factor, columns) in enumerate(zip(logits, model.factors, model.columns, strict=True)):
        ordered, term = name, f"term_{index}"
        if columns != tuple(range(len(columns))):
            ordered = f"ordered_{index}"
            graph.initializer.append(numpy_helper.from_array(np.array(columns, np.int64), f"columns_{index}"))
            graph.node.append(
                helper.make_node("Gather", [name, f"columns_{index}"], [ordered], name=f"mix/{ordered}", axis=1)
            )
        graph.initializer.append(numpy_helper.from_array(np.float32(factor).reshape(1), f"factor_{index}"))
        graph.node.append(helper.make_node("Mul", [ordered, f"factor_{index}"], [term], name=f"mix/{term}"))
        terms.append(term)
    graph.node.append(helper.make_node("Sum", terms, [ENSEMBLE_LOGITS], name=f"mix/{ENSEMBLE_LOGITS}"))


def _merge_duplicates(graph: Any) -> None:
    """Merge equal tensors, then equal nodes with equal inputs; outputs keep their names."""
    from onnx import numpy_helper

    names: dict[str, str] = {}  # {removed name: its replacement}
    tensors: dict[tuple[Any, ...], str] = {}
    initializers = []
    for tensor in graph.initializer:
        content = tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes()
        first = tensors.setdefault(content, tensor.name)
        if first == tensor.name:
            initializers.append(tensor)
        else:
            names[tensor.name] = first
    outputs = {output.name for output in graph.output}
    nodes, seen = [], {}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
        key = node.domain, node.op_type, tuple(node.input), tuple(attributes), len(node.output)
        has_subgraph = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        # A subgraph may use removed names, so its node is kept.
        first = node if has_subgraph else seen.setdefault(key, node)
        if first is node or outputs.intersection(node.output):
            nodes.append(node)
        else:
            names.update(zip(node.output, first.output, strict=True))
    replace_all(graph.initializer, initializers)
    replace_all(graph.node, nodes)


def replace_all(field: Any, messages: Sequence[Any]) -> None:
    """Replace the content of a repeated protobuf field; `messages` may be elements of the field itself."""
    copies = [type(message)() for message in messages]
    for copy, message in zip(copies, messages, strict=True):
        copy.CopyFrom(message)
    del field[:]
    field.extend(copies)


GRAPH_NAME = "image_classifier"

_IMAGE = (
    "Images, uint8 [batch, height, width, 3]: red, green, blue from 0 to 255, upright (EXIF applied), transparent "
    "parts on white. Any size; those of a batch have the same. Cropping, resizing and normalising happen inside."
)
_FIXED_IMAGE = (
    "One image, uint8 [1, height, width, 3]: red, green, blue from 0 to 255, upright (EXIF applied), transparent parts "
    "on white; cropped and resized as the metadata's “preprocessing” says. Normalising happens inside."
)
_PROBABILITIES: dict[Task, str] = {
    "single": "float32 [batch, classes]: softmax(logits / temperature), so that they are calibrated and sum to 1.",
    "multi": "float32 [batch, classes]: sigmoid(logits / temperature), calibrated. An image has each class that "
    "reaches its value in the metadata's “thresholds”.",
}
_OUTPUTS = {
    "logits": "float32 [batch, classes]: of the network, before they are divided by the metadata's “temperature”.",
    "distance": "float32 [batch]: how unlike the images of training an image is; above 1 the answer is a guess.",
    "embedding": "float32 [batch, directions]: where an image lies among the labelled ones of index.safetensors.",
}
_HIDDEN_OUTPUTS = {
    "distance_output": "With the bytes of the metadata's “distance_output” (hex digits) behind the file, it has the "
    "output “distance”.",
    "embedding_output": "With those of “embedding_output” it has the output “embedding”.",
}


def describe_values(model: Any, task: Task) -> None:
    """Set the doc string of each input and output. Call it before `hide_outputs`, so that hidden outputs get one."""
    takes_any_size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 0
    descriptions = {
        "image": _IMAGE if takes_any_size else _FIXED_IMAGE,
        "probabilities": _PROBABILITIES[task],
        **_OUTPUTS,
    }
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = descriptions[value.name]


def describe_model(model: Any, metadata: dict[str, Any]) -> None:
    """Set the name and the doc string of the whole model; graph viewers show the doc string first."""
    graph = model.graph
    classes = len(metadata["class_names"])
    quantity = {"single": "one of", "multi": "which of"}[metadata["task"]]
    lines = [
        f"Tells {quantity} {classes} classes an image shows. Made by VisionFT from the run {metadata['run']}.",
        *(f"In: {value.name}. {value.doc_string}" for value in graph.input),
        *(f"Out: {value.name}. {value.doc_string}" for value in graph.output),
        *(words for key, words in _HIDDEN_OUTPUTS.items() if key in metadata),
        "The metadata's “class_names” (a JSON list) name the columns.",
    ]
    model.doc_string = "\n".join(lines)
    graph.name = GRAPH_NAME
