"""Where an exported model will run: the table behind `model export --for` and the Export page. Torch-free.

A target chooses the options of the export, the sample program to start with, and the file that it needs most.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from models.messages import Message, choose_one
from visionft.errors import ExportError
from visionft.export.bundle.card.markdown import TIMM_FOLDER
from visionft.export.bundle.triton import TRITON_FOLDER
from visionft.export.bundle.web_runtime import RUNTIME_FOLDER
from visionft.export.contents import FIXED_MODEL_FILE, FLOAT_MODEL_FILE, MODEL_FILE, PYTORCH_FILE
from visionft.export.options import DEFAULT_OPTIONS, ExportOptions
from visionft.export.precision.variants import Variant

if TYPE_CHECKING:
    from visionft.export.export_result import ExportResult

OLD_OPSET: Final = 18  # read by ONNX Runtime from 1.16 on, and by the packages for phones


@dataclass(frozen=True, kw_only=True)
class Target:
    """A place to run a model.

    Attributes:
        name: Its name in commands.
        title: Its display name.
        about: Its files, in a line.
        options: The options of an export for it.
        sample: The name of the sample program to start with; empty where there is none.
        note: Further words on its use; empty for none. About the file `note_file`, which an export may lack.
        may_distil: Whether a distilled network is proposed there.
        wants: What its file has to be: as accurate as the trained model, fast on a processor, or small.
    """

    name: str
    title: str
    about: str
    options: ExportOptions = DEFAULT_OPTIONS
    sample: str = "python"
    note: str = ""
    note_file: str = MODEL_FILE
    may_distil: bool = False
    wants: Literal["accuracy", "speed", "size"] = "accuracy"

    def file(self, variants: Sequence[Variant]) -> str:
        """Return the file of an export to use there: a variant only where its accuracy is sure enough."""
        sure = [each for each in variants if each.is_sure]
        if self.wants == "speed":
            sure = [each for each in sure if each.is_recommended]
        found = min(sure, key=lambda each: each.bytes, default=None)
        return MODEL_FILE if found is None or self.wants == "accuracy" else found.file

    def note_on(self, files: Iterable[str]) -> str:
        """Return the note on an export with these files; empty where they lack what it is about."""
        return self.note if any(each.startswith(self.note_file) for each in files) else ""


TARGETS: Final = {
    each.name: each
    for each in (
        Target(name="desktop", title=Message("This computer"), about=Message("One file, and a Python program.")),
        Target(
            name="server", title=Message("A server"), about=Message("Also a server, and a file that is often faster."),
            options=ExportOptions(precisions=("int8",), triton=True), sample="server", wants="speed",
            note_file=f"{TRITON_FOLDER}/",
            note=Message(
                "samples/server has a Dockerfile too. The folder triton is a model repository for NVIDIA's Triton "
                "Inference Server."
            ),
        ),
        Target(
            name="web", title=Message("A web page"), about=Message("Also a page, and a small file to load."),
            options=ExportOptions(precisions=("int8",), web_runtime=True), sample="web", wants="size",
        ),
        Target(
            name="phone", title=Message("A phone"), about=Message("Also a small file, for an app."),
            options=ExportOptions(precisions=("int8",), opset=OLD_OPSET, phone=True), sample="kotlin", wants="size",
            note=Message(
                "The app needs ONNX Runtime for Android, iOS or React Native, and gives it the RGB bytes of an image "
                "of any size. The classes are in labels.txt. No file was tried on a phone."
            ),
        ),
        Target(
            name="edge", title=Message("A small device"), about=Message("Also a small file, for older software."),
            options=ExportOptions(precisions=("int8",), opset=OLD_OPSET, float_input=True), wants="size",
            note_file=FLOAT_MODEL_FILE, may_distil=True,
            note=Message("model_float.onnx is for OpenCV 4 and for programs that prepare images themselves."),
        ),
        Target(
            name="python", title=Message("PyTorch"), about=Message("Also a file for PyTorch, a folder for timm."),
            options=ExportOptions(pytorch=True, huggingface=True), sample="pytorch",
            note_file=f"{TIMM_FOLDER}/",
            note=Message('To train it further: timm.create_model("local-dir:huggingface", pretrained=True)'),
        ),
    )
}  # fmt: skip


def target_named(name: str) -> Target:
    """Return a target (ExportError: There is none of this name)."""
    if name not in TARGETS:
        hint = choose_one(TARGETS)
        raise ExportError(Message("Target {name} is not known.", name=name), hint)
    return TARGETS[name]


def is_made_with(found: "ExportResult", options: ExportOptions) -> bool:
    """Return whether an export has all files of these options, in their format; one left out with a reason counts."""
    wanted = [FLOAT_MODEL_FILE] * options.float_input + [PYTORCH_FILE] * options.pytorch
    wanted += [f"{TIMM_FOLDER}/"] * options.huggingface
    wanted += [f"{TRITON_FOLDER}/"] * options.triton + [f"{RUNTIME_FOLDER}/"] * options.web_runtime
    wanted += [FIXED_MODEL_FILE] * options.phone
    has_files = all(any(name.startswith(each) for name in found.files) for each in wanted)
    tried = {each.precision for each in found.variants}
    wished = {*options.precisions, *["distilled"] * options.distil}
    is_alike = found.opset == options.opset and (found.mirror is not None) == options.mirror
    return is_alike and tried.issuperset(wished) and (has_files or bool(found.left_out))


def target_of(found: "ExportResult") -> Target | None:
    """Return the target whose options explain the files of an export best; None where none does."""
    fitting = [each for each in TARGETS.values() if is_made_with(found, each.options)]
    return max(fitting, key=lambda each: _files(each.options), default=None)


def _files(options: ExportOptions) -> int:
    formats = (options.float_input, options.pytorch, options.huggingface, options.triton, options.web_runtime)
    return len(options.precisions) + sum(formats) + options.phone
