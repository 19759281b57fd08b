"""A model repository of NVIDIA's Triton Inference Server beside an exported model.

`triton/NAME/` has `config.pbtxt` (the message `ModelConfig` of Triton's model_config.proto, in protobuf's text format),
`labels.txt` and `1/model.onnx`.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visionft.export.contents import LABELS_FILE, MODEL_FILE, TRITON_FOLDER
from visionft.files import link_or_copy

if TYPE_CHECKING:
    from visionft.export.exporter import Export

# Triton joins waiting requests with images of one size; 8 of 12 megapixels take about 2 GB in the graph.
MOST_BATCHED: Final = 8
_LONGEST_NAME: Final = 60


def model_name(title: str) -> str:
    """Return a model's name in addresses and folders: letters and digits of ASCII, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", title).strip("_-")[:_LONGEST_NAME] or "classifier"


def write_repository(export: "Export") -> None:
    """Write the repository of an export's model, named after its run."""
    write_triton(export.folder, export.model.run.title)


def write_triton(folder: Path, title: str) -> None:
    """Write the repository into an export's folder; `model.onnx` is a hard link where the disk has such."""
    import onnx

    place = folder / TRITON_FOLDER / model_name(title)
    (place / "1").mkdir(parents=True)
    link_or_copy(folder / MODEL_FILE, place / "1" / MODEL_FILE)
    shutil.copyfile(folder / LABELS_FILE, place / LABELS_FILE)
    text = config_of(onnx.load(folder / MODEL_FILE).graph, place.name)
    (place / "config.pbtxt").write_text(text, encoding="utf-8")


def config_of(graph: Any, name: str) -> str:
    """Return the configuration of an ONNX graph whose inputs and outputs all begin with a batch of any size."""
    inputs = (_value("input", each) for each in graph.input)
    outputs = (_value("output", each) for each in graph.output)
    head = (f'name: "{name}"', 'backend: "onnxruntime"', f"max_batch_size: {MOST_BATCHED}")
    return "\n".join([*head, *inputs, *outputs, "dynamic_batching { }"]) + "\n"


def _value(kind: str, value: Any) -> str:
    tensor = value.type.tensor_type
    sizes = [each.dim_value if each.HasField("dim_value") else -1 for each in tensor.shape.dim]
    if sizes[0] != -1:
        raise ValueError(f"{value.name} has no batch of any size: {sizes}")
    return "\n".join([f"{kind} {{", *(f"  {line}" for line in _fields(value.name, tensor.elem_type, sizes[1:])), "}"])


def _fields(name: str, elem_type: int, sizes: list[int]) -> Iterator[str]:
    """Yield the fields of `ModelInput` or `ModelOutput`; Triton's types are those of ONNX by other names."""
    from onnx import TensorProto

    from visionft.export.predictor import OUTPUT

    types = {int(TensorProto.UINT8): "TYPE_UINT8", int(TensorProto.FLOAT): "TYPE_FP32"}
    yield f'name: "{name}"'
    yield f"data_type: {types[elem_type]}"
    yield f"dims: [ {', '.join(map(str, sizes))} ]"
    if name == OUTPUT:
        yield f'label_filename: "{LABELS_FILE}"'
