"""The model card: `README.md` beside an exported model, written from its record alone. Torch-free.

What a card should say follows Mitchell et al. 2019 (arXiv:1810.03993): what it is, on what it was measured, what it was
not tested on, and who must be asked before it is used.
"""

from collections.abc import Mapping
from typing import Any

from visionft.export.bundle.card import results, usage
from visionft.export.bundle.card.front_matter import front_matter
from visionft.export.bundle.card.markdown import code, escaped, table
from visionft.export.contents import RECORD_FILE, ListedFile
from visionft.project.names import count_of

CARD_FILE = "README.md"
_SETTINGS = ("epochs", "batch_size", "learning_rate", "weight_decay", "augmentation", "label_smoothing", "seed")
_MANY = 60  # classes from which on the table is cut


def model_card(record: Mapping[str, Any], files: Mapping[str, ListedFile]) -> str:
    """Return the card.

    Args:
        record: What `export.json` holds.
        files: What lies beside it, but for the card itself.
    """
    parts = [
        front_matter(record, files),
        f"# {escaped(record['title'])}",
        _what_it_is(record),
        "## Classes and data",
        _data(record),
        "## What it is worth",
        results.worth(record),
        "## Limits",
        results.limits(record),
        "## The files",
        usage.files(record, files),
        "## How to use it",
        usage.how_to_use(record, files),
        "## How it was trained",
        _training(record),
        "## Licence and origin",
        _licence(record),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what_it_is(record: Mapping[str, Any]) -> str:
    size = record["preprocessing"]["size"]
    network = escaped(record["network"]["architecture"])
    amount = "one" if record["task"] == "single" else "any number"
    made = f"made from {escaped(record['backbone'])} ({network}; method: {escaped(record['method_title'])})"
    if parts := record.get("parts"):
        made = f"{len(parts)} networks that answer as one"
    return (
        f"A picture classifier that gives each picture {amount} of {len(record['class_names']):,} classes. It is "
        f"{made} at {size} x {size} pixels, in one ONNX file that takes RGB pictures of any size: cropping, resizing "
        f"and normalising are inside. Made and checked with VisionFT {record['visionft']}; every number below was "
        "measured."
    )


def _data(record: Mapping[str, Any]) -> str:
    data = record["data"]
    counts = data["pictures"]
    rows = [
        [escaped(name), *(f"{splits[split]:,}" for split in ("train", "val", "test"))]
        for name, splits in list(data["classes"].items())[:_MANY]
    ]
    said = [
        f"{counts['train']:,} pictures to learn from, {counts['val']:,} to choose and calibrate by (validation), "
        f"{counts['test']:,} kept apart (test)"
        + (f"; {data['unlabelled']:,} more have no label." if data["unlabelled"] else "."),
        table(["class", "train", "validation", "test"], rows),
    ]
    if len(data["classes"]) > _MANY:
        said.append(f"The other {len(data['classes']) - _MANY:,} classes stand in {code(RECORD_FILE)}.")
    said.append(_labelled_by(data["labelled_by"]))
    said += [f"- {escaped(each['sentence'])}" for each in record["label_certificates"]]
    return "\n\n".join(each for each in [*said, _doubles(data["near_duplicates"])] if each)


def _labelled_by(counts: Mapping[str, int]) -> str:
    words = {"person": "by a person", "import": "imported with the pictures", "suggestion": "accepted suggestions"}
    said = [f"{counts[source]:,} {text}" for source, text in words.items() if counts.get(source)]
    return f"Where the project's labels come from: {', '.join(said)}." if said else ""


def _doubles(found: Mapping[str, int] | None) -> str:
    if found is None:
        return "Nobody looked for near-duplicates among the pictures."
    if not found["groups"]:
        return f"Among {found['looked_at']:,} pictures no near-duplicates were found."
    return (
        f"Among {found['looked_at']:,} pictures {found['pictures']:,} have a near-duplicate "
        f"({count_of(found['groups'], 'group')})."
    )


def _training(record: Mapping[str, Any]) -> str:
    training = record["training"]
    settings = training["settings"]
    facts = [("Method", record["method_title"]), ("Network", _network(record))]
    if total := training["parameters"]:
        learnt = training["trainable_parameters"]
        facts.append(("Learnt", f"{learnt:,} of {total:,} parameters ({learnt / total:.2%})"))
    if training["epochs"]:
        facts += [(name.replace("_", " "), _value(name, settings[name])) for name in _SETTINGS]
        facts.append(("kept epoch", str(training["kept_epoch"])))
    else:
        facts.append(("Epochs", "none: its head was solved for at once"))
    facts += [(name.replace("_", " "), str(value)) for name, value in settings.get(record["method"], {}).items()]
    if training["seconds"]:
        facts.append(("Took", f"{training['seconds']:,.0f} s on {training['device']}, {training['precision']}"))
    rows = [[escaped(name), escaped(value)] for name, value in facts]
    return f"{table(['', ''], rows)}\n\nAll settings stand in {code(RECORD_FILE)}."


def _value(name: str, value: Any) -> str:
    return "chosen by the program" if name == "learning_rate" and not value else str(value)


def _network(record: Mapping[str, Any]) -> str:
    network = record["network"]
    arguments = ", ".join(f"{name}={value!r}" for name, value in network.get("model_args", {}).items())
    return f"timm {network['architecture']}" + (f" ({arguments})" if arguments else "")


def _licence(record: Mapping[str, Any]) -> str:
    weights = record["weights"]
    if not weights["file"]:
        return "It started from random weights: no licence but that of its author and of the pictures applies."
    origin = f" of {escaped(weights['origin'])}" if weights["origin"] else ""
    revision = f", revision {escaped(weights['revision'])}" if weights["revision"] else ""
    said = [
        f"It started from {escaped(weights['file'])}{origin}{revision} (licence **{escaped(weights['licence'])}**, "
        f"SHA-256 {code(escaped(weights['sha256']))}). What is made of such weights is subject to their licence, and "
        "to the rights in the pictures that it learned from, of which this card knows nothing."
    ]
    for part in record.get("parts", ())[1:]:
        other = part["weights"]
        said.append(f"Another part started from {escaped(other['file'])} (licence {escaped(other['licence'])}).")
    said += [f"**Before a commercial use:** {escaped(each)}" for each in record["caveats"]]
    return "\n\n".join(said)
