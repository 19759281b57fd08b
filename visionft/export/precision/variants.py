"""What a smaller file beside `model.onnx` was measured to be. Torch-free, so that screens and reports can read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from visionft.evaluation.timing import Spread
from visionft.export.contents import MODEL_FILE

Precision = Literal["fp16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

# `wrong`: it is not kept. The others are; `recommended` alone is advised.
Verdict = Literal["recommended", "not_faster", "too_few", "wrong"]

MOST_LOSS: Final = 0.005  # of accuracy on validation pictures; what is measured is the whole of it or nothing
MOST_DOUBT: Final = 0.03  # the loss that validation pictures cannot rule out, of what is recommended
LEAST_SPEED_UP: Final = 1.2
LEAST_SHRINKING: Final = 0.7  # of the size, for one that is no slower
# How a file at half precision may differ; one of whole numbers is judged by what it gets right.
FP16_MAX_DIFF: Final = 2e-2
FP16_LEAST_AGREEMENT: Final = 0.99


def variant_file(precision: Precision) -> str:
    """Return the name of a variant's file."""
    return f"{Path(MODEL_FILE).stem}_{precision}.onnx"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How a variant's answers compare with those of `model.onnx` on validation pictures; shares of 1.

    Attributes:
        pictures: How many were asked.
        top1: Right pictures (several labels: those with every label right); `reference_top1` those of `model.onnx`.
        difference: 95 % interval of `top1 - reference_top1`, paired.
        flips: Pictures of which the two say something else.
        ece: Expected calibration error; `reference_ece` that of `model.onnx`.
        max_abs_diff: Largest difference of any probability.
        max_distance_diff: Largest difference of any distance, in units of its border; 0 where the files tell none.
    """

    pictures: int
    top1: float
    reference_top1: float
    difference: tuple[float, float]
    flips: int
    ece: float
    reference_ece: float
    max_abs_diff: float
    max_distance_diff: float

    @property
    def agreement(self) -> float:
        """Return the share of pictures of which both say the same."""
        return 1 - self.flips / self.pictures

    @property
    def loss(self) -> float:
        """Return by how much it is right more rarely; below 0 where it is right more often."""
        return self.reference_top1 - self.top1


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How long a variant takes for one decoded picture beside `model.onnx`, both asked in turn; milliseconds.

    Attributes:
        p99_ms: None where there were too few runs to tell (`visionft.evaluation.timing.runs_for`), as is
            `reference_p99_ms`.
        max_ms: The slowest, as is `reference_max_ms`; None in the records of earlier versions.
        times_faster: How often it answers while `model.onnx` answers once: the median over the pairs, and on a
            processor no more than what the two take of its time says.
        runs: Of each.
        provider: ONNX Runtime's, which ran both.
        width: Of the picture in pixels, as is `height`.
        processor: What ran them, as its maker calls it.
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
        """Return within what the most runs ended that these tell of, as `visionft.evaluation.timing.Spread` does."""
        return Spread(median_ms=self.p50_ms, runs=self.runs, p99_ms=self.p99_ms, max_ms=self.max_ms).tail


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A smaller file beside `model.onnx`, or one that was tried and not kept.

    Attributes:
        file: Its name; there is none of one that was not kept.
        bytes: Its size; `reference_bytes` that of `model.onnx`.
        temperature: What its logits are divided by, fitted on validation as `model.onnx`'s is.
        bits: Of a weight.
        calibrated_on: Training pictures that the ranges of its whole numbers come from; 0 at half precision.
        in_float: Layers that stay as they are, because the answers got worse without.
        is_for_any_processor: Whether it answers alike on processors that add up small products in 16 bits (x86 without
            VNNI); else programs have to ask for exactness there (`visionft.export.precision.processor.EXACT_BYTES`), as
            this one and the samples do.
        speed: None of one that was not kept.
    """

    precision: Precision
    file: str
    bytes: int
    reference_bytes: int
    sha256: str
    answers: Answers
    temperature: float
    bits: int
    calibrated_on: int = 0
    in_float: tuple[str, ...] = ()
    is_for_any_processor: bool = True
    speed: Speed | None = None
    verdict: Verdict

    @property
    def is_kept(self) -> bool:
        """Tell whether the file is there."""
        return self.verdict != "wrong"

    @property
    def is_recommended(self) -> bool:
        """Tell whether it is advised in place of `model.onnx` on a computer such as this."""
        return self.verdict == "recommended"


def is_right(precision: Precision, answers: Answers) -> bool:
    """Tell whether a variant answers well enough to be kept."""
    if precision == "int8":
        return answers.loss <= MOST_LOSS
    flips = max(1, round((1 - FP16_LEAST_AGREEMENT) * answers.pictures))
    is_alike = answers.max_abs_diff <= FP16_MAX_DIFF and answers.flips <= flips
    return is_alike and (answers.loss <= MOST_LOSS or answers.flips == 1)  # one of few may be all but a tie


def judge(precision: Precision, answers: Answers, speed: Speed | None) -> Verdict:
    """Return what is thought of a variant; `speed` is not needed of one that answers wrongly."""
    if not is_right(precision, answers):
        return "wrong"
    if speed is None or speed.times_faster < LEAST_SPEED_UP:
        return "not_faster"
    return "too_few" if -answers.difference[0] > MOST_DOUBT else "recommended"


def recorded_precisions(record: Mapping[str, Any]) -> dict[str, str]:
    """Return {file: precision} of the smaller files in a record; of nonsense nothing."""
    said = record.get("variants")
    rows = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    return {str(each.get("file")): str(each.get("precision")) for each in rows}


def read_variants(record: Mapping[str, Any], folder: Path) -> tuple[Variant, ...]:
    """Return what a record says of the variants: those whose files are there, and those that were not kept.

    Raises:
        KeyError: It is no such record, as are TypeError and ValueError.
    """
    found = [_read(said) for said in record.get("variants", ())]
    return tuple(each for each in found if not each.is_kept or _is_there(folder / each.file, each.bytes))


def _read(said: Mapping[str, Any]) -> Variant:
    answers = Answers(**{**said["answers"], "difference": tuple(said["answers"]["difference"])})
    speed = Speed(**said["speed"]) if said["speed"] is not None else None
    return Variant(**{**said, "answers": answers, "speed": speed, "in_float": tuple(said["in_float"])})


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
