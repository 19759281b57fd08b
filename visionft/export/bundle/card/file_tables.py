"""Tables of the model card on the files beside the model: smaller variants, and that of a fixed size. Torch-free."""

from collections.abc import Iterable, Mapping
from typing import Any

from visionft.amounts import size_text
from visionft.export.bundle.card.markdown import code, escaped, table
from visionft.export.contents import FIXED_MODEL_FILE, MODEL_FILE
from visionft.export.precision.variants import JUDGED_TITLES, MOST_DOUBT, VariantAgreement
from visionft.project.names import count_of

Record = Mapping[str, Any]


def variants(record: Record) -> Iterable[str]:
    rows = record.get("variants", ())
    if not rows:
        return
    first = rows[0]["answers"]
    judged = JUDGED_TITLES[rows[0].get("split", "val")]
    yield f"Variants, measured on {first['images']:,} {judged} images; use one where its loss does not matter:"
    header = ["file", "size", "accuracy", "loss, 95 % interval", "changed", "calibration error", "speed", ""]
    own = [code(MODEL_FILE), size_text(record["bytes"]), f"{first['reference_top1']:.1%}", "", "", "", "1.0 x", ""]
    yield table(header, [own, *map(_variant, rows)])


def fixed_size(record: Record) -> Iterable[str]:
    """Yield the effect of another resize than that of the model, for the file of a fixed size."""
    if effect := record.get("fixed_size"):
        yield (
            f"{code(FIXED_MODEL_FILE)} takes images that the program crops and resizes. Where it scales without "
            f"antialiasing (Android's {code('createScaledBitmap')}, OpenCV's {code('resize')}), probabilities differ "
            f"by up to **{effect['max_abs_diff']:.3f}** from those of {code(MODEL_FILE)}, and {effect['changed']:,} of "
            f"{effect['images']:,} held-out images get another class."
        )


def _verdict(verdict: str, measured: Record) -> str:
    """Return the verdict on a variant, with what its images prove or what is lacking."""
    if verdict == "wrong":
        return "not kept: too many different predictions"
    answers = VariantAgreement(**{**measured, "difference": tuple(measured["difference"])})
    if answers.lacking:
        more = count_of(answers.lacking, "more held-out image")
        return (
            f"kept, not recommended: {answers.images:,} images do not rule out a loss of {MOST_DOUBT:.0%}; {more} "
            "without a change would"
        )
    proof = f"a loss of more than {answers.largest_loss:.1%} is ruled out (95 %)"
    if verdict == "recommended":
        return f"recommended on a computer such as the author's: {proof}"
    return f"recommended where its size counts: {proof}; not faster on the author's computer"


def _variant(variant: Record) -> list[str]:
    measured, speed = variant["answers"], variant["speed"]
    low, high = (0.0 - each for each in reversed(measured["difference"]))
    verdict = _verdict(str(variant["verdict"]), measured)
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
