"""Options of an export. The form of the Export page and the command line are built from these fields."""

from dataclasses import dataclass

from models.messages import Message, choose_one
from models.settings import setting
from visionft.errors import ExportError
from visionft.export.exporters import EXPORTERS
from visionft.export.precision.variants import PRECISIONS, Precision

# The tests cover each of these.
OPSETS = {
    20: Message("Opset 20, the usual one"),
    18: Message("Opset 18, for older runtimes"),
    22: Message("Opset 22, for newer runtimes"),
}
OPSET = 20


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Files to write in an export, and their format."""

    float_input: bool = setting(
        False,
        label="Also write model_float.onnx",
        help="For programs that crop, resize and normalise images themselves.",
    )
    precisions: tuple[Precision, ...] = setting(
        (),
        label="Smaller variants",
        help="fp16: half the size. int8: about a quarter, fast on processors. Both are judged on validation images.",
    )
    mirror: bool = setting(
        False,
        label="Average with the mirrored image",
        help="Twice the time per image, often a little more accurate; measured on validation images. Not where "
        "mirroring changes a class, such as letters, or left and right.",
    )
    opset: int = setting(OPSET, label="Format", help="18, 20 or 22: a lower one is read by older runtimes.")
    pytorch: bool = setting(
        False,
        label="Also write model.pt2",
        help="The whole model, of every method, for PyTorch alone: images in, probabilities out.",
    )
    huggingface: bool = setting(
        False,
        label="Folder for timm and Hugging Face",
        help="config.json and model.safetensors, loaded by timm as a network with equal output.",
    )
    triton: bool = setting(
        False,
        label="Model repository for Triton",
        help="A folder that NVIDIA's Triton Inference Server serves as it is.",
    )
    web_runtime: bool = setting(
        False,
        label="ONNX Runtime for browsers",
        help="ONNX Runtime beside the page (41 MB), so that nothing has to be fetched for it.",
    )
    phone: bool = setting(
        False,
        label="Files for phones",
        help="model_fixed.onnx for one image of a fixed size, as NPUs need; a file in ONNX Runtime's own format; and a "
        "Core ML model, where coremltools is installed.",
    )
    distil: bool = setting(
        False,
        label="Train a small network on its predictions (some minutes)",
        help="The Starter ResNet learns the model's predictions of all images, labelled or not, then becomes int8. "
        "It is kept where it loses at most half a point of accuracy.",
    )
    exporters: tuple[str, ...] = setting(
        (), label="Other formats", help="Files of installed extensions, made from model.onnx."
    )

    def check(self) -> None:
        """Refuse invalid options (ExportError: A value is not among the choices)."""
        for precision in self.precisions:
            if precision not in PRECISIONS:
                hint = choose_one(PRECISIONS)
                raise ExportError(Message("Precision {precision} is not known.", precision=precision), hint)
        for name in self.exporters:
            if name not in EXPORTERS:
                known = choose_one(EXPORTERS)
                hint = known if EXPORTERS else "No installed extension adds one."
                raise ExportError(Message("Exporter {name} is not known.", name=name), hint)
        if self.opset not in OPSETS:
            hint = choose_one(sorted(OPSETS))
            raise ExportError(Message("Opset {opset} is not supported.", opset=self.opset), hint)


DEFAULT_OPTIONS = ExportOptions()


def label_of(name: str) -> str:
    return ExportOptions.__dataclass_fields__[name].metadata["label"]


def help_of(name: str) -> str:
    return ExportOptions.__dataclass_fields__[name].metadata["help"]


def sentence(name: str) -> str:
    """Return the label and help of an on/off option, for a place without its label."""
    return f"{label_of(name)}. {help_of(name)}"
