"""Make the files for phones beside `model.onnx`, and compare each with it on validation images.

A file that differs is left out with the reason, like one that cannot be made.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from models.messages import Message
from visionft.calibration import sigmoid, softmax
from visionft.data.types import Task
from visionft.errors import ExportError
from visionft.events import Progress
from visionft.export.contents import CORE_ML_FOLDER, FIXED_MODEL_FILE, MODEL_FILE
from visionft.export.export_result import MAX_ABS_DIFF, Form
from visionft.export.model_file import PROCESSOR, trusted_session
from visionft.export.phone.core_ml import write_core_ml
from visionft.export.phone.fixed_size import fixed_input, fixed_model
from visionft.export.precision.variants import EXACT_BYTES, FP16_LEAST_AGREEMENT, FP16_MAX_DIFF, Variant
from visionft.export.predictor import INPUT, OUTPUT
from visionft.jobs import JobContext
from visionft.training.runs.run_model import RunModel

_MOST_BY_ROUNDING = 0.1
_NO_MAC = Message("It was converted and not run: that needs a Mac.")
_COMBINED = Message(
    "An ensemble has no file of a fixed size, and no Core ML model: each part prepares images in its own way."
)


@dataclass(frozen=True, kw_only=True)
class PhoneMaker:
    """Makes the files for phones.

    Attributes:
        model: The exported run or ensemble.
        network: Its merged network, averaging with the mirror image where the export does; None for an ensemble.
        write_network: Writes it as ONNX with fixed sizes and returns the ONNX model.
        metadata: That of `model.onnx`.
        folder: Of the export.
        pixels: Decoded validation images, uint8 (H, W, 3).
        variants: The smaller files.
    """

    model: RunModel
    network: nn.Module | None
    write_network: Callable[[], Any]
    metadata: dict[str, Any]
    task: Task
    opset: int
    folder: Path
    pixels: Sequence[np.ndarray]
    variants: Sequence[Variant]
    job: JobContext

    def make(self) -> tuple[tuple[Form, ...], tuple[str, ...]]:
        """Write the files; return those kept with their measurements, and the reasons where one is left out."""
        forms, left_out = list[Form](), list[str]()
        if self.network is None:
            left_out.append(_COMBINED)
        made = (self._runtime_format,) if self.network is None else (self._fixed, self._runtime_format, self._core_ml)
        for each in made:
            self.job.check_cancelled()
            try:
                forms.append(each())
            except ExportError as error:
                left_out.append(error.message)
        return tuple(forms), tuple(left_out)

    def _fixed(self) -> Form:
        """Write `model_fixed.onnx`: equal to PyTorch on its own input, near `model.onnx` after rounding to bytes.

        Rounding moved a linear probe on 100 x 100 images of hands by up to .021, and changed no class.
        """
        assert self.network is not None
        self.job.report(Progress(stage="Writing the file of a fixed size", done=0, total=0))
        preprocessing = self.model.strongest.preprocessing
        made = fixed_model(self.write_network(), preprocessing, self.metadata, task=self.task, opset=self.opset)
        content, prepare = made.SerializeToString(), fixed_input(preprocessing)
        session, activation = trusted_session(content), softmax if self.task == "single" else sigmoid
        for pixels in self.pixels[:16]:
            given = prepare(pixels)
            inputs = preprocessing.normalise_batch(torch.from_numpy(given))
            with torch.no_grad():
                expected = activation(self.network(inputs).double().numpy() / float(self.metadata["temperature"]))
            difference = float(np.abs(session.run([OUTPUT], {INPUT: given})[0] - expected).max())
            if not difference <= MAX_ABS_DIFF:
                raise _differs(FIXED_MODEL_FILE, "PyTorch", difference)
        path = self.folder / FIXED_MODEL_FILE
        form = self._compared(
            path, MODEL_FILE, lambda pixels: session.run([OUTPUT], {INPUT: prepare(pixels)})[0], limit=_MOST_BY_ROUNDING
        )
        path.write_bytes(content)
        return _measured(form, path)

    def _runtime_format(self) -> Form:
        """Write the smallest sure file in ONNX Runtime's own format, which its reduced builds for apps need."""
        import onnxruntime

        self.job.report(Progress(stage="Writing ONNX Runtime's format", done=0, total=0))
        sure = [each for each in self.variants if each.is_sure and each.precision == "int8"]
        source = min(sure, key=lambda each: each.bytes).file if sure else MODEL_FILE
        path = (self.folder / source).with_suffix(".ort")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(path)
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.add_session_config_entry(*EXACT_BYTES)
        # As onnxruntime.tools.convert_onnx_models_to_ort for ARM: that layout is for this computer's processor.
        without = ["NchwcTransformer"]
        content = (self.folder / source).read_bytes()
        onnxruntime.InferenceSession(content, options, providers=[PROCESSOR], disabled_optimizers=without)
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry(*EXACT_BYTES)
        session = onnxruntime.InferenceSession(path, options, providers=[PROCESSOR])
        try:
            form = self._compared(
                path, source, lambda pixels: np.asarray(session.run([OUTPUT], {INPUT: pixels[None]})[0])
            )
        except ExportError:
            path.unlink()
            raise
        return _measured(form, path)

    def _core_ml(self) -> Form:
        assert self.network is not None
        self.job.report(Progress(stage="Converting to Core ML", done=0, total=0))
        path, loaded = self.folder / CORE_ML_FOLDER, self.model.strongest
        write = partial(write_core_ml, path, self.network, loaded.preprocessing, loaded.run.class_names)
        try:
            write(temperature=float(self.metadata["temperature"]), task=self.task)
        except ExportError:
            shutil.rmtree(path, ignore_errors=True)
            raise
        size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        return Form(file=f"{CORE_ML_FOLDER}/", bytes=size, source=MODEL_FILE, why_not=_NO_MAC)

    def _compared(
        self, path: Path, source: str, run: Callable[[np.ndarray], np.ndarray], *, limit: float = FP16_MAX_DIFF
    ) -> Form:
        """Compare a file's (1, C) probabilities with those of its source on the validation images.

        Raises:
            ExportError: A probability differs by more than the limit, or too many top classes do.
        """
        session, changed, largest = trusted_session((self.folder / source).read_bytes()), 0, 0.0
        for number, pixels in enumerate(self.pixels, start=1):
            self.job.check_cancelled()
            self.job.report(Progress(stage="Comparing the files for phones", done=number, total=len(self.pixels)))
            expected, found = session.run([OUTPUT], {INPUT: pixels[None]})[0], run(pixels)
            largest = max(largest, float(np.abs(expected - found).max()))
            changed += int(expected.argmax()) != int(found.argmax())
        most = max(1, round((1 - FP16_LEAST_AGREEMENT) * len(self.pixels)))
        if not (largest <= limit and changed <= most):
            raise _differs(path.name, source, largest)
        return Form(
            file=path.name, bytes=0, source=source, images=len(self.pixels), changed=changed, max_abs_diff=largest
        )


def _measured(form: Form, path: Path) -> Form:
    return replace(form, bytes=path.stat().st_size)


def _differs(file: str, other: str, difference: float) -> ExportError:
    message = Message(
        "{name} differs from {other} by {difference}.", name=file, other=other, difference=f"{difference:.2g}"
    )
    return ExportError(message, Message("Use model.onnx."))
