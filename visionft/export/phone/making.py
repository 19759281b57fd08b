"""Make the files for phones beside `model.onnx`, and compare each with it on held-out images.

A file that differs is left out with the reason, like one that cannot be made.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from models.messages import Message
from visionft.calibration import sigmoid, softmax
from visionft.errors import ExportError
from visionft.events import Progress
from visionft.export.contents import CORE_ML_FOLDER, FIXED_MODEL_FILE, MODEL_FILE
from visionft.export.export_result import MAX_ABS_DIFF, Form
from visionft.export.model_file import PROCESSOR, trusted_session
from visionft.export.phone.core_ml import write_core_ml
from visionft.export.phone.fixed_size import fixed_input, fixed_model, scaled_input
from visionft.export.precision.variants import EXACT_BYTES, FP16_LEAST_AGREEMENT, FP16_MAX_DIFF
from visionft.export.predictor import INPUT, OUTPUT
from visionft.export.pytorch_comparison import MirrorAverage, compared_images, readable_images
from visionft.training.loop.subsets import spread

if TYPE_CHECKING:
    from visionft.export.exporter import Export

# Of a probability, by bytes that are rounded after the resize. They move it by .0014 in the median and by .103 in the
# worst of 200 images of trashnet (EfficientNet-Lite2, linear probe): what is near a border between classes moves most.
# That the graph is right is proved before, against PyTorch with the same bytes.
_MOST_BY_ROUNDING = 0.25
# Images of validation and test to compare the file of a fixed size on, more than the 24 of all shapes that the other
# files are compared on: on 60 of validation of the same set the largest difference is .013.
_RESIZED = 120
_NO_MAC = Message("It was converted and not run: that needs a Mac.")
_COMBINED = Message(
    "An ensemble has no file of a fixed size, and no Core ML model: each part prepares images in its own way."
)


def write_phone_files(export: "Export") -> None:
    """Write the files for phones; one that differs or cannot be made is left out with the reason."""
    writers: tuple[Callable[[Export], Form], ...] = (_fixed, _runtime_format, _core_ml)
    if export.model.is_combined:
        export.leave_out(_COMBINED)
        writers = (_runtime_format,)
    for write in writers:
        export.job.check_cancelled()
        try:
            export.forms.append(write(export))
        except ExportError as error:
            export.leave_out(error.message)


def _network(export: "Export") -> nn.Module:
    """Return the merged network of a run, averaging with the mirror image where the export does."""
    network = export.model.strongest.classifier.merged()
    return MirrorAverage(network).eval() if export.options.mirror else network


def _fixed(export: "Export") -> Form:
    """Write `model_fixed.onnx`: equal to PyTorch on its own input, near `model.onnx` after rounding to bytes.

    It is measured on images that were resized as the samples for phones do it, and once more without antialiasing.
    """
    export.job.report(Progress(stage="Writing the file of a fixed size", done=0, total=0))
    preprocessing = export.model.strongest.preprocessing
    network = _network(export)
    task = export.images.task
    traced = export.traced_network(network, preprocessing.shape, is_fixed=True)
    made = fixed_model(traced, preprocessing, export.metadata, task=task, opset=export.options.opset)
    content = made.SerializeToString()
    prepare = fixed_input(preprocessing)
    session = trusted_session(content)
    activation = softmax if task == "single" else sigmoid
    for pixels in export.pixels[:16]:
        given = prepare(pixels)
        inputs = preprocessing.normalise_batch(torch.from_numpy(given))
        with torch.no_grad():
            expected = activation(network(inputs).double().numpy() / float(export.metadata["temperature"]))
        difference = float(np.abs(session.run([OUTPUT], {INPUT: given})[0] - expected).max())
        if not difference <= MAX_ABS_DIFF:
            raise _differs(FIXED_MODEL_FILE, "PyTorch", difference)
    path = export.folder / FIXED_MODEL_FILE

    def run(given: np.ndarray) -> np.ndarray:
        return np.asarray(session.run([OUTPUT], {INPUT: given})[0])

    trained = export.model.run
    held_out = (*compared_images(trained, export.images), *export.images.labelled("test"))
    chosen = list(spread(held_out, _RESIZED))
    images = [pixels for _, pixels in readable_images(chosen, trained.config.image_reading)]
    expected = _probabilities(export, MODEL_FILE, images)
    form = _compared(path, MODEL_FILE, expected, [run(prepare(each)) for each in images], limit=_MOST_BY_ROUNDING)
    scaled = [run(scaled_input(preprocessing, each)) for each in images]
    changed, largest = _differences(expected, scaled)
    path.write_bytes(content)
    return replace(_measured(form, path), scaled_changed=changed, scaled_max_abs_diff=largest)


def _runtime_format(export: "Export") -> Form:
    """Write the smallest sure file in ONNX Runtime's own format, which its reduced builds for apps need."""
    import onnxruntime

    export.job.report(Progress(stage="Writing ONNX Runtime's format", done=0, total=0))
    sure = [each for each in export.variants if each.is_sure and each.precision == "int8"]
    source = min(sure, key=lambda each: each.bytes).file if sure else MODEL_FILE
    path = (export.folder / source).with_suffix(".ort")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.add_session_config_entry(*EXACT_BYTES)
    # As onnxruntime.tools.convert_onnx_models_to_ort for ARM: that layout is for this computer's processor.
    without = ["NchwcTransformer"]
    content = (export.folder / source).read_bytes()
    onnxruntime.InferenceSession(content, options, providers=[PROCESSOR], disabled_optimizers=without)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(*EXACT_BYTES)
    session = onnxruntime.InferenceSession(path, options, providers=[PROCESSOR])

    def run(pixels: np.ndarray) -> np.ndarray:
        return np.asarray(session.run([OUTPUT], {INPUT: pixels[None]})[0])

    try:
        expected = _probabilities(export, source, export.pixels)
        form = _compared(path, source, expected, [run(each) for each in export.pixels])
    except ExportError:
        path.unlink()
        raise
    return _measured(form, path)


def _core_ml(export: "Export") -> Form:
    export.job.report(Progress(stage="Converting to Core ML", done=0, total=0))
    path, preprocessing = export.folder / CORE_ML_FOLDER, export.model.strongest.preprocessing
    temperature = float(export.metadata["temperature"])
    try:
        write_core_ml(
            path, _network(export), preprocessing, export.class_names, temperature=temperature, task=export.images.task
        )
    except ExportError:
        shutil.rmtree(path, ignore_errors=True)
        raise
    size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return Form(file=f"{CORE_ML_FOLDER}/", bytes=size, source=MODEL_FILE, why_not=_NO_MAC)


def _probabilities(export: "Export", source: str, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the (1, C) probabilities of a file of the export for decoded images."""
    session = trusted_session((export.folder / source).read_bytes())
    found = list[np.ndarray]()
    for number, pixels in enumerate(images, start=1):
        export.job.check_cancelled()
        export.job.report(Progress(stage="Comparing the files for phones", done=number, total=len(images)))
        found.append(np.asarray(session.run([OUTPUT], {INPUT: pixels[None]})[0]))
    return found


def _differences(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> tuple[int, float]:
    """Return the number of images with another top class, and the largest difference of any probability."""
    pairs = list(zip(expected, found, strict=True))
    changed = sum(int(before.argmax()) != int(after.argmax()) for before, after in pairs)
    return changed, max(float(np.abs(before - after).max()) for before, after in pairs)


def _compared(
    path: Path,
    source: str,
    expected: Sequence[np.ndarray],
    found: Sequence[np.ndarray],
    *,
    limit: float = FP16_MAX_DIFF,
) -> Form:
    """Compare a file's (1, C) probabilities with those of its source on the same held-out images.

    Raises:
        ExportError: A probability differs by more than the limit, or too many top classes do.
    """
    changed, largest = _differences(expected, found)
    most = max(1, round((1 - FP16_LEAST_AGREEMENT) * len(expected)))
    if not (largest <= limit and changed <= most):
        raise _differs(path.name, source, largest)
    return Form(file=path.name, bytes=0, source=source, images=len(expected), changed=changed, max_abs_diff=largest)


def _measured(form: Form, path: Path) -> Form:
    return replace(form, bytes=path.stat().st_size)


def _differs(file: str, other: str, difference: float) -> ExportError:
    message = Message(
        "{name} differs from {other} by {difference}.", name=file, other=other, difference=f"{difference:.2g}"
    )
    return ExportError(message, Message("Use model.onnx."))
