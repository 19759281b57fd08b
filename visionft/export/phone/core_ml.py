"""Core ML: an export for Apple's devices, converted by coremltools from the PyTorch network (extra `coreml`).

coremltools converts on every system and runs its models on macOS alone, so the result cannot be compared here.
"""

import contextlib
import gc
import io
import logging
import traceback
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.messages import Message
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Task
from visionft.errors import ExportError
from visionft.export.predictor import INPUT, OUTPUT
from visionft.installation import is_frozen

logger = logging.getLogger(__name__)


@contextmanager
def _silenced() -> Generator[None]:
    """Silence the converter: it warns of every version it was not tested with, and draws progress bars.

    Its temporary folder ends here too, with a warning: frames of an error and a cycle of references keep it.
    """
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            traceback.clear_frames(error.__traceback__)
            raise
        finally:
            gc.collect()


class _FromBytes(nn.Module):
    """A network from (1, 3, H, W) images of 0 to 255 to probabilities."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preprocessing: PreprocessConfig, temperature: float, task: Task) -> None:
        super().__init__()
        self.network, self._temperature, self._is_single = network, temperature, task == "single"
        for name in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, name)).reshape(1, 3, 1, 1) * 255
            self.register_buffer(name, values)

    def forward(self, image: Tensor) -> Tensor:
        logits = self.network((image - self.mean) / self.std) / self._temperature
        return logits.softmax(dim=1) if self._is_single else logits.sigmoid()


def _without_aliases(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Remove, in place, the operations that only give a tensor another name; coremltools does not know them."""
    graph = program.graph
    for node in graph.nodes:
        if node.target is torch.ops.aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return program


def write_core_ml(
    folder: Path,
    network: nn.Module,
    preprocessing: PreprocessConfig,
    class_names: Sequence[str],
    *,
    temperature: float,
    task: Task,
) -> None:
    """Write a Core ML package for iOS 16 and later: an image of the network's size to probabilities, in half precision.

    With one label an image, it is a classifier that the Vision framework understands.

    Raises:
        ExportError: coremltools is missing, or cannot convert the network.
    """
    if is_frozen():
        raise ExportError(Message("Core ML: this program cannot convert to it; an installation with Python can."))
    whole = _FromBytes(network, preprocessing, temperature, task).eval()
    sample = torch.zeros(1, 3, *preprocessing.shape)
    try:
        with _silenced():
            import coremltools as ct  # pyright: ignore[reportMissingImports]

            program = _without_aliases(torch.export.export(whole, (sample,)).run_decompositions({}))
            made: Any = ct.convert(
                program,
                inputs=[ct.ImageType(INPUT, shape=tuple(sample.shape), color_layout=ct.colorlayout.RGB)],
                outputs=[ct.TensorType(OUTPUT)],
                classifier_config=ct.ClassifierConfig(list(class_names)) if task == "single" else None,
                convert_to="mlprogram",
                minimum_deployment_target=ct.target.iOS16,
                skip_model_load=True,
            )
            made.short_description = "Exported by VisionFT"
            made.save(str(folder))
        (folder / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)  # for another runtime
    except ImportError as error:
        message = Message("Core ML: coremltools is not installed ({command}).", command="pip install coremltools")
        raise ExportError(message) from error
    except Exception as error:  # coremltools raises whatever its converters meet
        logger.warning("coremltools cannot convert the network", exc_info=True)
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        message = Message("Core ML: coremltools cannot convert this network ({reason}).", reason=reason)
        raise ExportError(message, Message("Use the ONNX files.")) from error
