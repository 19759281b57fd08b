"""Make the variants beside `model.onnx`: convert the networks, evaluate on validation, keep and time the accurate ones.

Only the networks change. Preprocessing, heads and temperature are float32 and equal in every file.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.messages import Message
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.errors import ExportError, NextStep, nothing_readable
from visionft.evaluation.report import Logits, run_images
from visionft.events import Progress
from visionft.export.contents import MODEL_FILE
from visionft.export.graph import constant
from visionft.export.model_file import open_session, trusted_session
from visionft.export.options import OPSET
from visionft.export.precision.precision_search import PrecisionSearch, QuantisedNetwork
from visionft.export.precision.quantising import BITS, Plan, body_nodes, module_of, observe
from visionft.export.precision.variant_evaluation import (
    MEASURED,
    LogitDecoder,
    compare_outputs,
    distance_stretch,
    run_models,
    session_with_distance,
    time_both,
)
from visionft.export.precision.variants import (
    Precision,
    Variant,
    VariantAgreement,
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
from visionft.training.runs.run_model import LoadedRun, RunModel

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
    nodes, halves, made = list[Any](), dict[str, Any](), set[str]()

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
SEARCHED = 400  # most validation images for evaluating layers
STRETCH = "distance_stretch"
_MOST_BYTES = 256 * 2**20  # of these images in memory
_DEVICES: dict[Precision, str] = {"fp16": "auto", "int8": "cpu"}  # half precision is for GPUs, integers for processors


@dataclass(frozen=True)
class _Networks:
    """Every part's network at a lower precision, and its layers still in float."""

    models: tuple[Any, ...]
    bits: int
    in_float: tuple[str, ...] = ()
    calibrated_on: int = 0


@dataclass(frozen=True, kw_only=True)
class VariantMaker:
    """Makes variants of an exported model.

    Attributes:
        model: The exported run or ensemble.
        val: Its logits of the validation images, as the evaluation has them.
        networks: ONNX models of its parts' bare networks, in their order.
        build: Builds the whole model from such networks, with the metadata of `model.onnx`.
        folder: Folder of `model.onnx`, and of the variants.
        decoder: Temperature and thresholds of `model.onnx`.
    """

    model: RunModel
    images: Snapshot
    val: Logits | None
    networks: Sequence[Any]
    build: Callable[[Sequence[Any]], Any]
    folder: Path
    decoder: LogitDecoder
    job: JobContext

    def make(self, precisions: Sequence[Precision]) -> tuple[Variant, ...]:
        """Write the files with sufficient accuracy, and return the measurements of all."""
        if not precisions:
            return ()
        networks: dict[Precision, _Networks] = {each: self._converted(each) for each in precisions}
        models: dict[Precision, Any] = {name: self.build(each.models) for name, each in networks.items()}
        content = (self.folder / MODEL_FILE).read_bytes()
        sessions = {MODEL_FILE: session_with_distance(self.folder, content, device="cpu")}
        for precision, model in models.items():
            own = model.SerializeToString()
            sessions[precision] = session_with_distance(self.folder, own, device=_DEVICES[precision])
        assert self.val is not None  # after `require_images`
        places = list(spread(range(len(self.val.images)), MEASURED))
        images = [self.val.images[place] for place in places]
        outputs, read = run_models(sessions, images, self.model.run.config.image_reading, self.job)
        read = [places[each] for each in read]
        if any(part.held_out is not None for part in self.model.parts):
            # What a variant changes counts from the predictions of the evaluation, not from those of seen images.
            moved = self.val.values[read] - outputs[MODEL_FILE].logits
            outputs = {name: replace(each, logits=each.logits + moved) for name, each in outputs.items()}
        targets = self.val.targets[read]
        found: list[Variant] = []
        for precision, model in models.items():
            stretch = distance_stretch(outputs[MODEL_FILE], outputs[precision])
            for node in model.graph.node:
                if list(node.output) == [DISTANCE]:  # rounding lengthens distances
                    node.op_type = "Div"
                    node.input.append(STRETCH)
                    model.graph.initializer.append(constant(STRETCH, np.float32(stretch)))
            both = outputs[MODEL_FILE], outputs[precision]
            agreement = compare_outputs(*both, targets, decoder=self.decoder, stretch=stretch)
            variant = self._variant(precision, networks[precision], model.SerializeToString(), agreement, images)
            logger.info("%s: %s, %s", precision, variant.verdict, agreement)
            found.append(variant)
        return tuple(found)

    def _variant(
        self,
        precision: Precision,
        networks: _Networks,
        content: bytes,
        agreement: VariantAgreement,
        images: Sequence[SnapshotImage],
    ) -> Variant:
        """Write a file with sufficient accuracy and time it; return its measurements."""
        reference = (self.folder / MODEL_FILE).read_bytes()
        speed: VariantLatency | None = None
        file = digest = ""
        if is_accurate(precision, agreement):
            self.job.report(Progress(stage="Measuring its speed", done=0, total=0))
            both = [open_session(self.folder, each, device=_DEVICES[precision]) for each in (reference, content)]
            _, pixels = next(readable_images(images, self.model.run.config.image_reading))
            speed = time_both(both[0], both[1], pixels, self.job)
            path = self.folder / variant_file(precision)
            path.write_bytes(content)
            file, digest = path.name, sha256_file(path)
        return Variant(
            precision=precision, file=file, bytes=len(content), reference_bytes=len(reference), sha256=digest,
            answers=agreement, temperature=self.decoder.temperature, bits=networks.bits,
            calibrated_on=networks.calibrated_on, in_float=networks.in_float, speed=speed,
            verdict=judge(precision, agreement, speed),
        )  # fmt: skip

    def _converted(self, precision: Precision) -> _Networks:
        pairs = list(zip(self.networks, self.model.parts, strict=True))
        if precision == "fp16":
            self.job.report(Progress(stage="Converting to fp16", done=0, total=0))
            halves = (at_half_precision(network, part.classifier.backbone.head) for network, part in pairs)
            return _Networks(tuple(halves), 16)
        found, calibrated_on = list[QuantisedNetwork](), 0
        for network, part in pairs:
            plan = Plan.of(network, part.classifier.backbone.head)
            training, _ = run_images(part.run, self.images, "train")
            inputs = self._inputs(part, spread(training, CALIBRATING), Message("Calibrating int8"))
            statistics = observe(network, plan, (pixels for _, pixels in inputs))
            calibrated_on = statistics.images
            search = PrecisionSearch(network, plan, statistics, *self._judged(part), self.job)
            found.append(search.run())
        in_float = tuple(dict.fromkeys(module_of(layer) for each in found for layer in each.in_float))
        return _Networks(tuple(each.network for each in found), BITS, in_float, calibrated_on)

    def _judged(self, part: LoadedRun) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, LogitDecoder]:
        """Return preprocessed validation images, their targets, held-out logits, and the decoder of a part's logits."""
        images, targets = run_images(part.run, self.images, "val")
        most = max(16, min(SEARCHED, _MOST_BYTES // (12 * math.prod(part.preprocessing.shape))))
        places = list(spread(range(len(images)), most))
        rows = list(self._inputs(part, [images[place] for place in places], Message("Preparing validation images")))
        if not rows:
            raise nothing_readable("validation images")
        decoder = self.decoder
        if self.model.is_combined:  # temperature and thresholds are for all parts together
            thresholds = np.full(targets.shape[1], 0.5) if targets.ndim == 2 else None
            decoder = LogitDecoder(temperature=1.0, thresholds=thresholds)
        read = [places[place] for place, _ in rows]
        held_out = None
        if part.held_out is not None:
            none = np.full((len(read), len(part.run.class_names)), np.nan, np.float32)
            held_out = part.held_out.in_place_of(none, [images[place].image_id for place in read])
        return np.concatenate([pixels for _, pixels in rows]), targets[read], held_out, decoder

    def _inputs(self, part: LoadedRun, images: Sequence[SnapshotImage], stage: str) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the indices of readable images, and the images preprocessed, (1, 3, H, W).

        They are preprocessed by the exported graph: a difference of 1e-6 can round to another integer and change a
        prediction.
        """
        session = trusted_session(preprocessing_model(part.preprocessing, OPSET).SerializeToString())
        for place, pixels in readable_images(images, part.preprocessing.image_reading):
            self.job.check_cancelled()
            self.job.report(Progress(stage=stage, done=place, total=len(images)))
            yield place, session.run(None, {INPUT: pixels[None]})[0]


def require_images(precisions: Sequence[Precision], model: RunModel, images: Snapshot) -> None:
    """Refuse variants early where there are no images to evaluate them on.

    Raises:
        ExportError: There is no labelled validation image, or no labelled training image for the ranges of integers.
    """
    wanted: dict[Split, str] = {}
    if precisions:
        wanted["val"] = Message("A variant is evaluated on validation images, and there are none with a label.")
    if "int8" in precisions:
        wanted["train"] = Message("int8 is calibrated on training images, and there are none with a label.")
    for split, message in wanted.items():
        labels = {images.class_names[label] for each in images.labelled(split) for label in each.labels}
        if labels.isdisjoint(model.run.class_names):
            raise ExportError(message, "Divide the images, or export without variants.", NextStep("split"))
