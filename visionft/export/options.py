"""What can be chosen for an export: where it will run, the files beside `model.onnx`, and their format. Torch-free.

The files are rows of `visionft.export.artefacts`; a target names nothing but its format, its sample program, and what
its file has to be. `ExportOptions.for_target` is the one place where a target and single choices become options.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from visionft.core.errors import ExportError
from visionft.core.messages import Message, choose_one
from visionft.core.settings import setting
from visionft.export.artefacts import ARTEFACTS, Artefact, artefact_named
from visionft.export.contents import MODEL_FILE, OPSET
from visionft.export.variants import Variant

if TYPE_CHECKING:
    from visionft.export.export_result import ExportResult

# The tests cover each of these.
OPSETS: Final = {
    20: Message("Opset 20, the usual one"),
    18: Message("Opset 18, for older runtimes"),
    22: Message("Opset 22, for newer runtimes"),
}
OLD_OPSET: Final = 18  # read by ONNX Runtime from 1.16 on, and by the oldest packages for phones


@dataclass(frozen=True, kw_only=True)
class Target:
    """A place to run a model. The artefacts that are made for it name it.

    Attributes:
        name: Its name in commands.
        title: Its display name.
        about: Its files, in a line.
        opset: The format of its files.
        sample: The name of the sample program to start with; empty where there is none.
        note: Further words on its use; empty for none.
        wants: What its file has to be: as accurate as the trained model, fast on a processor, or small.
    """

    name: str
    title: str
    about: str
    opset: int = OPSET
    sample: str = "python"
    note: str = ""
    wants: Literal["accuracy", "speed", "size"] = "accuracy"

    def file(self, variants: Sequence[Variant]) -> str:
        """Return the file of an export to use there: a variant only where its accuracy is sure enough."""
        sure = [each for each in variants if each.is_sure]
        if self.wants == "speed":
            sure = [each for each in sure if each.is_recommended]
        found = min(sure, key=lambda each: each.bytes, default=None)
        return MODEL_FILE if found is None or self.wants == "accuracy" else found.file

    def notes(self, files: Sequence[str] = ()) -> list[str]:
        """Return the words on its use, and on that of the artefacts among an export's files."""
        return list(filter(None, (self.note, *(each.use for each in ARTEFACTS.values() if each.is_among(files)))))


TARGETS: Final = {
    each.name: each
    for each in (
        Target(name="desktop", title=Message("This computer"), about=Message("One file, and a Python program.")),
        Target(
            name="server",
            title=Message("A server"),
            about=Message("Also a server, and a file that is often faster."),
            sample="server",
            wants="speed",
            note=Message("samples/server has a Dockerfile too."),
        ),
        Target(
            name="web",
            title=Message("A web page"),
            about=Message("Also a page, and a small file to load."),
            sample="web",
            wants="size",
        ),
        Target(
            name="phone",
            title=Message("A phone"),
            about=Message("Also a small file, and one of a fixed size."),
            opset=OLD_OPSET,
            sample="",
            wants="size",
            note=Message("The app needs ONNX Runtime Mobile. No file was tried on a phone."),
        ),
        Target(
            name="python",
            title=Message("PyTorch"),
            about=Message("Also a folder to train it further, with timm or PEFT."),
        ),
    )
}
DEFAULT_TARGET: Final = "desktop"


def target_named(name: str) -> Target:
    """Return a target (ExportError: There is none of this name)."""
    if name not in TARGETS:
        hint = choose_one(TARGETS)
        raise ExportError(Message("Target {name} is not known.", name=name), hint)
    return TARGETS[name]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What an export is made with.

    Attributes:
        target: Name of the target that the choice began with.
        artefacts: Names of the rows of `ARTEFACTS` to write, in their order.
        opset: Version of ONNX's operators.
    """

    target: str = DEFAULT_TARGET
    artefacts: tuple[str, ...] = ()
    opset: int = setting(OPSET, label="Format", help="18, 20 or 22: a lower one is read by older runtimes.")

    @classmethod
    def for_target(cls, target: str = DEFAULT_TARGET, *, opset: int | None = None, **artefacts: bool | None) -> Self:
        """Return the options of a target with single changes, checked.

        Args:
            target: Name of the target.
            opset: 18, 20 or 22; None for that of the target.
            **artefacts: {name of a row: whether to write it}, with `_` for `-`; None leaves it to the target.

        Raises:
            ExportError: There is no such target, artefact or opset.
        """
        place = target_named(target)
        chosen = {each.name: place.name in each.targets for each in ARTEFACTS.values()}
        chosen |= {artefact_named(name).name: is_on for name, is_on in artefacts.items() if is_on is not None}
        names = tuple(name for name, is_on in chosen.items() if is_on)
        options = cls(target=target, artefacts=names, opset=place.opset if opset is None else opset)
        options.check()
        return options

    @property
    def rows(self) -> list[Artefact]:
        """Return the rows to write, in the order of the table."""
        return [each for name, each in ARTEFACTS.items() if name in self.artefacts]

    def check(self) -> None:
        """Refuse invalid options (ExportError: A value is not among the choices)."""
        target_named(self.target)
        for name in self.artefacts:
            artefact_named(name)
        if self.opset not in OPSETS:
            hint = choose_one(sorted(OPSETS))
            raise ExportError(Message("Opset {opset} is not supported.", opset=self.opset), hint)


DEFAULT_OPTIONS: Final = ExportOptions()


def option_metadata(name: str) -> Any:
    """Return the metadata of a field of `ExportOptions` that is no artefact: its `label` and `help`."""
    return ExportOptions.__dataclass_fields__[name].metadata


def is_made_with(found: "ExportResult", options: ExportOptions) -> bool:
    """Return whether an export was made with all artefacts of these options, in their format.

    An artefact that was left out with a reason counts.
    """
    return found.opset == options.opset and set(options.artefacts) <= set(found.artefacts)
