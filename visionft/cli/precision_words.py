"""How the command line tells of the smaller files beside an exported model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from visionft.amounts import size_text
from visionft.export.precision.variants import LEAST_SPEED_UP, MOST_DOUBT, MOST_LOSS, PRECISIONS, Precision
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.export.precision.variants import Speed, Variant

ALL = "all"
_HEAD = ("file", "size", "top-1", "against fp32", "others", "ECE", "time", "slowest", "faster")


def precisions_of(names: Sequence[str]) -> tuple[Precision, ...]:
    """Return the precisions that were asked for, each once; unknown ones too, for the export to refuse."""
    wanted = PRECISIONS if ALL in names else names
    return tuple(dict.fromkeys(wanted))  # type: ignore[arg-type]


def variants_text(variants: "Sequence[Variant]") -> str:
    """Return a table of the smaller files, and below it what is thought of each; nothing where there are none."""
    if not variants:
        return ""
    rows = [_HEAD, *map(_row, variants)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    pictures = count_of(variants[0].answers.pictures, "validation picture")
    return "\n".join([f"Smaller files, judged on {pictures}:", *lines, *map(_sentence, variants)]) + "\n"


def _row(variant: "Variant") -> tuple[str, ...]:
    answers, speed = variant.answers, variant.speed
    low, high = answers.difference
    timed = ("", "", "")
    if speed is not None:
        timed = (f"{speed.p50_ms:.1f} ms", _slow(speed), f"{speed.times_faster:.2f} x")
    return (
        variant.file or f"({variant.precision})",
        size_text(variant.bytes),
        f"{answers.top1:.1%}",
        f"{answers.top1 - answers.reference_top1:+.1%} ({low:+.1%} to {high:+.1%})",
        str(answers.flips),
        f"{answers.ece:.3f}",
        *timed,
    )


def _slow(speed: "Speed") -> str:
    per_cent, found = speed.tail
    return f"{per_cent} % in {found:.1f} ms" if per_cent < 100 else f"{found:.1f} ms of {speed.runs:,}"


def _sentence(variant: "Variant") -> str:
    answers, name = variant.answers, variant.precision
    words = {
        "recommended": f"{name} is recommended on a processor such as this.",
        "not_faster": f"{name} is smaller and answers alike; it is not {LEAST_SPEED_UP} times as fast here.",
        "too_few": f"{name} lost nothing that was seen, but {count_of(answers.pictures, 'picture')} cannot rule out a "
        f"loss of {MOST_DOUBT:.0%}.",
        "wrong": f"{name} was not kept: {_fault(variant)}. model.onnx is as it was.",
    }
    parts = [words[variant.verdict]]
    if variant.in_float:
        parts.append(f"In float stay: {', '.join(variant.in_float)}.")
    if variant.is_kept and not variant.is_for_any_processor:
        parts.append(
            "On x86 without VNNI it is exact here and in the samples; programs of your own set "
            "session.x64quantprecision to 1."
        )
    return " ".join(parts)


def _fault(variant: "Variant") -> str:
    answers = variant.answers
    if variant.precision == "int8":
        return f"it is right in {answers.loss:.1%} fewer pictures, and {MOST_LOSS:.1%} are allowed"
    return f"{answers.flips} answers are others, and probabilities differ by up to {answers.max_abs_diff:.2f}"
