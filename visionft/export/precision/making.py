"""Make the variants beside `model.onnx`: convert the networks, evaluate on held-out images, keep the accurate ones.

Only the networks change. Preprocessing, heads and temperature are float32 and equal in every file.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from visionft.data.types import SnapshotImage
from visionft.errors import nothing_readable
from visionft.evaluation.report import class_images, run_images
from visionft.events import Progress
from visionft.export.contents import MODEL_FILE
from visionft.export.graph import constant
from visionft.export.model_file import open_session, trusted_session
from visionft.export.options import OPSET
from visionft.export.precision.quantising import BITS, body_nodes, quantise
from visionft.export.precision.variant_evaluation import (
    MEASURED,
    compare_outputs,
    distance_stretch,
    run_models,
    session_with_distance,
    time_both,
)
from visionft.export.precision.variants import (
    Precision,
    Variant,
    VariantLatency,
    is_accurate,
    judge,
    variant_file,
)
from visionft.export.predictor import DISTANCE, INPUT
from visionft.export.preprocessing_graph import preprocessing_model
from visionft.export.pytorch_comparison import readable_images
from visionft.files import sha256_file
from visionft.jobs import JobContext
from visionft.training.loop.subsets import spread
from visionft.training.runs.run_model import RunModel

if TYPE_CHECKING:
    from visionft.export.exporter import Export

# ONNX Runtime 1.16 (opset 19 at most) has none of these in half precision for processors, and replaces them by invalid
# operators.
_IN_FLOAT = ("LayerNormalization", "Softmax")
_HALVES_ALL = 20


def at_half_precision(network: Any, head: str) -> Any:
    """Return a network's ONNX model with its body in float16: a tensor `x` of the body becomes `x/half`.

    Used in place of ONNX Runtime's converter: for a constant shared by converted and unconverted nodes, the converter
    adds several casts with one name, and the graph becomes invalid.

    Args:
        network: An ONNX model with node names from `export_network`; not modified.
        head: timm's name of the head. It stays in float32, like the distance and the pooling before both.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.ModelProto()
    model.CopyFrom(network)
    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(network).graph
    floats = {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            floats.add(value.name)
    opset = max(each.version for each in network.opset_import if not each.domain)
    in_float = () if opset >= _HALVES_ALL else _IN_FLOAT
    body = {node.name for node in body_nodes(graph, head) if node.op_type not in in_float}
    inside = {name for node in graph.node if node.name in body for name in node.output} & floats
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = list[Any]()
    halves = dict[str, Any]()
    made = set[str]()

    def cast(source: str, target: str, kind: int) -> None:
        if target not in made:
            made.add(target)
            nodes.append(helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=kind))

    for node in list(graph.node):
        if node.name in body:
            for place, name in enumerate(node.input):
                half = f"{name}/half"
                if name in floats:
                    node.input[place] = half
                if name in floats and name in weights:
                    weight = numpy_helper.to_array(weights[name])
                    halves[half] = numpy_helper.from_array(weight.astype(np.float16), half)
                elif name in floats and name not in inside:
                    cast(name, half, TensorProto.FLOAT16)
            for attribute in node.attribute:
                if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16
            node.output[:] = [f"{name}/half" if name in inside else name for name in node.output]
        else:
            for name in filter(inside.__contains__, node.input):
                cast(f"{name}/half", name, TensorProto.FLOAT)
        nodes.append(node)
    for output in graph.output:
        if output.name in inside:
            cast(f"{output.name}/half", output.name, TensorProto.FLOAT)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    initializers = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend([*initializers, *halves.values()])
    del graph.value_info[:]
    return model


logger = logging.getLogger(__name__)

CALIBRATING = 128  # training images
STRETCH = "distance_stretch"
_DEVICES: dict[Precision, str] = {"fp16": "auto", "int8": "cpu"}  # half precision is for GPUs, integers for processors


def write_fp16(export: "Export") -> None:
    """Write the fp16 variant, as `write_variant`."""
    write_variant(export, "fp16")


def write_int8(export: "Export") -> None:
    """Write the int8 variant, as `write_variant`."""
    write_variant(export, "int8")


def write_variant(export: "Export", precision: Precision) -> None:
    """Convert the networks of an export, evaluate them beside `model.onnx`, and write the file if it is accurate."""
    if precision == "fp16":
        export.job.report(Progress(stage="Converting to fp16", done=0, total=0))
        pairs = zip(export.networks, export.model.parts, strict=True)
        networks = [at_half_precision(network, part.classifier.backbone.head) for network, part in pairs]
        bits = 16
        calibrated_on = 0
    else:
        networks, calibrated_on = _in_bytes(export)
        bits = BITS
    model = export.whole_model(networks)
    path = export.folder / variant_file(precision)
    device = _DEVICES[precision]
    reference = (export.folder / MODEL_FILE).read_bytes()
    sessions = {
        MODEL_FILE: session_with_distance(path, reference, device="cpu"),
        precision: session_with_distance(path, model.SerializeToString(), device=device),
    }
    val = export.val
    assert val is not None  # after `require_images`
    tested, test_targets = class_images(export.class_names, export.images, "test")
    held_out = (*val.images, *tested)
    targets = np.concatenate([val.targets, test_targets]) if tested else val.targets
    places = list(spread(range(len(held_out)), MEASURED))
    images = [held_out[place] for place in places]
    reading = export.model.run.config.image_reading
    outputs, read = run_models(sessions, images, reading, export.job)
    read = [places[each] for each in read]
    if any(part.held_out is not None for part in export.model.parts):
        # What a variant changes counts from the predictions of the evaluation, not from those of seen images.
        moved = np.zeros_like(outputs[MODEL_FILE].logits)
        for row, place in enumerate(read):
            if place < len(val.images):
                moved[row] = val.values[place] - outputs[MODEL_FILE].logits[row]
        outputs = {name: replace(each, logits=each.logits + moved) for name, each in outputs.items()}
    both = outputs[MODEL_FILE], outputs[precision]
    stretch = distance_stretch(*both)
    _divide_distance(model, stretch)
    content = model.SerializeToString()
    answers = compare_outputs(*both, targets[read], decoder=export.decoder, stretch=stretch)
    speed: VariantLatency | None = None
    digest = ""
    if is_accurate(precision, answers):
        export.job.report(Progress(stage="Measuring its speed", done=0, total=0))
        first, second = (open_session(path, each, device=device) for each in (reference, content))
        _, pixels = next(readable_images(images, reading))
        speed = time_both(first, second, pixels, export.job)
        path.write_bytes(content)
        digest = sha256_file(path)
    variant = Variant(
        precision=precision,
        file=path.name if digest else "",
        bytes=len(content),
        reference_bytes=len(reference),
        sha256=digest,
        answers=answers,
        temperature=export.decoder.temperature,
        bits=bits,
        calibrated_on=calibrated_on,
        speed=speed,
        verdict=judge(precision, answers, speed),
        split="held_out" if tested else "val",
    )
    logger.info("%s: %s, %s", precision, variant.verdict, answers)
    export.variants.append(variant)


def _divide_distance(model: Any, stretch: float) -> None:
    """Divide the distances of an ONNX model by the factor by which rounding lengthens them."""
    for node in model.graph.node:
        if list(node.output) == [DISTANCE]:
            node.op_type = "Div"
            node.input.append(STRETCH)
            model.graph.initializer.append(constant(STRETCH, np.float32(stretch)))


def _in_bytes(export: "Export") -> tuple[list[Any], int]:
    """Return the networks of the parts in integers, and the number of calibration images.

    Raises:
        RunError: No training image can be read.
    """
    networks = list[Any]()
    count = 0
    for network, part in zip(export.networks, export.model.parts, strict=True):
        training, _ = run_images(part.run, export.images, "train")
        images = list(_inputs(part, spread(training, CALIBRATING), export.job))
        if not images:
            raise nothing_readable("training images")
        count = len(images)
        export.job.report(Progress(stage="Converting to int8", done=0, total=0))
        networks.append(quantise(network, part.classifier.backbone.head, images))
    return networks, count


def _inputs(part: RunModel, images: Sequence[SnapshotImage], job: JobContext) -> Iterator[np.ndarray]:
    """Yield the readable images, preprocessed by the exported graph, (1, 3, H, W)."""
    session = trusted_session(preprocessing_model(part.preprocessing, OPSET).SerializeToString())
    for place, pixels in readable_images(images, part.preprocessing.image_reading):
        job.check_cancelled()
        job.report(Progress(stage="Calibrating int8", done=place, total=len(images)))
        yield session.run(None, {INPUT: pixels[None]})[0]
