"""The result of an export: its files and measurements (comparison with PyTorch, latency, variants). Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from visionft.data.types import Split
from visionft.export.contents import MODEL_FILE, finish_publishing, listed_files, read_record
from visionft.training.evaluation.comparison import paired_interval
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.timing import Spread

Precision = Literal["fp16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

# A `wrong` variant is discarded. `too_few`: not enough images to rule out a loss beyond `MAX_POSSIBLE_LOSS`.
Verdict = Literal["recommended", "not_faster", "too_few", "wrong"]
# Images used to evaluate a variant; `held_out` means validation and test.
ComparedSplit = Literal["val", "test", "held_out"]
COMPARED_SPLIT_TITLES: Final[dict[ComparedSplit, str]] = {"val": "validation", "test": "test", "held_out": "held-out"}

# Largest measured loss of accuracy (the point estimate, not the end of its interval). With fewer than 200 images, one
# image is more than this, and an int8 file may lose one: ResNet-18 on sign_digits classifies 94 instead of 95 of 100
# images correctly, with 3 changed predictions.
MAX_LOSS: Final = 0.005
# A variant is recommended only if a larger loss of accuracy is ruled out (95 %). 60 validation images without a changed
# prediction, as in a project of 400, rule out 4.9 points (1 - .05 ** (1 / 60), the rule of three); .03 would need 99
# images. The measured loss of such files on new images (docs/decisions/0054) was .1 points in the mean of 1,100 images,
# and 2 in the worst of 11 files.
MAX_POSSIBLE_LOSS: Final = 0.05
MIN_SPEEDUP: Final = 1.2
# Tolerances at half precision; an integer file is judged by its accuracy.
FP16_MAX_DIFF: Final = 2e-2
FP16_MIN_AGREEMENT: Final = 0.99


def variant_file(precision: Precision) -> str:
    return f"{Path(MODEL_FILE).stem}_{precision}.onnx"


@dataclass(frozen=True, kw_only=True)
class VariantAgreement:
    """Comparison of the predictions of a variant and of `model.onnx` on images of `Variant.split`.

    Attributes:
        top1: Accuracy from 0 to 1 (with several labels: every label correct); `reference_top1` is for `model.onnx`.
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
        """Return the largest loss of accuracy that the images do not rule out (95 %)."""
        return _largest_loss(self.difference, self.images)

    @property
    def missing_images(self) -> int:
        """Return how many more images with unchanged predictions would rule out a loss beyond `MAX_POSSIBLE_LOSS`."""
        lost_images = self.loss * self.images
        fixed, broken, count = (self.flips - lost_images) / 2, (self.flips + lost_images) / 2, self.images
        if self.largest_loss <= MAX_POSSIBLE_LOSS:
            return 0
        while _largest_loss(paired_interval(fixed, broken, count), count) > MAX_POSSIBLE_LOSS:
            count += 1
        return count - self.images


def _largest_loss(difference: tuple[float, float], images: int) -> float:
    """Return the largest loss in the 95 % interval, but at least the exact bound for unchanged predictions.

    The interval is an approximation: without a changed prediction it gives 3.2 points for 60 images, although a loss of
    4.9 points goes unnoticed in one of 20 cases.
    """
    return max(-difference[0], 1 - 0.05 ** (1 / images))


@dataclass(frozen=True, kw_only=True)
class VariantLatency:
    """Latency of a variant and of `model.onnx` for one decoded image, timed alternately; milliseconds.

    Attributes:
        p99_ms: None after too few runs, like `reference_p99_ms`.
        max_ms: None in the records of earlier versions, like `reference_max_ms`.
        times_faster: Speed-up over `model.onnx`: the median ratio of paired runs. On a processor it is at most the
            ratio of the processor times.
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
    """A variant of `model.onnx` in lower precision, also if it was rejected.

    Attributes:
        file: File name; empty if rejected.
        bytes: File size; `reference_bytes` is the size of `model.onnx`.
        temperature: Divisor of the logits, equal to the temperature of `model.onnx`.
        calibrated_on: Number of training images used to calibrate int8; 0 for fp16.
        speed: None if rejected.
        split: Images used for the comparison.
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
    split: ComparedSplit = "val"

    @property
    def is_kept(self) -> bool:
        return self.verdict != "wrong"

    @property
    def has_enough_images(self) -> bool:
        """Whether there were enough images to rule out a loss of accuracy beyond `MAX_POSSIBLE_LOSS`."""
        return self.is_kept and self.answers.largest_loss <= MAX_POSSIBLE_LOSS

    @property
    def is_recommended(self) -> bool:
        """Whether it is recommended in place of `model.onnx` on a computer like this one."""
        return self.verdict == "recommended"


def is_accurate(precision: Precision, answers: VariantAgreement) -> bool:
    if precision == "int8":
        return answers.loss <= max(MAX_LOSS, 1 / answers.images) + 1e-9  # tolerance for float rounding
    max_flips = max(1, round((1 - FP16_MIN_AGREEMENT) * answers.images))
    is_close = answers.max_abs_diff <= FP16_MAX_DIFF and answers.flips <= max_flips
    return is_close and (answers.loss <= MAX_LOSS or answers.flips == 1)  # a single change may be nearly a tie


def judge(precision: Precision, answers: VariantAgreement, speed: VariantLatency | None) -> Verdict:
    """Return the verdict on a variant; `speed` may be None if the variant is inaccurate."""
    if not is_accurate(precision, answers):
        return "wrong"
    if speed is None or speed.times_faster < MIN_SPEEDUP:
        return "not_faster"
    return "too_few" if answers.largest_loss > MAX_POSSIBLE_LOSS else "recommended"


def read_variants(record: Mapping[str, Any], folder: Path) -> tuple[Variant, ...]:
    """Return the rejected variants of a record, and the kept variants with an existing file.

    Other precisions and fields of version 0.2 (a small network, layers in float) are omitted.

    Raises:
        KeyError: The record is invalid, like TypeError and ValueError.
    """
    variants: list[Variant] = []
    names = [field.name for field in fields(Variant)]
    for row in record.get("variants", ()):
        if row["precision"] not in PRECISIONS:
            continue
        row = {name: value for name, value in row.items() if name in names}
        answers = VariantAgreement(**{**row["answers"], "difference": tuple(row["answers"]["difference"])})
        speed = VariantLatency(**row["speed"]) if row["speed"] is not None else None
        variant = Variant(**{**row, "answers": answers, "speed": speed})
        path = folder / variant.file
        if not variant.is_kept or (path.is_file() and path.stat().st_size == variant.bytes):
            variants.append(variant)
    return tuple(variants)


MAX_ABS_DIFF = 1e-3
MAX_DISTANCE_DIFF = 1e-2  # in units of the border; finer differences do not matter


@dataclass(frozen=True, kw_only=True)
class Border:
    """The distance above which an image counts as out of distribution.

    Attributes:
        split: Split used to set the border: `val`; or `train`, where cross-validated training images were added.
        share: Share of in-distribution images below the border.
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
        max_distance_diff: Largest difference of any distance, in units of its border; 0 without distances.
        top1_agreement: Share of images with the same top class, between 0 and 1.
    """

    images: int
    max_abs_diff: float
    top1_agreement: float
    batches: tuple[int, ...]
    max_distance_diff: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether the differences are within rounding, so that the export may be kept."""
        is_close = self.max_abs_diff <= MAX_ABS_DIFF and self.max_distance_diff <= MAX_DISTANCE_DIFF
        return is_close and self.top1_agreement == 1.0


@dataclass(frozen=True, kw_only=True)
class TransformEffect:
    """Effect of resizing images differently from `model.onnx`, for a file that takes resized images.

    Attributes:
        max_abs_diff: Largest difference of any probability.
        changed: Number of images with a different top class.
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
        """Return the hardware to display, such as CPU."""
        return self.provider.removesuffix("ExecutionProvider")


@dataclass(frozen=True, kw_only=True)
class SampleRun:
    """Result of running a sample program in its own process.

    Attributes:
        name: Name of the sample program, such as `python`.
        models: Model files that it was run with; `output` is for the first.
        output: Printed output for some validation images; empty if it failed to run.
        agrees: Whether its predictions equal VisionFT's; None if it failed to run.
        why_not: Reason why it failed to run.
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
        border: The border of out-of-distribution images; None if there were too few images to fit it.
        remembered: Number of labelled images in the retrieval index.
        files: All files of the export except its record.
        variants: The variants in lower precision, including the rejected ones.
        left_out: Reasons for requested but omitted files, such as the folder for timm.
        fixed_size: The effect of scaling without antialiasing before `model_fixed.onnx`; None without this file.
        target: Name of the export target; empty in the records of earlier versions.
        artefacts: Names of the requested rows of `visionft.export.options`, including the omitted ones.
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

    def with_omitted(self, *reasons: str) -> "ExportResult":
        """Return the result with further reasons for omitted files; empty texts are ignored."""
        return replace(self, left_out=(*self.left_out, *filter(None, reasons)))


def read_export(folder: Path) -> ExportResult | None:
    """Return the result of an earlier export in `folder`; None if it is missing or unreadable.

    The record is valid only for its own model file: a different size means that the file was replaced.
    """
    finish_publishing(folder)
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
