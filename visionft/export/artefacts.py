"""The files that an export may hold beside `model.onnx`: one table.

A row says when a file is made, how, how it is checked, and what people read of it. The flags of `model export`, the
boxes and the list of files on the Export page, the targets, the model card and the verification are made of the rows: a
further file is one more row.

Torch-free: modules that load torch are imported when a file is written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from visionft.core.errors import ExportError
from visionft.core.jobs import JobContext
from visionft.core.messages import Message, choose_one
from visionft.data.types import Split
from visionft.export.bundled_files import runtime_files, write_runtime
from visionft.export.contents import (
    CLASSIFIER_FILE,
    FIXED_MODEL_FILE,
    FLOAT_MODEL_FILE,
    PYTORCH_FOLDER,
    RUNTIME_FOLDER,
    TIMM_FOLDER,
)
from visionft.export.export_result import Made
from visionft.export.variants import variant_file

if TYPE_CHECKING:
    from visionft.export.prepared import PreparedRun


def _write_fp16(prepared: "PreparedRun", folder: Path, job: JobContext) -> Made:
    from visionft.export.precision_variants import write_variant

    return write_variant(prepared, folder, "fp16", job=job)


def _write_int8(prepared: "PreparedRun", folder: Path, job: JobContext) -> Made:
    from visionft.export.precision_variants import write_variant

    return write_variant(prepared, folder, "int8", job=job)


def _write_fixed_model(prepared: "PreparedRun", folder: Path, job: JobContext) -> Made:
    from visionft.export.fixed_size import write_fixed_model

    return write_fixed_model(prepared, folder, job)


def _write_float_model(prepared: "PreparedRun", folder: Path, job: JobContext) -> Made:
    from visionft.export.fixed_size import write_float_model

    return write_float_model(prepared, folder)


def _write_network_folders(prepared: "PreparedRun", folder: Path, job: JobContext) -> Made:
    from visionft.export.network_folders import write_network_folders

    return write_network_folders(prepared, folder)


def _write_web_runtime(prepared: "PreparedRun", folder: Path, job: JobContext) -> Made:
    try:
        write_runtime(folder)
    except ExportError as error:
        return Made(left_out=(error.message,))
    return Made()


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file, or a folder, that an export may hold.

    Attributes:
        name: Its name in the record, and in commands: `model export --NAME` and `--no-NAME`.
        title: Label of its box.
        write: Writes the files into a folder and returns its measurements. The folder holds the files that are
            published already, as links: they may be replaced, never written into. All files of the folder are listed
            in the record. `Made.left_out` says why this run cannot have the file; an `ExportError` stops the export
            with the files before it.
        about: What it is for.
        check: How it is compared before it is kept; empty where nothing is computed.
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
    write: "Callable[[PreparedRun, Path, JobContext], Made]"
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
        """Return its title and what it is for, where there is no box to read."""
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
        write=_write_fp16,
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
        write=_write_int8,
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
    """Return a row by its name, also with `_` for `-` as in Python (ExportError: There is none of this name)."""
    found = ARTEFACTS.get(name.replace("_", "-")) or ARTEFACTS.get(name)
    if found is None:
        raise ExportError(Message("Export option {name} is not known.", name=name), choose_one(ARTEFACTS))
    return found
