"""What a card says of a model's worth and of its limits, from the record."""

from collections.abc import Mapping
from typing import Any

from visionft.export.bundle.card.markdown import code, escaped, table
from visionft.export.contents import SCRIPT_FILE

_TITLES = {"test": "test", "val": "validation"}
_FEW = 10  # pictures of a class below which its recall says next to nothing
_WEAKEST = 8


def worth(record: Mapping[str, Any]) -> str:
    """Return its figures on the splits that it was measured on, its weakest classes and most frequent mistakes."""
    metrics: Mapping[str, Any] = record["metrics"]
    measured = [(split, metrics[split]) for split in _TITLES if split in metrics]
    if not measured:
        return "It was not measured: no labelled picture was kept for validation or test."
    several = record["task"] != "single"
    names = ["pictures", "every label right" if several else "accuracy", "95 % interval", "mean recall of the classes"]
    rows = [
        [
            _TITLES[split],
            f"{each['pictures']:,}",
            f"**{each['top1']:.1%}**",
            _interval(each["top1_interval"]),
            f"{each['balanced_accuracy']:.1%}",
            f"{each['ece']:.3f} (was {each['ece_before']:.3f})",
        ]
        for split, each in measured
    ]
    said = [table(["split", *names, "calibration error (before)"], rows)]
    said.append(
        "Validation decided what was kept and set the temperature, so its figures are a little too good"
        + ("; test had no part in training." if "test" in metrics else ", and it was not measured on test pictures.")
    )
    said += [_honest(each) for each in record["data"]["leaks"] or ()]
    if record["data"]["leaks"] is None:
        said.append("Nobody looked for leaks: pictures of test or validation that also lie, nearly alike, in training.")
    split, figures = measured[0]
    return "\n\n".join([*said, _classes(split, figures), _confused(split, figures["confused"])])


def _interval(pair: list[float]) -> str:
    return f"{pair[0]:.1%} to {pair[1]:.1%}"


def _honest(each: Mapping[str, Any]) -> str:
    split = _TITLES[each["split"]]
    if not each["leaked"]:
        return f"No picture of {split} has a near-double or companion among the training pictures."
    if each["without"] is None:
        return f"**Leaks:** every picture of {split} has a partner among the training pictures."
    return (
        f"**Leaks:** {each['leaked']:,} of {each['images']:,} pictures of {split} have a near-double or companion "
        f"among the training pictures. Without them it is right in **{each['without']:.1%}** "
        f"({_interval(each['without_interval'])}, 95 %)."
    )


def _classes(split: str, figures: Mapping[str, Any]) -> str:
    rows = sorted(figures["classes"].items(), key=lambda item: (item[1]["recall"], -item[1]["pictures"]))
    shown = [(name, row) for name, row in rows if row["pictures"]][:_WEAKEST]
    cells = [
        [
            escaped(name),
            f"{row['pictures']:,}",
            f"{row['recall']:.1%}",
            _interval(row["recall_interval"]),
            f"{row['precision']:.1%}",
        ]
        for name, row in shown
    ]
    return f"The weakest classes on {_TITLES[split]}:\n\n" + table(
        ["class", "pictures", "recall", "95 % interval", "precision"], cells
    )


def _confused(split: str, pairs: list[Mapping[str, Any]]) -> str:
    if not pairs:
        return ""
    rows = [[escaped(pair["true"]), escaped(pair["said"]), f"{pair['pictures']:,}"] for pair in pairs]
    return f"The most frequent mistakes on {_TITLES[split]}:\n\n" + table(["true class", "answered", "pictures"], rows)


def limits(record: Mapping[str, Any]) -> str:
    """Return what it cannot do and was not tested on."""
    said: list[str] = []
    if record["task"] == "single":
        said.append("It always answers with one of its classes, also for a picture of something else.")
    said.append(_border(record.get("border")))
    said.append(
        "It was measured on pictures of the same collection as those it learned from. Other cameras, places, light, "
        "seasons or kinds of picture were not tested."
    )
    if few := _rarely_measured(record["metrics"]):
        said.append(f"Of these classes fewer than {_FEW} pictures measured it, which says next to nothing: {few}.")
    said.append("Nobody tested it for decisions about people.")
    return "\n".join(f"- {each}" for each in said)


def _border(border: Mapping[str, Any] | None) -> str:
    if border is None:
        return "It cannot tell which pictures are unlike those it learned from: there were too few."
    source = "validation" if border["split"] == "val" else "held-out training"
    return (
        f"It can tell which pictures are unlike those it learned from (a distance above 1, see {code(SCRIPT_FILE)}): "
        f"the border was drawn on {border['pictures']:,} {source} pictures, of which {1 - border['share']:.0%} lie "
        "beyond it. Beyond it, take an answer as a guess."
    )


def _rarely_measured(metrics: Mapping[str, Any]) -> str:
    figures = metrics.get("test") or metrics.get("val")
    if figures is None:
        return ""
    names = [name for name, row in figures["classes"].items() if row["pictures"] < _FEW]
    shown = ", ".join(escaped(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
