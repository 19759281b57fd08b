"""What may be chosen of an export. The form of the Export page and the command line follow from these fields."""

from dataclasses import dataclass, fields

from models.settings import setting
from visionft.errors import ExportError
from visionft.export.precision.variants import PRECISIONS, Precision

# Each is a choice that the tests try.
OPSETS = {20: "Opset 20, the usual one", 18: "Opset 18, for older runtimes", 22: "Opset 22, for newer runtimes"}
OPSET = 20


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What an export writes, and how."""

    float_input: bool = setting(
        False,
        label="Also write model_float.onnx",
        help="For programs that crop, resize and normalise pictures themselves.",
    )
    precisions: tuple[Precision, ...] = setting(
        (),
        label="Smaller files beside it",
        help="fp16: half the size. int8: about a quarter, fast on processors. Both are judged on validation pictures.",
    )
    opset: int = setting(OPSET, label="Format", help="18, 20 or 22: a lower one is read by older runtimes.")

    huggingface: bool = setting(
        False,
        label="Folder for timm and Hugging Face",
        help="config.json and model.safetensors, which timm loads as a network with equal answers.",
    )

    def check(self) -> None:
        """Refuse what cannot be written.

        Raises:
            ExportError: A choice is none of those that there are.
        """
        for precision in self.precisions:
            if precision not in PRECISIONS:
                hint = f"Choose one of {', '.join(PRECISIONS)}."
                raise ExportError(f"Precision {precision} is not known.", hint)
        if self.opset not in OPSETS:
            known = ", ".join(map(str, sorted(OPSETS)))
            raise ExportError(f"Opset {self.opset} is not supported.", f"Choose one of {known}.")


def label_of(name: str) -> str:
    """Return what a form calls an option."""
    return _metadata(name)["label"]


def help_of(name: str) -> str:
    """Return what an option does, in a sentence."""
    return _metadata(name)["help"]


def sentence(name: str) -> str:
    """Return what an option that is on or off does, for a place where its label does not stand."""
    return f"{label_of(name)}. {help_of(name)}"


def _metadata(name: str) -> dict[str, str]:
    return next(dict(field.metadata) for field in fields(ExportOptions) if field.name == name)
