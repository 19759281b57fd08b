"""The result of an export: its files and measurements (comparison with PyTorch, latency, samples). Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.data.types import Split
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.timing import Spread
from visionft.export.contents import FLOAT_MODEL_FILE, MODEL_FILE, listed_files, read_record
from visionft.export.precision.variants import Variant, read_variants
from visionft.export.publishing import settle

MAX_ABS_DIFF = 1e-3
MAX_PYTORCH_DIFF = 1e-5  # of a probability of model.pt2 to that of model.onnx
MAX_DISTANCE_DIFF = 1e-2  # in units of the border; finer differences do not matter


@dataclass(frozen=True, kw_only=True)
class Border:
    """The distance above which an image counts as out of distribution.

    Attributes:
        split: Split used to set the border: validation, or training images too, held out one fold at a time.
        share: Share of images of the same kind below the border, so in distribution.
    """

    kind: str
    split: Split
    images: int
    share: float

    @property
    def false_alarms(self) -> tuple[float, float]:
        """Return the 95 % interval of the false-alarm rate on new in-distribution images."""
        return wilson_interval((1 - self.share) * self.images, self.images)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Comparison of the exported file with PyTorch on real validation images, at several batch sizes.

    Attributes:
        max_abs_diff: Largest difference of any probability.
        max_distance_diff: Largest difference of any distance, in units of its border; 0 where the file has none.
        top1_agreement: Share of images with the same top class, between 0 and 1.
    """

    images: int
    max_abs_diff: float
    top1_agreement: float
    batches: tuple[int, ...]
    max_distance_diff: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether the export may be kept."""
        is_near = self.max_abs_diff <= MAX_ABS_DIFF and self.max_distance_diff <= MAX_DISTANCE_DIFF
        return is_near and self.top1_agreement == 1.0


@dataclass(frozen=True, kw_only=True)
class MirrorEffect:
    """Effect of averaging with the mirror image, on validation images; shares of 1.

    Attributes:
        top1: Accuracy of the average (with several labels: every label right); `plain_top1` is that of one orientation.
        difference: 95 % interval of `top1 - plain_top1`, paired.
        changed: Number of images classified differently when mirrored.
    """

    images: int
    top1: float
    plain_top1: float
    difference: tuple[float, float]
    changed: int

    @property
    def is_worse(self) -> bool:
        """Whether the average is less accurate, as where mirroring changes a class."""
        return self.top1 < self.plain_top1


@dataclass(frozen=True, kw_only=True)
class TransformEffect:
    """Effect of timm's own transform in place of the model's preprocessing, on the network in timm's folder.

    Attributes:
        max_abs_diff: Largest difference of any probability.
        changed: Number of images with another top class.
    """

    images: int
    max_abs_diff: float
    changed: int


@dataclass(frozen=True, kw_only=True)
class Latency(Spread):
    """Latency of the file for one decoded image, measured in ONNX Runtime on this computer.

    The size of the image is recorded because resizing is part of the time.
    """

    provider: str
    width: int
    height: int

    @property
    def hardware(self) -> str:
        """Return the hardware for people, such as CPU."""
        return self.provider.removesuffix("ExecutionProvider")


@dataclass(frozen=True, kw_only=True)
class SampleRun:
    """Result of running a sample program in its own process.

    Attributes:
        name: Of its language.
        models: The files of the export run with it; in a record, `output` is that of the first.
        output: Its output for some validation images; empty where it did not complete.
        agrees: Whether it agrees with this program's predictions; None where it did not complete (`why_not`).
    """

    name: str
    models: tuple[str, ...] = ()
    output: str = ""
    agrees: bool | None = None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The model in a form for other runtimes, compared with the file of the export that it was made from.

    Attributes:
        file: Its name; ends with `/` for a folder.
        source: The file that it is compared with.
        images: Number of held-out images compared; 0 where it cannot be run on this computer (`why_not`).
        changed: Number of them with another top class.
        max_abs_diff: Largest difference of any probability.
        scaled_changed: Of a file whose program resizes, `changed` where it does so without antialiasing.
        scaled_max_abs_diff: The same for `max_abs_diff`; None where the file resizes itself.
    """

    file: str
    bytes: int
    source: str
    images: int = 0
    changed: int = 0
    max_abs_diff: float = 0.0
    why_not: str = ""
    scaled_changed: int = 0
    scaled_max_abs_diff: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """The files of an export and their measurements.

    Attributes:
        float_model: The second file, for preprocessed inputs; None where it was not requested.
        border: The border of out-of-distribution images; None where there were too few images.
        remembered: Number of labelled images in the index beside the file, for evidence.
        files: All files beside the record, the model included.
        left_out: Reasons for requested but omitted files, such as the folder for timm.
        large_ms: Preprocessing time of a 12-megapixel image; 0 in the records of earlier versions.
        variants: The smaller files beside it, and rejected ones.
        forms: The files for phones.
        pytorch: The comparison of model.pt2 with model.onnx; None where there is no such file.
        timm_transform: The effect of timm's transform; None where there is no folder for timm.
        mirror: The effect of the average with the mirror image; None where the answers are of one orientation.
        target: Name of the target that it was made for; empty in the records of earlier versions.
        artefacts: Names of the rows of `visionft.export.artefacts` that it was made with, those left out included.
    """

    model: Path
    bytes: int
    sha256: str
    temperature: float
    opset: int
    parity: Parity
    latency: Latency
    float_model: Path | None = None
    border: Border | None = None
    remembered: int = 0
    samples: tuple[SampleRun, ...] = ()
    files: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    forms: tuple[Form, ...] = ()
    large_ms: float = 0.0
    left_out: tuple[str, ...] = ()
    mirror: MirrorEffect | None = None
    pytorch: Parity | None = None
    timm_transform: TransformEffect | None = None
    target: str = ""
    artefacts: tuple[str, ...] = ()


def read_export(folder: Path) -> ExportResult | None:
    """Return the measurements of an earlier export in `folder`; None when there is none, or it cannot be read.

    The record is valid only for its own file: another size means the file was replaced.
    """
    settle(folder)
    model, float_model = folder / MODEL_FILE, folder / FLOAT_MODEL_FILE
    record = read_record(folder)
    try:
        if record is None or model.stat().st_size != record["bytes"]:
            return None
        mirror, pytorch, transform = (record.get(name) for name in ("mirror", "pytorch", "timm_transform"))
        return ExportResult(
            model=model,
            **{name: record[name] for name in ("bytes", "sha256", "temperature", "opset")},
            parity=_parity(record["parity"]),
            pytorch=_parity(pytorch) if pytorch else None,
            timm_transform=TransformEffect(**transform) if transform else None,
            latency=Latency(**record["latency"]),
            float_model=float_model if float_model.is_file() else None,
            border=Border(**record["border"]) if record.get("border") else None,
            remembered=int(record.get("remembered", 0)),
            files=tuple(listed_files(record)),
            samples=tuple(
                SampleRun(name=name, **{**sample, "models": tuple(sample.get("models", ()))})
                for name, sample in record.get("samples", {}).items()
            ),
            variants=read_variants(record, folder),
            forms=tuple(Form(**each) for each in record.get("forms", ())),
            large_ms=float(record.get("large_ms", 0.0)),
            left_out=tuple(map(str, record.get("left_out", ()))),
            target=str(record.get("target", "")),
            artefacts=tuple(map(str, record.get("artefacts", ()))),
            mirror=MirrorEffect(**{**mirror, "difference": tuple(mirror["difference"])}) if mirror else None,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _parity(recorded: Mapping[str, Any]) -> Parity:
    return Parity(**{**recorded, "batches": tuple(recorded["batches"])})
