"""What can be chosen for an export: where it will run, the files beside `model.onnx`, and their format. Torch-free.

`ARTEFACTS` is the table of the files. A row says when a file is made, how, how it is checked, and what people read of
it. The flags of `model export`, the boxes and the list of files on the Export page, the targets, the model card and the
verification are made of the rows: a further file is one more row. Modules that load torch are imported when a file is
written.

A target has a format, a sample program and one requirement of its file. Only `ExportOptions.for_target` turns a target
and single choices into options.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from visionft.core.errors import ExportError
from visionft.core.jobs import JobContext
from visionft.core.messages import Message, choose_one
from visionft.core.settings import setting
from visionft.data.types import Split
from visionft.export.contents import (
    CLASSIFIER_FILE,
    FIXED_MODEL_FILE,
    FLOAT_MODEL_FILE,
    MODEL_FILE,
    OPSET,
    PYTORCH_FOLDER,
    RUNTIME_FOLDER,
    TIMM_FOLDER,
)
from visionft.export.export_result import ExportResult, Precision, Variant, variant_file
from visionft.export.sample_programs import runtime_files, write_runtime

if TYPE_CHECKING:
    from visionft.export.export_result import ExportResult
    from visionft.export.prepared import PreparedRun


def _write_variant(
    precision: Precision, prepared: "PreparedRun", folder: Path, result: ExportResult, job: JobContext
) -> ExportResult:
    from visionft.export.precision_variants import write_variant

    return write_variant(prepared, folder, result, precision=precision, job=job)


def _write_fixed_model(prepared: "PreparedRun", folder: Path, result: ExportResult, job: JobContext) -> ExportResult:
    from visionft.export.fixed_size import write_fixed_model

    return write_fixed_model(prepared, folder, result, job=job)


def _write_float_model(prepared: "PreparedRun", folder: Path, result: ExportResult, job: JobContext) -> ExportResult:
    from visionft.export.fixed_size import write_float_model

    return write_float_model(prepared, folder, result)


def _write_network_folders(
    prepared: "PreparedRun", folder: Path, result: ExportResult, job: JobContext
) -> ExportResult:
    from visionft.export.network_folders import write_network_folders

    return write_network_folders(prepared, folder, result)


def _write_web_runtime(prepared: "PreparedRun", folder: Path, result: ExportResult, job: JobContext) -> ExportResult:
    try:
        write_runtime(folder)
    except ExportError as error:
        return result.with_omitted(error.message)
    return result


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file, or a folder, that an export may hold.

    Attributes:
        name: Its name in the record, and in commands: `model export --NAME` and `--no-NAME`.
        title: Label of its box.
        write: Writes the files into a folder and returns the result of the export with their measurements. The folder
            holds the files that are published already, as links: they may be replaced, never written into. All files
            of the folder are listed in the record. `left_out` says why this run cannot have the file; an `ExportError`
            stops the export with the files before it.
        about: Its purpose.
        check: How its predictions are compared before it is kept; empty if it predicts nothing.
        file: The file by which it is known; a folder ends with `/`. Empty where only `write` knows. It is known by the
            folders of its `purposes` too.
        purposes: {file that it may have, or folder with `/`: its content}, for the model card.
        targets: Names of the targets that it is made for.
        needs: Splits of which it needs labelled images.
        use: What to do with it, for a finished export.
        weight: About its seconds for a ResNet-18 on two cores.
        tolerance: Largest difference of a probability from the recorded one, for a model that is verified elsewhere;
            0 for that of `model.onnx`.
        copied: Returns the names of the files that are copied from the installed program; an empty list where this
            installation lacks them. None for a file that is not copied.
    """

    name: str
    title: str
    write: "Callable[[PreparedRun, Path, ExportResult, JobContext], ExportResult]"
    about: str = ""
    check: str = ""
    file: str = ""
    purposes: Mapping[str, str] = field(default_factory=dict[str, str])
    targets: tuple[str, ...] = ()
    needs: tuple[Split, ...] = ()
    use: str = ""
    weight: float = 1.0
    tolerance: float = 0.0
    copied: Callable[[], Sequence[str]] | None = None

    @property
    def files(self) -> list[str]:
        """Return the names of its files that are known before it is written."""
        names = dict.fromkeys((self.file, *self.purposes, *self._copied()))
        return [each for each in names if each and not each.endswith("/")]

    @property
    def is_available(self) -> bool:
        """Whether this installation can write it: it has the files to copy, if any."""
        return self.copied is None or bool(self._copied())

    def _copied(self) -> Sequence[str]:
        return () if self.copied is None else self.copied()

    @property
    def sentence(self) -> str:
        """Return its title and purpose as one line."""
        return f"{self.title}. {self.about}" if self.about else self.title

    def is_among(self, files: Iterable[str]) -> bool:
        """Return whether these files of an export hold it."""
        places = (self.file, *(each for each in self.purposes if each.endswith("/")))
        return bool(self.file) and any(name.startswith(places) for name in files)


# In the order of writing.
_ROWS = (
    Artefact(
        name="fp16",
        title=Message("fp16 variant"),
        write=partial(_write_variant, "fp16"),
        about=Message("Half the size: weights in half precision, for GPUs."),
        check=Message("Kept only where it predicts alike on validation images."),
        file=variant_file("fp16"),
        purposes={variant_file("fp16"): "the model in half precision: half the size"},
        needs=("val",),
        weight=12,
        tolerance=0.01,
    ),
    Artefact(
        name="int8",
        title=Message("int8 variant"),
        write=partial(_write_variant, "int8"),
        about=Message("A quarter of the size: weights in 8-bit integers, fast on processors."),
        check=Message("Kept only where it is as accurate on validation images."),
        file=variant_file("int8"),
        purposes={variant_file("int8"): "the model in 8-bit integers, for processors"},
        targets=("server", "web", "phone"),
        needs=("val", "train"),
        weight=12,
        tolerance=0.02,
    ),
    Artefact(
        name="fixed-size",
        title=Message("Also write model_fixed.onnx"),
        write=_write_fixed_model,
        about=Message("For one image of a fixed size, cropped and resized before, as apps and NPUs need."),
        check=Message("Compared with PyTorch."),
        file=FIXED_MODEL_FILE,
        purposes={FIXED_MODEL_FILE: "the model for one image of a fixed size, cropped and resized before"},
        targets=("phone",),
        use=Message("model_fixed.onnx takes one image that was cropped and resized before."),
    ),
    Artefact(
        name="float-input",
        title=Message("Also write model_float.onnx"),
        write=_write_float_model,
        about=Message("For programs that crop, resize and normalise images themselves."),
        check=Message("Compared with PyTorch."),
        file=FLOAT_MODEL_FILE,
        purposes={FLOAT_MODEL_FILE: "the model for images that are already cropped, resized and normalised"},
        use=Message("model_float.onnx takes images that your program has cropped, resized and normalised."),
    ),
    Artefact(
        name="huggingface",
        title=Message("Folder to train it further, for timm"),
        write=_write_network_folders,
        about=Message(
            "The network as timm loads it; in the folder pytorch, with a small program, where timm alone cannot build "
            "it. Of LoRA also the folder adapter, for PEFT."
        ),
        check=Message("Compared with PyTorch."),
        file=f"{TIMM_FOLDER}/",
        purposes={
            f"{TIMM_FOLDER}/config.json": "configuration of the network for timm",
            f"{TIMM_FOLDER}/model.safetensors": "weights of the network for timm",
            f"{PYTORCH_FOLDER}/{CLASSIFIER_FILE}": "loads the network of its folder with timm and torch",
            f"{PYTORCH_FOLDER}/": "the network, for that program",
            "adapter/adapter_config.json": "the fine-tuned parameters in PEFT's format: their base model and classes",
            "adapter/adapter_model.safetensors": "the fine-tuned parameters in PEFT's format: weights",
            f"adapter/{CLASSIFIER_FILE}": "loads the fine-tuned parameters on their network, with timm and PEFT",
            "adapter/": "the network that they were trained on",
        },
        targets=("python",),
        use=Message("README.md has the code to train it further."),
    ),
    Artefact(
        name="web-runtime",
        title=Message("ONNX Runtime for browsers"),
        write=_write_web_runtime,
        about=Message("ONNX Runtime beside the page (41 MB), so that nothing has to be fetched for it."),
        file=f"{RUNTIME_FOLDER}/",
        purposes={f"{RUNTIME_FOLDER}/": "ONNX Runtime for browsers (MIT)"},
        targets=("web",),
        copied=runtime_files,
    ),
)
ARTEFACTS: Final = {each.name: each for each in _ROWS}


def artefact_named(name: str) -> Artefact:
    """Return a row by its name, also with `_` for `-` as in Python (ExportError: unknown name)."""
    found = ARTEFACTS.get(name.replace("_", "-")) or ARTEFACTS.get(name)
    if found is None:
        raise ExportError(Message("Export option {name} is not known.", name=name), choose_one(ARTEFACTS))
    return found


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
        sample: The name of the sample program to start with; empty for none.
        note: Further words on its use; empty for none.
        wants: The requirement of its file: as accurate as the trained model, fast on a processor, or small.
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
        sure = [each for each in variants if each.has_enough_images]
        if self.wants == "speed":
            sure = [each for each in sure if each.is_recommended]
        found = min(sure, key=lambda each: each.bytes, default=None)
        return MODEL_FILE if found is None or self.wants == "accuracy" else found.file

    def notes(self, files: Sequence[str] = ()) -> list[str]:
        """Return the notes on the target and on the artefacts among an export's files."""
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
    """Return a target (ExportError: unknown name)."""
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
    opset: int = setting(OPSET, label="Format", help="18, 20 or 22; older runtimes need a lower number.")

    @classmethod
    def for_target(cls, target: str = DEFAULT_TARGET, *, opset: int | None = None, **artefacts: bool | None) -> Self:
        """Return the options of a target with single changes, checked.

        Args:
            target: Name of the target.
            opset: 18, 20 or 22; None for the target's.
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


def is_made_with(found: ExportResult, options: ExportOptions) -> bool:
    """Return whether an export was made with all artefacts of these options, in their format.

    An artefact that was left out with a reason counts.
    """
    return found.opset == options.opset and set(options.artefacts) <= set(found.artefacts)
