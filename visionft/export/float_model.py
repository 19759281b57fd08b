"""`model_float.onnx`: the bare network, for programs that crop, resize and normalise images themselves."""

from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253

from models.messages import Message
from visionft.calibration import softmax
from visionft.errors import ExportError
from visionft.export.contents import FLOAT_MODEL_FILE, MODEL_FILE
from visionft.export.export_result import MAX_ABS_DIFF
from visionft.export.graph import LOGITS, NETWORK_INPUT, set_metadata
from visionft.export.model_file import trusted_session
from visionft.export.predictor import DISTANCE
from visionft.export.pytorch_comparison import network_inputs

if TYPE_CHECKING:
    from visionft.export.exporter import Export

_COMPARED_IMAGES = 16


def write_float_model(export: "Export") -> None:
    """Write the network from normalised float images [batch, 3, height, width] to logits, compared with PyTorch.

    Raises:
        ExportError: It differs from PyTorch.
    """
    from onnx.utils import Extractor

    if export.model.is_combined:
        export.leave_out(Message("An ensemble has no float model: each part prepares images in its own way."))
        return
    model = Extractor(export.networks[0]).extract_model([NETWORK_INPUT], [LOGITS])
    set_metadata(model, {name: value for name, value in export.metadata.items() if name != DISTANCE})
    content = model.SerializeToString()
    part = export.model.strongest
    inputs = network_inputs(part, export.pixels[:_COMPARED_IMAGES])
    with torch.no_grad():
        expected = part.classifier(inputs).numpy()
    found = np.asarray(trusted_session(content).run([LOGITS], {NETWORK_INPUT: inputs.numpy()})[0])
    difference = float(np.abs(softmax(expected) - softmax(found)).max())
    if difference > MAX_ABS_DIFF:
        message = Message("{file} differs from PyTorch by {difference}.", file=FLOAT_MODEL_FILE)
        raise ExportError(Message(message, difference=f"{difference:.2g}"), Message("{file} is kept.", file=MODEL_FILE))
    (export.folder / FLOAT_MODEL_FILE).write_bytes(content)
