"""The result of an export: its files and measurements (comparison with PyTorch, latency, samples). Torch-free."""

from dataclasses import dataclass, replace
from pathlib import Path

from visionft.data.types import Split
from visionft.export.contents import MODEL_FILE, listed_files, read_record
from visionft.export.publishing import settle
from visionft.export.variants import Variant, read_variants
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.timing import Spread

MAX_ABS_DIFF = 1e-3
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
class TransformEffect:
    """Effect of preparing images in another way than `model.onnx` does, for a file that takes prepared images.

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
class Made:
    """What a row of `visionft.export.artefacts` adds to the result of an export, beside its files.

    Attributes:
        variant: The smaller file, or the rejected one.
        fixed_size: The measurement of `model_fixed.onnx`.
        left_out: Reasons for omitted files.
    """

    variant: Variant | None = None
    fixed_size: TransformEffect | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """The files of an export and their measurements.

    Attributes:
        border: The border of out-of-distribution images; None where there were too few images.
        remembered: Number of labelled images in the index beside the file, for evidence.
        files: All files beside the record, the model included.
        left_out: Reasons for requested but omitted files, such as the folder for timm.
        variants: The smaller files beside it, and rejected ones.
        fixed_size: The effect of scaling without antialiasing before model_fixed.onnx; None without that file.
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
    border: Border | None = None
    remembered: int = 0
    samples: tuple[SampleRun, ...] = ()
    files: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    left_out: tuple[str, ...] = ()
    fixed_size: TransformEffect | None = None
    target: str = ""
    artefacts: tuple[str, ...] = ()

    def with_made(self, name: str, made: Made) -> "ExportResult":
        """Return the result with one more artefact of this name."""
        return replace(
            self,
            artefacts=(*self.artefacts, name),
            variants=self.variants if made.variant is None else (*self.variants, made.variant),
            fixed_size=made.fixed_size or self.fixed_size,
            left_out=(*self.left_out, *made.left_out),
        )


def read_export(folder: Path) -> ExportResult | None:
    """Return the measurements of an earlier export in `folder`; None when there is none, or it cannot be read.

    The record is valid only for its own file: another size means the file was replaced.
    """
    settle(folder)
    model = folder / MODEL_FILE
    record = read_record(folder)
    try:
        if record is None or model.stat().st_size != record["bytes"]:
            return None
        parity, fixed_size = record["parity"], record.get("fixed_size")
        return ExportResult(
            model=model,
            **{name: record[name] for name in ("bytes", "sha256", "temperature", "opset")},
            parity=Parity(**{**parity, "batches": tuple(parity["batches"])}),
            latency=Latency(**record["latency"]),
            border=Border(**record["border"]) if record.get("border") else None,
            remembered=int(record.get("remembered", 0)),
            files=tuple(listed_files(record)),
            samples=tuple(
                SampleRun(name=name, **{**sample, "models": tuple(sample.get("models", ()))})
                for name, sample in record.get("samples", {}).items()
            ),
            variants=read_variants(record, folder),
            left_out=tuple(map(str, record.get("left_out", ()))),
            target=str(record.get("target", "")),
            artefacts=tuple(map(str, record.get("artefacts", ()))),
            fixed_size=TransformEffect(**fixed_size) if fixed_size else None,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
