"""Models without the preprocessing of `model.onnx`: `model_fixed.onnx` of static shape, and `model_float.onnx`.

NPUs and their compilers (QNN, NNAPI, Core ML in ONNX Runtime, tract) need a graph with static shapes only. The input of
`model_fixed.onnx` is a uint8 image of the network's input size: the program crops and resizes before.
`model_float.onnx` is the network alone, for programs that crop, resize and normalise images themselves.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253

from models.heads.calibration import sigmoid, softmax
from visionft.core.errors import ExportError
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Task
from visionft.export.contents import FIXED_MODEL_FILE, FLOAT_MODEL_FILE, MODEL_FILE
from visionft.export.export_result import MAX_ABS_DIFF, ExportResult, TransformEffect
from visionft.export.graph import (
    LOGITS,
    NETWORK_INPUT,
    assemble,
    describe_model,
    describe_values,
    set_metadata,
    with_preprocessing,
)
from visionft.export.model_file import trusted_session
from visionft.export.predictor import DISTANCE, INPUT, OUTPUT, Predictor
from visionft.export.prepared import PreparedRun, network_inputs, readable_images
from visionft.training.runs.run_snapshot import spread

_PARITY_IMAGES: Final = 16
_MAX_HELD_OUT_IMAGES: Final = 120  # to measure the effect of another resize


def fixed_model(
    network: Any, preprocessing: PreprocessConfig, metadata: dict[str, Any], *, task: Task, opset: int
) -> Any:
    """Return the ONNX model from `image`, uint8 [1, height, width, 3], to probabilities and logits.

    Args:
        network: A network from `export_network` with `is_fixed`; its only output is the logits.
        preprocessing: The network's preprocessing.
        metadata: Metadata of `model.onnx`.
        task: The project's task.
        opset: The network's opset.

    Raises:
        ExportError: A shape of the graph is dynamic, so NPUs cannot run it.
    """
    whole = with_preprocessing(network, preprocessing, opset=opset, is_fixed=True)
    whole = assemble(whole, temperature=float(metadata["temperature"]), task=task, batch=1)
    if unknown := values_without_size(whole):
        message = Message("{file}: the network computes the size of {name}.", file=FIXED_MODEL_FILE, name=unknown[0])
        raise ExportError(message, Message("Use model.onnx."))
    describe_values(whole, task)
    metadata = {name: value for name, value in metadata.items() if name != DISTANCE}
    describe_model(whole, metadata)
    set_metadata(whole, metadata)
    return whole


def values_without_size(model: Any) -> list[str]:
    """Return the names of the values with an unknown dimension, according to ONNX's shape inference."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    sizes = {
        value.name: value.type.tensor_type.shape.dim
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }
    names = [value.name for value in graph.input] + [name for node in graph.node for name in node.output if name]
    return [name for name in names if name not in sizes or not all(dim.dim_value for dim in sizes[name])]


def scaled_input(preprocessing: PreprocessConfig, pixels: np.ndarray) -> np.ndarray:
    """Crop a uint8 (H, W, 3) image and scale it without antialiasing; return (1, height, width, 3) bytes.

    Android's `Bitmap.createScaledBitmap` and OpenCV's `resize` do the same: each pixel is a weighted mean of the four
    nearest pixels.
    """
    top, left, height, width = preprocessing.crop_box(*pixels.shape[:2])
    crop = torch.from_numpy(np.ascontiguousarray(pixels[top : top + height, left : left + width]))
    scaled = F.interpolate(crop.permute(2, 0, 1)[None].float(), preprocessing.shape, mode="bilinear")
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def write_fixed_model(prepared: PreparedRun, folder: Path, result: ExportResult, *, job: JobContext) -> ExportResult:
    """Write `model_fixed.onnx` if its predictions equal PyTorch's on the same input; otherwise record the reason.

    The effect of resizing without antialiasing is measured on held-out images.
    """
    if prepared.model.is_combined:
        message = Message("An ensemble has no file of a fixed size: each part prepares images in its own way.")
        return result.with_omitted(message)
    job.report(Progress(stage="Writing the file of a fixed size", done=0, total=0))
    preprocessing = prepared.model.strongest.preprocessing
    network = prepared.model.strongest.classifier.merged().eval()
    traced = prepared.traced(network, preprocessing.shape, is_fixed=True)
    task = prepared.images.task
    try:
        model = fixed_model(traced, preprocessing, prepared.metadata, task=task, opset=prepared.opset)
        session = trusted_session(model.SerializeToString())
        for pixels in prepared.pixels[:_PARITY_IMAGES]:
            inputs = scaled_input(preprocessing, pixels)
            with torch.no_grad():
                logits = network(preprocessing.normalise_batch(torch.from_numpy(inputs))).double().numpy()
            expected = (softmax if task == "single" else sigmoid)(logits / prepared.temperature)
            difference = float(np.abs(session.run([OUTPUT], {INPUT: inputs})[0] - expected).max())
            if not difference <= MAX_ABS_DIFF:
                message = Message("{file} differs from PyTorch by {difference}.", file=FIXED_MODEL_FILE)
                raise ExportError(Message(message, difference=f"{difference:.2g}"))
    except ExportError as error:
        return result.with_omitted(error.message)
    (folder / FIXED_MODEL_FILE).write_bytes(model.SerializeToString())
    held_out = (*prepared.compared_images, *prepared.images.labelled("test"))
    images = [
        pixels for _, pixels in readable_images(list(spread(held_out, _MAX_HELD_OUT_IMAGES)), prepared.image_reading)
    ]
    predictor = Predictor(folder / MODEL_FILE)
    expected = [predictor.probabilities(image[None]) for image in images]
    predicted = [session.run([OUTPUT], {INPUT: scaled_input(preprocessing, image)})[0] for image in images]
    pairs = list(zip(expected, predicted, strict=True))
    effect = TransformEffect(
        images=len(images),
        max_abs_diff=max(float(np.abs(first - second).max()) for first, second in pairs),
        changed=sum(int(first.argmax()) != int(second.argmax()) for first, second in pairs),
    )
    return replace(result, fixed_size=effect)


def write_float_model(prepared: PreparedRun, folder: Path, result: ExportResult) -> ExportResult:
    """Write `model_float.onnx`, from normalised float32 images [batch, 3, height, width] to logits.

    Raises:
        ExportError: Its predictions differ from PyTorch's.
    """
    from onnx.utils import Extractor

    if prepared.model.is_combined:
        message = Message("An ensemble has no float model: each part prepares images in its own way.")
        return result.with_omitted(message)
    model = Extractor(prepared.onnx_networks[0]).extract_model([NETWORK_INPUT], [LOGITS])
    set_metadata(model, {name: value for name, value in prepared.metadata.items() if name != DISTANCE})
    content = model.SerializeToString()
    part = prepared.model.strongest
    inputs = network_inputs(part, prepared.pixels[:_PARITY_IMAGES])
    with torch.no_grad():
        expected = part.classifier(inputs).numpy()
    exported = np.asarray(trusted_session(content).run([LOGITS], {NETWORK_INPUT: inputs.numpy()})[0])
    difference = float(np.abs(softmax(expected) - softmax(exported)).max())
    if difference > MAX_ABS_DIFF:
        message = Message("{file} differs from PyTorch by {difference}.", file=FLOAT_MODEL_FILE)
        raise ExportError(Message(message, difference=f"{difference:.2g}"), Message("{file} is kept.", file=MODEL_FILE))
    (folder / FLOAT_MODEL_FILE).write_bytes(content)
    return result
