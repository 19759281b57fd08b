"""Make the smaller files beside `model.onnx`: convert, compare on held-out images, time, keep the accurate ones.

Only the networks change. Preprocessing, heads and temperature are float32 and equal in every file.

8-bit integers are made by ONNX Runtime's `quantize_static`, with ranges from training images. Weights are signed with a
scale per output channel, activations unsigned with a single scale: x86 multiplies this combination, and ONNX Runtime
fuses a ReLU into the preceding operator only with unsigned activations. Weights have 7 bits: they are exact on every
processor, and x86 without VNNI adds products of 8-bit weights in 16 bits, which overflows. In a transformer only matrix
products with constant weights are quantised. The head and the distance stay in float32: they are small, and their
outputs are divided by a temperature.
"""

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from visionft.core.errors import no_readable_images_error
from visionft.core.events import Progress
from visionft.core.files import sha256_file
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.image_reading import ImageReading
from visionft.data.types import SnapshotImage
from visionft.export.contents import MODEL_FILE, OPSET
from visionft.export.export_result import (
    ExportResult,
    Precision,
    Variant,
    VariantAgreement,
    VariantLatency,
    is_accurate,
    judge,
    variant_file,
)
from visionft.export.graph import LOGITS, NETWORK_INPUT, constant
from visionft.export.model_file import PROCESSOR, open_session, trusted_session
from visionft.export.predictor import DISTANCE, DISTANCE_OUTPUT, INPUT, OUTPUT
from visionft.export.prepared import PreparedRun, readable_images
from visionft.export.preprocessing_graph import preprocessing_model
from visionft.training.evaluation.comparison import paired_interval
from visionft.training.evaluation.report import Logits, class_images, measure, probabilities_of, run_images
from visionft.training.evaluation.timing import processor_name, runs_for, spread_of, timed_calls
from visionft.training.evaluation.unseen import right_images
from visionft.training.runs.run_model import RunModel
from visionft.training.runs.run_snapshot import spread

logger = logging.getLogger(__name__)

BITS: Final = 7  # of a weight
_CONVOLUTIONAL = ("Conv", "Relu", "Clip", "Add", "MaxPool")  # a ReLU6 is a Clip
_PRODUCTS = ("MatMul", "Gemm")  # of a transformer: their outputs stay float


def body_nodes(graph: Any, head: str) -> Iterator[Any]:
    """Yield the nodes of the modules of a network (of `export_network`), without its head and nodes outside modules."""
    for node in graph.node:
        module = node.name.rpartition("/")[0]
        module = module.removeprefix("network.").removeprefix("body.")  # of `WithOutputs` and of `JoinedNetwork`
        if module and module.partition(".")[0] not in (head, "distance"):
            yield node


def quantise(network: Any, head: str, images: Sequence[np.ndarray]) -> Any:
    """Return a network's ONNX model with its layers quantised to integers.

    Args:
        network: An ONNX model with node names from `export_network`; not modified.
        head: timm's name of the head.
        images: Float32 (1, 3, height, width) normalised training images, for the ranges of the activations.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class CalibrationImages(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(images)

        def get_next(self) -> Any:
            image = next(self._left, None)
            return None if image is None else {NETWORK_INPUT: image}

    matrices = {tensor.name for tensor in network.graph.initializer if len(tensor.dims) == 2}
    # Attention, whose second factor is no matrix of constants, stays in float.
    body = {
        node.name
        for node in body_nodes(network.graph, head)
        if node.op_type not in _PRODUCTS or node.input[1] in matrices
    }
    is_transformer = any(node.op_type == "Softmax" for node in network.graph.node)
    float_outputs = {"OpTypesToExcludeOutputQuantization": list(_PRODUCTS)} if is_transformer else {}
    with tempfile.TemporaryDirectory(prefix="visionft-") as folder, _without_root_log():
        # `quant_pre_process` fails for vision transformers, and PyTorch's exporter has folded the norms already.
        copy = onnx.ModelProto()
        copy.CopyFrom(network)
        quantised = Path(folder) / "quantised.onnx"
        quantize_static(
            copy,
            quantised,
            CalibrationImages(),
            op_types_to_quantize=list(_PRODUCTS if is_transformer else _CONVOLUTIONAL),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in network.graph.node if node.name not in body],
            extra_options={"CalibMovingAverage": True, **float_outputs},
        )
        model = onnx.load(quantised)
    del model.graph.value_info[:]
    return model


@contextmanager
def _without_root_log() -> Iterator[None]:
    """Silence the root logger, to which ONNX Runtime's tools write messages that are of no use."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


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


MAX_EVALUATED_IMAGES = 2000  # images of validation and test at most
MAX_TIMING_SECONDS = 8.0  # of both files together
CALIBRATING = 128  # training images
STRETCH = "distance_stretch"
_DEVICES: dict[Precision, str] = {"fp16": "auto", "int8": "cpu"}  # half precision is for GPUs, integers for processors


def write_variant(
    prepared: PreparedRun, folder: Path, result: ExportResult, *, precision: Precision, job: JobContext
) -> ExportResult:
    """Convert the networks of a run, evaluate them beside `model.onnx`, and write the file if it is accurate."""
    if precision == "fp16":
        job.report(Progress(stage="Converting to fp16", done=0, total=0))
        pairs = zip(prepared.onnx_networks, prepared.model.parts, strict=True)
        networks = [at_half_precision(network, part.classifier.backbone.head) for network, part in pairs]
        bits = 16
        calibrated_on = 0
    else:
        networks, calibrated_on = _in_bytes(prepared, job)
        bits = BITS
    model = prepared.build_full_model(networks)
    path = folder / variant_file(precision)
    device = _DEVICES[precision]
    reference = (folder / MODEL_FILE).read_bytes()
    sessions = (
        _session_with_distance(path, reference, device="cpu"),
        _session_with_distance(path, model.SerializeToString(), device=device),
    )
    val = prepared.val
    assert val is not None  # after `require_images`
    tested, test_targets = class_images(prepared.class_names, prepared.images, "test")
    held_out = (*val.images, *tested)
    targets = np.concatenate([val.targets, test_targets]) if tested else val.targets
    places = list(spread(range(len(held_out)), MAX_EVALUATED_IMAGES))
    images = [held_out[place] for place in places]
    outputs, read = _run_models(sessions, images, prepared.image_reading, job)
    logits, distances = zip(*outputs, strict=True)
    read = [places[each] for each in read]
    if any(part.held_out is not None for part in prepared.model.parts):
        # Changes are counted from the held-out predictions: the plain predictions of training images are too good.
        moved = np.zeros_like(logits[0])
        for row, place in enumerate(read):
            if place < len(val.images):
                moved[row] = val.values[place] - logits[0][row]
        logits = [each + moved for each in logits]
    stretch = _distance_stretch(*distances)
    _divide_distance(model, stretch)
    content = model.SerializeToString()
    kept = tuple(held_out[place] for place in read)
    answers = _compare(
        prepared,
        *(Logits(values, kept, targets[read], len(images) - len(kept)) for values in logits),
        max_distance_diff=float(np.abs(distances[1] / stretch - distances[0]).max(initial=0.0)),
    )
    speed: VariantLatency | None = None
    digest = ""
    if is_accurate(precision, answers):
        job.report(Progress(stage="Measuring its speed", done=0, total=0))
        first, second = (open_session(path, each, device=device) for each in (reference, content))
        _, pixels = next(readable_images(images, prepared.image_reading))
        speed = _time_both(first, second, pixels, job)
        path.write_bytes(content)
        digest = sha256_file(path)
    variant = Variant(
        precision=precision,
        file=path.name if digest else "",
        bytes=len(content),
        reference_bytes=len(reference),
        sha256=digest,
        answers=answers,
        temperature=prepared.temperature,
        bits=bits,
        calibrated_on=calibrated_on,
        speed=speed,
        verdict=judge(precision, answers, speed),
        split="held_out" if tested else "val",
    )
    logger.info("%s: %s, %s", precision, variant.verdict, answers)
    return replace(result, variants=(*result.variants, variant))


def _divide_distance(model: Any, stretch: float) -> None:
    """Divide the distances of an ONNX model by the factor by which rounding lengthens them."""
    for node in model.graph.node:
        if list(node.output) == [DISTANCE]:
            node.op_type = "Div"
            node.input.append(STRETCH)
            model.graph.initializer.append(constant(STRETCH, np.float32(stretch)))


def _in_bytes(prepared: PreparedRun, job: JobContext) -> tuple[list[Any], int]:
    """Return the networks of the parts in integers, and the number of calibration images.

    Raises:
        RunError: No training image can be read.
    """
    networks = list[Any]()
    count = 0
    for network, part in zip(prepared.onnx_networks, prepared.model.parts, strict=True):
        training, _ = run_images(part.run, prepared.images, "train")
        images = list(_inputs(part, spread(training, CALIBRATING), job))
        if not images:
            raise no_readable_images_error("training images")
        count = len(images)
        job.report(Progress(stage="Converting to int8", done=0, total=0))
        networks.append(quantise(network, part.classifier.backbone.head, images))
    return networks, count


def _inputs(part: RunModel, images: Sequence[SnapshotImage], job: JobContext) -> Iterator[np.ndarray]:
    """Yield the readable images, preprocessed by the exported graph, (1, 3, H, W)."""
    session = trusted_session(preprocessing_model(part.preprocessing, OPSET).SerializeToString())
    for place, pixels in readable_images(images, part.preprocessing.image_reading):
        job.check_cancelled()
        job.report(Progress(stage="Calibrating int8", done=place, total=len(images)))
        yield session.run(None, {INPUT: pixels[None]})[0]


def _session_with_distance(path: Path, content: bytes, *, device: str) -> Any:
    """Return a session of a model file; hidden distances are restored where there are any."""
    session = open_session(path, content, device=device)
    hidden = session.get_modelmeta().custom_metadata_map.get(DISTANCE_OUTPUT, "")
    return open_session(path, content + bytes.fromhex(hidden), device=device) if hidden else session


def _run_models(
    sessions: Sequence[Any], images: Sequence[SnapshotImage], reading: ImageReading, job: JobContext
) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[int]]:
    """Return the outputs of each session for the N readable images, and their places; each image is decoded once.

    Outputs are (N, C) logits, and (N,) distances, or (0,) without distances.

    Raises:
        RunError: None can be read.
    """
    read = list[int]()
    rows = [list[list[np.ndarray]]() for _ in sessions]
    for place, pixels in readable_images(images, reading):
        job.check_cancelled()
        job.report(Progress(stage="Comparing the variants", done=place, total=len(images)))
        read.append(place)
        for found, session in zip(rows, sessions, strict=True):
            has_distance = any(each.name == DISTANCE for each in session.get_outputs())
            found.append(session.run([LOGITS, *[DISTANCE] * has_distance], {INPUT: pixels[None]}))
    if not read:
        raise no_readable_images_error("validation images")
    outputs: list[tuple[np.ndarray, np.ndarray]] = []
    for found in rows:
        # Half precision may overflow: non-finite values become 0, and then differ from model.onnx.
        logits = np.nan_to_num(np.concatenate([row[0] for row in found]).astype(np.float64), posinf=0.0, neginf=0.0)
        distances = np.nan_to_num(np.array([row[1][0] for row in found if len(row) > 1], np.float64))
        outputs.append((logits, distances))
    return outputs, read


def _compare(
    prepared: PreparedRun, reference: Logits, variant: Logits, *, max_distance_diff: float
) -> VariantAgreement:
    """Compare the logits of a variant with those of `model.onnx` for the same images."""
    run, temperature, thresholds = prepared.model.run, prepared.temperature, prepared.thresholds
    before, after = (probabilities_of(each, temperature) for each in (reference, variant))
    was_right, is_right = (right_images(variant.targets, each, thresholds) for each in (before, after))
    predicted = before.argmax(axis=1) if thresholds is None else before >= thresholds
    fixed, broken = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    usual, changed = (
        measure(run.name, prepared.class_names, "val", each, temperature=temperature, thresholds=thresholds)
        for each in (reference, variant)
    )
    return VariantAgreement(
        images=len(variant.targets),
        top1=float(is_right.mean()),
        reference_top1=float(was_right.mean()),
        difference=paired_interval(fixed, broken, len(variant.targets)),
        flips=int((~right_images(predicted, after, thresholds)).sum()),
        ece=changed.ece,
        reference_ece=usual.ece,
        max_abs_diff=float(np.abs(before - after).max()),
        max_distance_diff=max_distance_diff,
    )


def _distance_stretch(reference: np.ndarray, variant: np.ndarray) -> float:
    """Return the least-squares factor by which a variant's (N,) distances are longer: rounding adds to each."""
    if not len(variant):
        return 1.0
    return float(variant @ reference / max(1e-12, reference @ reference))


def _time_both(reference: Any, variant: Any, pixels: np.ndarray, job: JobContext) -> VariantLatency:
    """Time the sessions of two files alternately on one decoded uint8 (H, W, 3) image."""
    sessions = (reference, variant)
    processor_s = np.zeros(2)

    def classify(place: int) -> None:
        began = time.process_time()
        sessions[place].run([OUTPUT], {INPUT: pixels[None]})
        processor_s[place] += time.process_time() - began

    calls = [partial(classify, place) for place in range(2)]
    for call in calls:
        call()
    times = timed_calls(calls, job=job, max_runs=len(calls) * runs_for(0.99), max_seconds=MAX_TIMING_SECONDS)
    if job.is_cancelled or len(times) < len(calls):
        raise JobCancelled
    pairs = times[: len(times) // 2 * 2].reshape(-1, 2)
    base, variant_times = map(spread_of, pairs.T)
    faster = float(np.median(pairs[:, 0] / pairs[:, 1]))
    provider = variant.get_providers()[0]
    if provider == PROCESSOR and processor_s.all():
        faster = min(faster, processor_s[0] / processor_s[1])  # a busy computer may delay one of the two more often
    return VariantLatency(
        p50_ms=variant_times.median_ms,
        p99_ms=variant_times.p99_ms,
        max_ms=variant_times.max_ms,
        reference_p50_ms=base.median_ms,
        reference_p99_ms=base.p99_ms,
        reference_max_ms=base.max_ms,
        times_faster=round(faster, 3),
        runs=len(pairs),
        provider=provider,
        width=pixels.shape[1],
        height=pixels.shape[0],
        processor=processor_name(),
    )
