"""Tables of the model card on the files beside the model: smaller variants, and the files for phones. Torch-free."""

from collections.abc import Iterable, Mapping
from typing import Any

from visionft.amounts import size_text
from visionft.export.bundle.card.markdown import SPLIT_TITLES, code, escaped, table
from visionft.export.contents import MODEL_FILE

Record = Mapping[str, Any]
_VERDICTS = {
    "recommended": "recommended on a computer such as the author's",
    "wrong": "not kept: too many different predictions",
}


def variants(record: Record) -> Iterable[str]:
    rows = record.get("variants", ())
    if not rows:
        return
    first = rows[0]["answers"]
    yield f"Variants, measured on {first['images']:,} validation images; use one where its loss does not matter:"
    header = ["file", "size", "accuracy", "loss, 95 % interval", "changed", "calibration error", "speed", ""]
    own = [code(MODEL_FILE), size_text(record["bytes"]), f"{first['reference_top1']:.1%}", "", "", "", "1.0 x", ""]
    yield table(header, [own, *map(_variant, rows)])


def forms(record: Record) -> Iterable[str]:
    """Yield the comparison of the files for phones."""
    rows: list[list[str]] = []
    for each in record.get("forms", ()):
        compared = [f"{each['images']:,}", f"{each['changed']:,}", f"{each['max_abs_diff']:.1e}"]
        compared = compared if each["images"] else ["", "", escaped(each["why_not"])]
        rows.append([code(each["file"]), size_text(each["bytes"]), code(each["source"]), *compared])
    if rows:
        yield "Files for phones, each compared with the file that it was made from, on validation images:"
        yield table(["file", "size", "made from", "images", "other class", "largest difference"], rows)


def _variant(variant: Record) -> list[str]:
    measured, speed = variant["answers"], variant["speed"]
    low, high = (0.0 - each for each in reversed(measured["difference"]))
    verdict = _VERDICTS.get(str(variant["verdict"]), "kept, not recommended")
    if variant["precision"] == "distilled":
        verdict += (
            f"; another network (Starter ResNet), which learned the predictions of {variant['learned_from']:,} images; "
            f"measured beside {code(MODEL_FILE)} on {measured['images']:,} {SPLIT_TITLES[variant['split']]} images"
        )
    return [
        code(variant["file"]) if variant["file"] else escaped(str(variant["precision"])),
        size_text(variant["bytes"]),
        f"{measured['top1']:.1%}",
        f"{measured['reference_top1'] - measured['top1']:+.1%} ({low:+.1%} to {high:+.1%})",
        f"{measured['flips']:,}",
        f"{measured['ece']:.3f}",
        f"{speed['times_faster']:.1f} x" if speed else "",
        verdict,
    ]
