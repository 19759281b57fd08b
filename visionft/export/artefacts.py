"""The files that an export may hold beside `model.onnx`: one table.

A row says when a file is made, how, how it is checked, and what people read of it. The flags of `model export`, the
boxes and the list of files on the Export page, the targets, the model card and the verification are made of the rows: a
further file is one more row.

Torch-free: the rows of the program name their functions, whose modules load torch.
"""

import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from models.messages import Message, choose_one
from visionft.data.types import Split
from visionft.errors import ExportError
from visionft.export.contents import (
    CLASSIFIER_FILE,
    FIXED_MODEL_FILE,
    FLOAT_MODEL_FILE,
    PYTORCH_FOLDER,
    RUNTIME_FOLDER,
    TIMM_FOLDER,
)
from visionft.export.precision.variants import variant_file


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file, or a folder, that an export may hold.

    Attributes:
        name: Its name in the record, and in commands: `model export --NAME` and `--no-NAME`.
        title: Label of its box.
        write: A function of one `visionft.export.exporter.Export`, or its name as `module:function`, which is imported
            when the file is made. It writes into `export.folder`, which has the files that are published already, as
            links: they may be replaced, never written into. It adds what it measured to `export`. All files of the
            folder are listed in the record. Where this run cannot have it, it says so by `export.leave_out(reason)`; an
            `ExportError` stops the export with the files before it.
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
        copied: A function that returns the names of the files that it copies from the installed program, or its name
            as that of `write`; it returns none where this installation lacks them. None where it copies nothing.
    """

    name: str
    title: str
    write: Callable[[Any], None] | str
    about: str = ""
    check: str = ""
    file: str = ""
    purposes: Mapping[str, str] = field(default_factory=dict[str, str])
    targets: tuple[str, ...] = ()
    needs: tuple[Split, ...] = ()
    use: str = ""
    weight: float = 1.0
    tolerance: float = 0.0
    copied: Callable[[], Sequence[str]] | str | None = None

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
        copied = pkgutil.resolve_name(self.copied) if isinstance(self.copied, str) else self.copied
        return () if copied is None else copied()

    @property
    def sentence(self) -> str:
        """Return its title and what it is for, where there is no box to read."""
        return f"{self.title}. {self.about}" if self.about else self.title

    def make(self, export: Any) -> None:
        """Write it into the folder of an export (a `visionft.export.exporter.Export`), as `write` says."""
        write = pkgutil.resolve_name(self.write) if isinstance(self.write, str) else self.write
        write(export)

    def is_among(self, files: Iterable[str]) -> bool:
        """Return whether these files of an export hold it."""
        places = (self.file, *(each for each in self.purposes if each.endswith("/")))
        return bool(self.file) and any(name.startswith(places) for name in files)


# In the order of writing.
_ROWS = (
    Artefact(
        name="fp16",
        title=Message("fp16 variant"),
        write="visionft.export.precision.making:write_fp16",
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
        write="visionft.export.precision.making:write_int8",
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
        write="visionft.export.fixed_size:write_fixed_model",
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
        write="visionft.export.float_model:write_float_model",
        about=Message("For programs that crop, resize and normalise images themselves."),
        check=Message("Compared with PyTorch."),
        file=FLOAT_MODEL_FILE,
        purposes={FLOAT_MODEL_FILE: "the model for images that are already cropped, resized and normalised"},
        use=Message("model_float.onnx takes images that your program has cropped, resized and normalised."),
    ),
    Artefact(
        name="huggingface",
        title=Message("Folder to train it further, for timm"),
        write="visionft.export.bundle.network_folders:write_network_folders",
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
        write="visionft.export.bundle.web_runtime:write_for_page",
        about=Message("ONNX Runtime beside the page (41 MB), so that nothing has to be fetched for it."),
        file=f"{RUNTIME_FOLDER}/",
        purposes={f"{RUNTIME_FOLDER}/": "ONNX Runtime for browsers (MIT)"},
        targets=("web",),
        copied="visionft.export.bundle.web_runtime:runtime_files",
    ),
)
ARTEFACTS: Final = {each.name: each for each in _ROWS}


def artefact_named(name: str) -> Artefact:
    """Return a row by its name, also with `_` for `-` as in Python (ExportError: There is none of this name)."""
    found = ARTEFACTS.get(name.replace("_", "-")) or ARTEFACTS.get(name)
    if found is None:
        raise ExportError(Message("Export option {name} is not known.", name=name), choose_one(ARTEFACTS))
    return found
