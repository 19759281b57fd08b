"""The PyTorch form of an export: `model.pt2`, written by `torch.export` from the networks that are traced for ONNX.

It has the input of `model.onnx`, uint8 images [batch, height, width, 3] of any size, and returns a dictionary of its
outputs, the hidden ones included. One traced program serves every method, ensembles too; it needs torch alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.messages import Message
from models.tensor_files import usual_permissions
from visionft.data.types import Task
from visionft.errors import ExportError
from visionft.events import Progress
from visionft.export.contents import MODEL_FILE, PYTORCH_FILE
from visionft.export.distance import Distance, with_outputs
from visionft.export.export_result import MAX_PYTORCH_DIFF, Parity
from visionft.export.graph import LOGITS
from visionft.export.predictor import DISTANCE, OUTPUT, Predictor
from visionft.export.pytorch_comparison import measure_parity
from visionft.jobs import JobContext
from visionft.training.runs.run_model import RunModel

if TYPE_CHECKING:
    from visionft.export.exporter import Export

METADATA = "metadata.json"  # in the file, with the values of the metadata of model.onnx
_MOST_PX = 65_535  # of a side
_NOTES = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node")  # paths of this computer among them


class _Part(nn.Module):
    """One network, from images to its outputs, preprocessing included (as `PreprocessConfig.apply`)."""

    def __init__(self, part: RunModel, distance: Distance | None, *, embeds: bool) -> None:
        super().__init__()
        self.network, self.names = with_outputs(part, distance, embeds=embeds)
        self._preprocessing = part.preprocessing

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        steps = self._preprocessing
        _, rows, columns, _ = images.shape
        box = steps.crop_box(rows, columns, smaller=torch.sym_min, larger=torch.sym_max)
        part = images[:, box.top : box.top + box.height, box.left : box.left + box.width]
        planes = part.permute(0, 3, 1, 2).float()  # (B, 3, height, width) of the box
        resized = nn.functional.interpolate(planes, steps.shape, mode=steps.interpolation, antialias=True)
        outputs = self.network(steps.normalise(resized.clamp(0, 255)))
        return dict(zip(self.names, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))


class ImageClassifier(nn.Module):
    """A run or an ensemble, from images to probabilities."""

    def __init__(
        self,
        model: RunModel,
        temperature: float,
        task: Task,
        distance: Distance | None,
        *,
        embeds: bool = False,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            _Part(part, distance if part is model.strongest else None, embeds=embeds) for part in model.parts
        )
        self._model, self._temperature, self._is_multi = model, temperature, task == "multi"
        _keep_once(self)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map uint8 (B, H, W, 3) images to (B, C) `probabilities` and `logits`, and the other outputs of the parts."""
        found = [part(image) for part in self.parts]
        logits: Any = self._model.mixed([each[LOGITS] for each in found])
        scaled = logits / self._temperature
        answers = scaled.sigmoid() if self._is_multi else scaled.softmax(dim=1)
        others = {name: value for each in found for name, value in each.items()}
        return {OUTPUT: answers, **others, LOGITS: logits}


def _keep_once(network: nn.Module) -> None:
    """Share equal tensors: the parts of an ensemble often have the same frozen network."""
    first: dict[tuple[Any, ...], Tensor] = {}
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for name, value in tensors.items():
                if value is not None:
                    content = hashlib.sha256(value.numpy(force=True).tobytes()).digest()
                    tensors[name] = first.setdefault((type(value), value.dtype, value.shape, content), value)  # type: ignore[assignment]


def write_pytorch_file(classifier: ImageClassifier, path: Path, metadata: Mapping[str, Any]) -> None:
    """Trace a classifier in evaluation mode and write it with its metadata, without notes of this computer."""
    batch, *sides = (
        torch.export.Dim(name, min=1, max=most)
        for name, most in (("batch", 4096), ("height", _MOST_PX), ("width", _MOST_PX))
    )
    sample = torch.zeros(2, 64, 48, 3, dtype=torch.uint8)
    with torch.no_grad():
        program = torch.export.export(
            classifier.eval(), (sample,), dynamic_shapes=({0: batch, 1: sides[0], 2: sides[1]},)
        )
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            for name in _NOTES:
                node.meta.pop(name, None)
    with usual_permissions(path):
        torch.export.save(program, path, extra_files={METADATA: json.dumps(dict(metadata), ensure_ascii=False)})


def write_pytorch_form(export: "Export") -> None:
    """Write `model.pt2` of an export; it is left out where it differs from `model.onnx`."""
    export.job.report(Progress(stage="Writing the PyTorch file", done=0, total=0))
    classifier = ImageClassifier(
        export.model,
        export.decoder.temperature,
        export.images.task,
        export.distance,
        embeds=export.has_index,
    )
    try:
        export.pytorch = write_compared(classifier, export.folder, export.metadata, export.pixels, job=export.job)
    except ExportError as error:
        export.leave_out(error.message)


def write_compared(
    classifier: ImageClassifier,
    folder: Path,
    metadata: Mapping[str, Any],
    decoded: Sequence[np.ndarray],
    *,
    job: JobContext,
) -> Parity:
    """Write `model.pt2` into an export's folder and compare it, loaded again, with `model.onnx`.

    Args:
        decoded: uint8 (H, W, 3) images to compare on.

    Raises:
        ExportError: They differ; the file is not kept.
    """
    path = folder / PYTORCH_FILE
    write_pytorch_file(classifier, path, metadata)
    onnx_model = Predictor(folder / MODEL_FILE, device="cpu")
    expected = lambda images: onnx_model.outputs(np.stack(images))  # noqa: E731
    parity = measure_parity(expected, PyTorchPredictor(path).outputs, decoded, job=job)
    if not parity.is_equal or parity.max_abs_diff > MAX_PYTORCH_DIFF:
        path.unlink()
        message = Message(
            "{name} differs from {other} by {difference}.",
            name=PYTORCH_FILE,
            other=MODEL_FILE,
            difference=f"{parity.max_abs_diff:.2g}",
        )
        raise ExportError(message, "The ONNX file holds it all.")
    return parity


class PyTorchPredictor:
    """The predictions of a file written here, as a `Predictor` gives them. Never for a file of others."""

    def __init__(self, path: Path) -> None:
        self._module = torch.export.load(path).module(check_guards=False)

    @torch.no_grad()
    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Map uint8 (B, H, W, 3) images to (B, C) probabilities and (B,) distances; None without distances."""
        found = self._module(torch.from_numpy(np.ascontiguousarray(pixels)))
        return found[OUTPUT].numpy(), found[DISTANCE].numpy() if DISTANCE in found else None
