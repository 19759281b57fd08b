"""The variant of `model.onnx` for one image of a fixed size: every size in its graph is a number.

NPUs and their compilers (QNN, NNAPI, Core ML in ONNX Runtime, tract) need that. Its input is the network's, as bytes:
the program crops and resizes, because a resize from any size needs sizes that are computed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from models.messages import Message
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Task
from visionft.errors import ExportError
from visionft.export.contents import FIXED_MODEL_FILE
from visionft.export.graph import assemble, describe_model, describe_values, from_images, set_metadata
from visionft.export.model_file import trusted_session
from visionft.export.options import OPSET
from visionft.export.predictor import DISTANCE, INPUT
from visionft.export.preprocessing_graph import preprocessing_model


def fixed_model(
    network: Any, preprocessing: PreprocessConfig, metadata: dict[str, Any], *, task: Task, opset: int
) -> Any:
    """Return the ONNX model from `image`, uint8 [1, height, width, 3], to probabilities and logits.

    Args:
        network: A fixed network of `export_network`, with logits alone.
        preprocessing: Of the network.
        metadata: That of `model.onnx`.
        task: Of the project.
        opset: Of the network.

    Raises:
        ExportError: A size of the graph is computed, so that NPUs cannot run it.
    """
    whole = from_images(network, preprocessing, opset=opset, is_fixed=True)
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
    """Return the names of the values with a size that is no number, according to ONNX's shape inference."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    sizes = {
        value.name: value.type.tensor_type.shape.dim
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }
    names = [value.name for value in graph.input] + [name for node in graph.node for name in node.output if name]
    return [name for name in names if name not in sizes or not all(each.dim_value for each in sizes[name])]


def scaled_input(preprocessing: PreprocessConfig, pixels: np.ndarray) -> np.ndarray:
    """Return the input of a file of fixed size from a uint8 (H, W, 3) image, scaled without antialiasing.

    It is what Android's `Bitmap.createScaledBitmap` and OpenCV's `resize` do: each pixel is a mean of the four nearest.
    """
    import torch
    import torch.nn.functional as F

    top, left, height, width = preprocessing.crop_box(*pixels.shape[:2])
    part = torch.from_numpy(np.ascontiguousarray(pixels[top : top + height, left : left + width]))
    found = F.interpolate(part.permute(2, 0, 1)[None].float(), preprocessing.shape, mode="bilinear")
    return found.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def fixed_input(preprocessing: PreprocessConfig) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from a uint8 (H, W, 3) image of any size to the input of a file of fixed size.

    It crops and resizes as `model.onnx` does, and rounds to bytes, as the samples in Kotlin and Swift do.
    """
    session = trusted_session(preprocessing_model(preprocessing, OPSET).SerializeToString())
    mean, std = (np.array(part).reshape(1, 3, 1, 1) * 255 for part in (preprocessing.mean, preprocessing.std))

    def prepare(pixels: np.ndarray) -> np.ndarray:
        values = session.run(None, {INPUT: pixels[None]})[0] * std + mean
        return np.ascontiguousarray(np.rint(values).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1))

    return prepare
