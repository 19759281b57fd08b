"""`model_float.onnx`: the bare network, for programs that crop, resize and normalise images themselves."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253

from models.messages import Message
from visionft.calibration import softmax
from visionft.errors import ExportError
from visionft.export.contents import FLOAT_MODEL_FILE, MODEL_FILE
from visionft.export.export_result import MAX_ABS_DIFF
from visionft.export.graph import LOGITS, NETWORK_INPUT, describe_model, describe_values, keep_only, set_metadata
from visionft.export.mirroring import with_mirror_average
from visionft.export.model_file import trusted_session
from visionft.export.predictor import DISTANCE
from visionft.export.pytorch_comparison import MirrorAverage, network_inputs

if TYPE_CHECKING:
    from visionft.export.exporter import Export

COMPARED = 16  # images


def write_float_model(export: "Export") -> None:
    """Write the network of a run after comparing its logits with PyTorch's; an ensemble has none.

    Logits are its only output: it is for runtimes without the operators of the other outputs (OpenCV 4).

    Raises:
        ExportError: It differs from PyTorch.
    """
    import onnx

    if export.model.is_combined:
        export.leave_out(Message("An ensemble has no float model: each part prepares images in its own way."))
        return
    loaded = export.model.strongest
    model = onnx.ModelProto()
    model.CopyFrom(export.networks[0])
    network: Any = loaded.classifier
    if export.options.mirror:
        model, network = with_mirror_average(model), MirrorAverage(network)
    keep_only(model, LOGITS)
    describe_values(model, export.images.task)
    metadata = {name: value for name, value in export.metadata.items() if name != DISTANCE}
    describe_model(model, metadata)
    set_metadata(model, metadata)
    content = model.SerializeToString()
    inputs = network_inputs(loaded, export.pixels[:COMPARED])
    with torch.no_grad():
        expected = network(inputs).numpy()
    got = np.asarray(trusted_session(content).run([LOGITS], {NETWORK_INPUT: inputs.numpy()})[0])
    difference = float(np.abs(softmax(expected) - softmax(got)).max())
    if difference > MAX_ABS_DIFF:
        amount = f"{difference:.2g}"
        message = Message("{file} differs from PyTorch by {difference}.", file=FLOAT_MODEL_FILE, difference=amount)
        raise ExportError(message, Message("{file} is kept.", file=MODEL_FILE))
    (export.folder / FLOAT_MODEL_FILE).write_bytes(content)
