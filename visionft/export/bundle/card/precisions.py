"""What a card says of the smaller files beside a model, from the record."""

from collections.abc import Mapping
from typing import Any

from visionft.amounts import size_text
from visionft.export.bundle.card.markdown import code, escaped, table
from visionft.export.contents import MODEL_FILE
from visionft.export.precision.processor import EXACT_BYTES

_VERDICTS = {"recommended": "recommended on a computer such as the author's", "wrong": "not kept: it answers otherwise"}


def precisions(record: Mapping[str, Any]) -> str:
    """Return a table of the precisions that were tried; empty where none was asked for."""
    variants = record.get("variants", ())
    if not variants:
        return ""
    first = variants[0]["answers"]
    header = ["file", "size", "accuracy", "loss, 95 % interval", "other answers", "calibration error", "speed", ""]
    rows = [[code(MODEL_FILE), size_text(record["bytes"]), f"{first['reference_top1']:.1%}", "", "", "", "1.0 x", ""]]
    rows += [_row(each) for each in variants]
    said = f"Smaller files, on {first['pictures']:,} validation pictures; take them where their loss does not matter:"
    return f"{said}\n\n{table(header, rows)}"


def _row(variant: Mapping[str, Any]) -> list[str]:
    answers, speed, verdict = variant["answers"], variant["speed"], str(variant["verdict"])
    low, high = (0.0 - each for each in reversed(answers["difference"]))
    said = _VERDICTS.get(verdict, "kept, not recommended")
    if not variant["is_for_any_processor"]:
        said += f"; on x86 without VNNI with {code(EXACT_BYTES[0])} = {EXACT_BYTES[1]}, as the samples set it"
    return [
        code(variant["file"]) if variant["file"] else escaped(str(variant["precision"])),
        size_text(variant["bytes"]),
        f"{answers['top1']:.1%}",
        f"{answers['reference_top1'] - answers['top1']:+.1%} ({low:+.1%} to {high:+.1%})",
        f"{answers['flips']:,}",
        f"{answers['ece']:.3f}",
        f"{speed['times_faster']:.1f} x" if speed else "",
        said,
    ]
