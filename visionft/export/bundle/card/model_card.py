"""The model card: `README.md` beside an exported model, written from its record alone. Torch-free.

Its content follows Mitchell et al. 2019 (arXiv:1810.03993): the model, its evaluation data, the conditions not tested,
and the people to ask before using it.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from visionft.amounts import size_text
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.export.artefacts import ARTEFACTS
from visionft.export.bundle.card.file_tables import fixed_size, variants
from visionft.export.bundle.card.markdown import SPLIT_TITLES, code, escaped, front_matter, table
from visionft.export.bundle.card.use import use_of
from visionft.export.bundle.sample_programs import SAMPLES
from visionft.export.contents import (
    INDEX_FILE,
    LABELS_FILE,
    LICENCE_FILE,
    MODEL_FILE,
    RECORD_FILE,
    SCRIPT_FILE,
    ListedFile,
)
from visionft.export.export_result import Latency
from visionft.project.image_window import reading_text
from visionft.project.names import count_of
from visionft.training.config.train_config import METHODS_FIELD

CARD_FILE = "README.md"
Record = Mapping[str, Any]

_SETTINGS = ("epochs", "batch_size", "learning_rate", "augmentation", "seed")
_MOST_CLASSES = 60  # in the table
_WEAKEST = 8
_FEW_IMAGES = 10  # with fewer images of a class, its recall is not meaningful
_MOST_FEW = 20
_SOURCES = {"person": "by a person", "import": "imported with the images", "suggestion": "accepted suggestions"}
_PURPOSES = {
    MODEL_FILE: "the model: images in, calibrated probabilities out",
    LABELS_FILE: "the classes, in the order of the model's outputs",
    SCRIPT_FILE: "classifies images with onnxruntime, numpy and Pillow alone",
    LICENCE_FILE: "the licence of the programs in this folder, and what applies to the model",
    INDEX_FILE: "the labelled images used as neighbor evidence",
    **{each.file: f"a program to start with: {each.title}" for each in SAMPLES[1:]},
    **{name: purpose for row in ARTEFACTS.values() for name, purpose in row.purposes.items()},
    "samples/": "part of a sample program",
}


def model_card(record: Record, files: Mapping[str, ListedFile]) -> str:
    """Return the text of the card of an export, from its record and the files beside it, without the card itself."""
    sections = {
        f"# {escaped(record['title'])}": [_summary(record)],
        "## Classes and data": _data(record),
        "## Evaluation": evaluation(record),
        "## Limitations": [_limitations(record)],
        "## Files": _files(record, files),
        "## Use": use_of(record, files),
        "## Training": _training(record),
        "## Licence and origin": _licence(record),
    }
    blocks = [block for heading, section in sections.items() for block in (heading, *section)]
    return "\n\n".join([front_matter(record, files), *filter(None, blocks)]) + "\n"


def _summary(record: Record) -> str:
    steps = record["preprocessing"]
    network = escaped(record["network"]["architecture"])
    amount = "one" if record["task"] == "single" else "any number"
    origin = f"made from {escaped(record['backbone'])} ({network}; method: {escaped(record['method_title'])})"
    if parts := record.get("parts"):
        origin = f"an ensemble of {len(parts)} networks"
    return (
        f"An image classifier that assigns {amount} of {len(record['class_names']):,} classes to each image. It is "
        f"{origin} at {steps['width']} x {steps['height']} pixels, in one ONNX file that takes RGB images of any size: "
        "cropping, resizing and normalising are inside. Exported and verified with VisionFT "
        f"{record['visionft']}; every number below was measured.{_reading(steps)}"
    )


def _reading(steps: Mapping[str, Any]) -> str:
    """Return how files become images, where it is not as they are stored."""
    with suppress(TypeError, ValueError):
        reading = ImageReading.from_dict(steps.get("image_reading", {}))
        if reading != AS_STORED:
            words = escaped(reading_text(reading))
            return (
                f" Files of more than 8 bits or several planes become RGB by one fixed reading: {words} "
                f"{code(SCRIPT_FILE)} does so; another program must do it before the model (metadata: "
                f"{code('preprocessing.image_reading')})."
            )
    return ""


def _data(record: Record) -> Iterable[str]:
    data = record["data"]
    counts, classes = data["images"], data["classes"]
    unlabelled = f"; {data['unlabelled']:,} more have no label." if data["unlabelled"] else "."
    yield (
        f"{counts['train']:,} images for training, {counts['val']:,} for model selection and calibration "
        f"(validation), {counts['test']:,} held out (test){unlabelled}"
    )
    rows = [
        [escaped(name), *(f"{splits[split]:,}" for split in ("train", "val", "test"))]
        for name, splits in list(classes.items())[:_MOST_CLASSES]
    ]
    yield table(["class", "train", "validation", "test"], rows)
    if len(classes) > _MOST_CLASSES:
        yield f"{code(RECORD_FILE)} has the other {len(classes) - _MOST_CLASSES:,} classes."
    labelled_by = data["labelled_by"]
    if sources := [f"{labelled_by[name]:,} {text}" for name, text in _SOURCES.items() if labelled_by.get(name)]:
        yield f"Origin of the project's labels: {', '.join(sources)}."
    found = data["near_duplicates"]
    if found is None:
        yield "The images were not checked for near-duplicates."
    elif not found["groups"]:
        yield f"Among {found['looked_at']:,} images no near-duplicates were found."
    else:
        groups = count_of(found["groups"], "group")
        yield f"Among {found['looked_at']:,} images {found['images']:,} have a near-duplicate ({groups})."


def evaluation(record: Record) -> Iterable[str]:
    """Yield the metrics by split, the leaks, the weakest classes and the most frequent confusions."""
    metrics = record["metrics"]
    measured = {split: metrics[split] for split in SPLIT_TITLES if split in metrics}
    unseen = [split for split, each in measured.items() if each.get("unseen", split == "test")]
    if not measured:
        yield "It was not measured: no labelled image was in validation or test."
        return
    accuracy = "accuracy" if record["task"] == "single" else "every label correct"
    rows: list[list[str]] = []
    for split, each in measured.items():
        mark = "**" if split in unseen else ""
        top1 = f"{mark}{each['top1']:.1%}{mark}"
        figures = [top1, _interval(each["top1_interval"]), f"{each['balanced_accuracy']:.1%}"]
        error = f"{each['ece']:.3f} (was {each['ece_before']:.3f})"
        title = SPLIT_TITLES[split] + ("" if split in unseen else " (used to choose: likely too high)")
        rows.append([title, f"{each['images']:,}", *figures, error])
    header = ["split", "images", accuracy, "95 % interval", "balanced accuracy", "calibration error (before)"]
    yield table(header, rows)
    if unseen:
        yield f"The accuracy to expect of new images like these is that of {SPLIT_TITLES[unseen[0]]}."
        yield "The temperature was fitted on validation, so its calibration error there is slightly optimistic."
    else:
        yield "**It was not measured on unseen images**: those of validation chose the epoch, weights or thresholds."
    leaks = record["data"]["leaks"]
    if leaks is None:
        yield "The splits were not checked for leaks: near-duplicates of test or validation images in training."
    yield from map(_leak, leaks or ())
    split, figures = next(iter(measured.items()))
    yield from _classes(SPLIT_TITLES[split], figures["classes"])
    if figures["confused"]:
        rows = [[escaped(each["true"]), escaped(each["said"]), f"{each['images']:,}"] for each in figures["confused"]]
        yield f"The most frequent confusions on {SPLIT_TITLES[split]}:"
        yield table(["true class", "predicted class", "images"], rows)


def _leak(found: Record) -> str:
    split = SPLIT_TITLES[found["split"]]
    if not found["leaked"]:
        return f"No image of {split} has a near-duplicate or companion among the training images."
    if found["without"] is None:
        return f"**Leaks:** every image of {split} has a near-duplicate or companion among the training images."
    return (
        f"**Leaks:** {found['leaked']:,} of {found['images']:,} images of {split} have a near-duplicate or companion "
        f"among the training images. Without them the accuracy is **{found['without']:.1%}** "
        f"({_interval(found['without_interval'])}, 95 %)."
    )


def _interval(pair: list[float]) -> str:
    return f"{pair[0]:.1%} to {pair[1]:.1%}"


def _classes(split: str, classes: Record) -> Iterable[str]:
    measured = [(name, row) for name, row in classes.items() if row["images"]]
    weakest = sorted(measured, key=lambda item: (item[1]["recall"], -item[1]["images"]))[:_WEAKEST]
    yield f"The weakest classes on {split}:"
    rows: list[list[str]] = []
    for name, row in weakest:
        figures = [f"{row['recall']:.1%}", _interval(row["recall_interval"]), f"{row['precision']:.1%}"]
        rows.append([escaped(name), f"{row['images']:,}", *figures])
    yield table(["class", "images", "recall", "95 % interval", "precision"], rows)
    if missing := _listed((name for name, row in classes.items() if not row["images"]), _WEAKEST):
        yield f"Not measured, without an image in {split}: {missing}. The balanced accuracy is without them."


def _listed(names: Iterable[str], most: int) -> str:
    known = [escaped(name) for name in names]
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def _limitations(record: Record) -> str:
    found: list[str] = []
    if record["task"] == "single":
        found.append("It always predicts one of its classes, also for an image of something else.")
    border = record.get("border")
    if border is None:
        found.append("It does not detect out-of-distribution images: there were too few images to fit that.")
    else:
        source = "validation" if border["split"] == "val" else "held-out training"
        found.append(
            f"It detects out-of-distribution images (a distance above 1, see {code(SCRIPT_FILE)}): the threshold was "
            f"set on {border['images']:,} {source} images, of which {1 - border['share']:.0%} exceed it. Above it, "
            "treat a prediction as a guess."
        )
    found.append(
        "It was measured on images of the same collection as the training images. Other cameras, places, light, "
        "seasons or kinds of image were not tested."
    )
    figures = record["metrics"].get("test") or record["metrics"].get("val") or {"classes": {}}
    few = (name for name, row in figures["classes"].items() if row["images"] < _FEW_IMAGES)
    if names := _listed(few, _MOST_FEW):
        found.append(f"Fewer than {_FEW_IMAGES} images measured these classes, too few for a result: {names}.")
    found.append("It was not tested for decisions about people.")
    return "\n".join(f"- {each}" for each in found)


def _files(record: Record, files: Mapping[str, ListedFile]) -> Iterable[str]:
    rows: list[list[str]] = []
    for name, each in sorted(files.items()):
        inside = (text for folder, text in _PURPOSES.items() if folder.endswith("/") and name.startswith(folder))
        purpose = _PURPOSES.get(name) or next(inside, "")
        rows.append([code(name), size_text(each.bytes), purpose])
    rows.append([code(RECORD_FILE), "", "all content of this card, for programs; size and SHA-256 of every file"])
    yield table(["file", "size", "content"], rows)
    parity = record["parity"]
    latency = Latency(**record["latency"])
    yield (
        f"{code(MODEL_FILE)} was compared with PyTorch on {parity['images']:,} images: the largest difference of a "
        f"probability is {parity['max_abs_diff']:.1e}, {parity['top1_agreement']:.1%} of the top classes agree."
    )
    yield (
        f"One image of {latency.width} x {latency.height} takes {latency.median_ms:.1f} ms (median of "
        f"{latency.runs:,}; {latency.tail_words}) on the author's computer ({latency.hardware})."
    )
    yield from variants(record)
    yield from fixed_size(record)
    yield from (f"Left out: {escaped(reason)}" for reason in record.get("left_out", ()))


def _training(record: Record) -> Iterable[str]:
    training, network = record["training"], record["network"]
    settings = training["settings"]
    arguments = ", ".join(f"{name}={value!r}" for name, value in network.get("model_args", {}).items())
    architecture = f"timm {network['architecture']}" + (f" ({arguments})" if arguments else "")
    facts = {"Method": record["method_title"], "Network": architecture}
    if total := training["parameters"]:
        trained = training["trainable_parameters"]
        facts["Trained"] = f"{trained:,} of {total:,} parameters ({trained / total:.2%})"
    if training["epochs"]:
        facts |= {name.replace("_", " "): str(settings[name]) for name in _SETTINGS}
        if not settings["learning_rate"]:
            facts["learning rate"] = "chosen by the program"
        facts["best epoch"] = str(training["kept_epoch"])
    else:
        facts["Epochs"] = "none: its head has a closed-form solution"
    methods = settings.get(METHODS_FIELD, settings)  # beside the settings in records of version 0.1
    facts |= {name.replace("_", " "): str(value) for name, value in methods.get(record["method"], {}).items()}
    if training["seconds"]:
        facts["Time"] = f"{training['seconds']:,.0f} s on {training['device']}, {training['precision']}"
    yield table(["", ""], [[escaped(name), escaped(value)] for name, value in facts.items()])
    yield f"{code(RECORD_FILE)} has all settings."


def _licence(record: Record) -> Iterable[str]:
    weights = record["weights"]
    yield f"{code(LICENCE_FILE)} is of the programs in this folder (Apache-2.0), not of the model."
    if not weights["file"]:
        yield "It started from random weights: only the licence of its author and of the images applies."
        return
    origin = f" of {escaped(weights['origin'])}" if weights["origin"] else ""
    revision = f", revision {escaped(weights['revision'])}" if weights["revision"] else ""
    yield (
        f"It started from {escaped(weights['file'])}{origin}{revision} (licence **{escaped(weights['licence'])}**, "
        f"SHA-256 {code(escaped(weights['sha256']))}). The model is subject to the licence of these weights, and to "
        "the rights in its training images, which this card does not know."
    )
    for part in record.get("parts", ())[1:]:
        other = part["weights"]
        yield f"Another part started from {escaped(other['file'])} (licence {escaped(other['licence'])})."
    yield from (f"**Before a commercial use:** {escaped(each)}" for each in record["caveats"])
