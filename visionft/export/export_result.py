"""The result of an export: its files and measurements (comparison with PyTorch, latency, smaller files). Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from visionft.data.types import Split
from visionft.export.contents import MODEL_FILE, listed_files, read_record, settle
from visionft.training.evaluation.comparison import paired_interval
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.timing import Spread

Precision = Literal["fp16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

# `wrong` is not kept; the others are. Only `recommended` is advised.
Verdict = Literal["recommended", "not_faster", "too_few", "wrong"]
# The images that a variant was compared on; `held_out` are those of validation and test.
Judged = Literal["val", "test", "held_out"]
JUDGED_TITLES: Final[dict[Judged, str]] = {"val": "validation", "test": "test", "held_out": "held-out"}

# Of accuracy, as measured: not a bound of its interval. Of fewer than 200 images one is more than that, and an int8
# file may lose that one: ResNet-18 on sign_digits is right for 94 instead of 95 of 100 images, with 3 changed.
MOST_LOSS: Final = 0.005
# Largest loss that may be possible (95 %) for a recommendation. 60 validation images of a project of 400, none of them
# changed, prove 4.9 points (1 - .05 ** (1 / 60), the rule of three); .03 would need 99. What such a file loses on new
# images was measured (docs/decisions/0054): .1 points in the mean of 1,100 images, 2 in the worst of 11 files.
MOST_DOUBT: Final = 0.05
LEAST_SPEED_UP: Final = 1.2
# Tolerances at half precision; an integer file is judged by its accuracy.
FP16_MAX_DIFF: Final = 2e-2
FP16_LEAST_AGREEMENT: Final = 0.99


def variant_file(precision: Precision) -> str:
    return f"{Path(MODEL_FILE).stem}_{precision}.onnx"


@dataclass(frozen=True, kw_only=True)
class VariantAgreement:
    """Comparison of a variant's predictions with those of `model.onnx` on images of `Variant.split`; shares of 1.

    Attributes:
        top1: Accuracy (with several labels: every label right); `reference_top1` is that of `model.onnx`.
        difference: 95 % interval of `top1 - reference_top1`, paired.
        flips: Number of images with different predictions.
        max_abs_diff: Largest difference of any probability.
        max_distance_diff: Largest difference of any distance, in units of its border; 0 without distances.
    """

    images: int
    top1: float
    reference_top1: float
    difference: tuple[float, float]
    flips: int
    ece: float
    reference_ece: float
    max_abs_diff: float
    max_distance_diff: float

    @property
    def loss(self) -> float:
        """Return the loss of accuracy; negative where the variant is more accurate."""
        return self.reference_top1 - self.top1

    @property
    def largest_loss(self) -> float:
        """Return the largest loss of accuracy that the images leave possible (95 %)."""
        return _largest_loss(self.difference, self.images)

    @property
    def lacking(self) -> int:
        """Return how many more images, none of them changed, would rule out a loss beyond `MOST_DOUBT`."""
        worse = self.loss * self.images
        fixed, broken, count = (self.flips - worse) / 2, (self.flips + worse) / 2, self.images
        if self.largest_loss <= MOST_DOUBT:
            return 0
        while _largest_loss(paired_interval(fixed, broken, count), count) > MOST_DOUBT:
            count += 1
        return count - self.images


def _largest_loss(difference: tuple[float, float], images: int) -> float:
    """Return the end of the interval, but never less than as many images prove of which none changed.

    The interval is near, not exact: without a change it gives 3.2 points for 60 images, where a loss of 4.9 points
    goes unseen once in 20 times.
    """
    return max(-difference[0], 1 - 0.05 ** (1 / images))


@dataclass(frozen=True, kw_only=True)
class VariantLatency:
    """Latency of a variant and of `model.onnx` for one decoded image, timed alternately; milliseconds.

    Attributes:
        p99_ms: None where there were too few runs, like `reference_p99_ms`.
        max_ms: None in the records of earlier versions, like `reference_max_ms`.
        times_faster: Speed-up over `model.onnx`: the median over the pairs, on a processor capped by the ratio of their
            processor times.
    """

    p50_ms: float
    p99_ms: float | None
    reference_p50_ms: float
    reference_p99_ms: float | None
    times_faster: float
    runs: int
    provider: str
    width: int
    height: int
    processor: str
    max_ms: float | None = None
    reference_max_ms: float | None = None

    @property
    def tail(self) -> tuple[int, float]:
        """Return (per cent, milliseconds) of the variant's highest percentile with enough runs, 100 for the maximum."""
        return Spread(median_ms=self.p50_ms, runs=self.runs, p99_ms=self.p99_ms, max_ms=self.max_ms).tail


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant of `model.onnx` in lower precision, or a rejected one.

    Attributes:
        file: Its name; empty for a rejected one.
        bytes: Its size; `reference_bytes` is that of `model.onnx`.
        temperature: Divisor of its logits, fitted on validation like that of `model.onnx`.
        calibrated_on: Number of training images for the ranges of its integers; 0 at half precision.
        speed: None for a rejected one.
        split: The images that it was compared on.
    """

    precision: Precision
    file: str
    bytes: int
    reference_bytes: int
    sha256: str
    answers: VariantAgreement
    temperature: float
    bits: int
    calibrated_on: int = 0
    speed: VariantLatency | None = None
    verdict: Verdict
    split: Judged = "val"

    @property
    def is_kept(self) -> bool:
        return self.verdict != "wrong"

    @property
    def is_sure(self) -> bool:
        """Whether there were enough images to rule out a loss of accuracy beyond `MOST_DOUBT`."""
        return self.is_kept and self.answers.largest_loss <= MOST_DOUBT

    @property
    def is_recommended(self) -> bool:
        """Whether it is recommended in place of `model.onnx` on a computer such as this."""
        return self.verdict == "recommended"


def is_accurate(precision: Precision, answers: VariantAgreement) -> bool:
    if precision == "int8":
        return answers.loss <= max(MOST_LOSS, 1 / answers.images) + 1e-9  # shares of an image are rounded
    flips = max(1, round((1 - FP16_LEAST_AGREEMENT) * answers.images))
    is_alike = answers.max_abs_diff <= FP16_MAX_DIFF and answers.flips <= flips
    return is_alike and (answers.loss <= MOST_LOSS or answers.flips == 1)  # among few images, one may be nearly a tie


def judge(precision: Precision, answers: VariantAgreement, speed: VariantLatency | None) -> Verdict:
    """Return the verdict on a variant; `speed` is not needed for a rejected one."""
    if not is_accurate(precision, answers):
        return "wrong"
    if speed is None or speed.times_faster < LEAST_SPEED_UP:
        return "not_faster"
    return "too_few" if answers.largest_loss > MOST_DOUBT else "recommended"


def read_variants(record: Mapping[str, Any], folder: Path) -> tuple[Variant, ...]:
    """Return the variants of a record: the kept ones with an existing file, and the rejected ones.

    What version 0.2 wrote beside them (a small network, layers in float) is left out.

    Raises:
        KeyError: The record is invalid, like TypeError and ValueError.
    """
    found: list[Variant] = []
    names = [each.name for each in fields(Variant)]
    for row in record.get("variants", ()):
        if row["precision"] not in PRECISIONS:
            continue
        row = {name: value for name, value in row.items() if name in names}
        answers = VariantAgreement(**{**row["answers"], "difference": tuple(row["answers"]["difference"])})
        speed = VariantLatency(**row["speed"]) if row["speed"] is not None else None
        variant = Variant(**{**row, "answers": answers, "speed": speed})
        path = folder / variant.file
        if not variant.is_kept or (path.is_file() and path.stat().st_size == variant.bytes):
            found.append(variant)
    return tuple(found)


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
        artefacts: Names of the rows of `visionft.export.options` that it was made with, those left out included.
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

    def left_out_with(self, *reasons: str) -> "ExportResult":
        """Return the result with further reasons for omitted files; an empty text is none."""
        return replace(self, left_out=(*self.left_out, *filter(None, reasons)))


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
