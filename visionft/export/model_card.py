"""The model card: `README.md` beside an exported model, written from its record alone. Torch-free.

Its content follows Mitchell et al. 2019 (arXiv:1810.03993): the model, its evaluation data, the conditions not tested,
and the people to ask before using it. Names of classes and runs are untrusted text: they cannot become markup, links or
YAML keys. In CommonMark a backslash before any ASCII punctuation makes it literal (spec 0.31, 2.4).
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from visionft.core.amounts import size_text
from visionft.core.foreign_text import printable
from visionft.core.names import count_of
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.export.contents import (
    CLASSIFIER_FILE,
    FIXED_MODEL_FILE,
    INDEX_FILE,
    LABELS_FILE,
    LICENCE_FILE,
    MODEL_FILE,
    PYTORCH_FOLDER,
    RECORD_FILE,
    SCRIPT_FILE,
    TIMM_FOLDER,
    FileEntry,
)
from visionft.export.export_result import COMPARED_SPLIT_TITLES, MAX_POSSIBLE_LOSS, Latency, VariantAgreement
from visionft.export.options import ARTEFACTS
from visionft.export.sample_programs import PYTHON, SAMPLES
from visionft.project.image_window import reading_text
from visionft.training.config.train_config import METHODS_FIELD

# Inline markup, including that of GitHub and the hub: emphasis, code, links, HTML, entities, tables, formulas,
# mentions, references and emoji.
_MEANT = re.compile(r"[\\`*_\[\]<>&|~$@#:!{}^]")
_BARE_LINK = re.compile(r"(?i)\b(www)\.")


def escaped(text: str) -> str:
    """Return a text escaped as literal Markdown on one line, for table cells and sentences."""
    line = " ".join(printable(text).split())
    return _BARE_LINK.sub(r"\1\\.", _MEANT.sub(r"\\\g<0>", line))


def code(text: str) -> str:
    """Return a trusted text as inline code."""
    return f"`{text}`"


def fenced(text: str, language: str = "") -> str:
    """Return a trusted text as a code block."""
    return f"```{language}\n{text.strip()}\n```"


def quoted(text: str) -> str:
    """Return a text as a YAML scalar in double quotes; without unprintable characters it equals JSON."""
    return json.dumps(printable(text), ensure_ascii=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of cells that are already Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# The hub's names of common licences of weights; any other is `other` with its own name.
_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "BSD-3-Clause": "bsd-3-clause",
    "LicenseRef-apple-amlr": "apple-amlr",
}
SPLIT_TITLES = {"test": "test", "val": "validation"}


def front_matter(record: Mapping[str, Any], files: Collection[str]) -> str:
    """Return the front matter between its lines of dashes, from the record and the names of the files beside it."""
    library = "timm" if any(name.startswith(f"{TIMM_FOLDER}/") for name in files) else "onnx"
    tags = ["image-classification", "visionft", "onnx", library, str(record["method"])]
    licence = str(record["license"])
    weights = record["weights"]
    origin = str(weights.get("origin", ""))
    is_repository = weights.get("source") == "pretrained" and origin.count("/") == 1 and " " not in origin
    lines = ["---", f"license: {_LICENCES.get(licence, 'other')}"]
    if licence not in _LICENCES:
        lines += [f"license_name: {quoted(licence)}", f"license_link: {LICENCE_FILE}"]
    lines += [
        f"library_name: {library}",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {quoted(tag)}" for tag in dict.fromkeys(tags)),
        *[f"base_model: {quoted(origin)}"] * is_repository,
        "metrics:",
        "- accuracy",
    ]
    metrics = {key: each for key, each in record.get("metrics", {}).items() if each.get("unseen", key == "test")}
    if metrics:
        lines += ["model-index:", f"- name: {quoted(record['run'])}", "  results:"]
    for split, title in SPLIT_TITLES.items():
        if split in metrics:
            lines += [
                "  - task:",
                "      type: image-classification",
                "    dataset:",
                "      name: the author's images",
                "      type: imagefolder",
                f"      split: {title}",
                "    metrics:",
                "    - type: accuracy",
                f"      value: {metrics[split]['top1']:.4f}",
            ]
    return "\n".join([*lines, "---"])


Record = Mapping[str, Any]

_PYTHON = """
import json
import numpy as np, onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
about = session.get_modelmeta().custom_metadata_map
names = json.loads(about["class_names"])
image = ImageOps.exif_transpose(Image.open("image.jpg"))  # upright, whichever way the camera was held
pixels = np.asarray(image.convert("RGB"))[None]  # any size
probabilities = session.run(["probabilities"], {"image": pixels})[0][0]
"""
_PYTHON_ANSWER = {
    "single": """
print(names[probabilities.argmax()], probabilities.max())
""",
    "multi": """
thresholds = json.loads(about["thresholds"])  # the probability from which a class is assigned, that one included
for name, probability, threshold in zip(names, probabilities, thresholds):
    if probability >= threshold:
        print(name, probability)
""",
}
_TENSOR_ANSWER = {
    "single": """
print(names[probabilities.argmax()], probabilities.max().item())
""",
    "multi": """
thresholds = about["thresholds"]  # the probability from which a class is assigned, that one included
for name, probability, threshold in zip(names, probabilities.tolist(), thresholds):
    if probability >= threshold:
        print(name, probability)
""",
}
_TIMM = """
import timm

model = timm.create_model("local-dir:huggingface", pretrained=True).eval()  # from the hub: "hf-hub:OWNER/NAME"
"""
_NETWORK = """
from PIL import Image
from {folder}.classifier import load_classifier

model = load_classifier().eval()
about = model.config
names = about["class_names"]
images = model.prepare(Image.open("image.jpg"))[None]  # float32 (1, 3, height, width)
probabilities = model.probabilities(model(images))[0]
"""


def use_of(record: Record, files: Collection[str]) -> Iterable[str]:
    """Yield the ways to use an export without VisionFT, from its record and the names of its files."""
    yield f"{code(f'python {SCRIPT_FILE} image.jpg')}, or in your own program:"
    yield fenced(_PYTHON.rstrip() + _PYTHON_ANSWER[record["task"]], "python")
    run = record.get("samples", {}).get(PYTHON.name)
    if run is None or not run["output"]:
        reason = run["why_not"] if run else "there was no image to run it on."
        yield f"{code(SCRIPT_FILE)} was not run at export: {escaped(reason)}"
    else:
        lines = "\n".join("    " + printable(line) for line in run["output"].splitlines())
        others = ", ".join(map(code, run.get("models", ())[1:]))
        more = f" Its predictions with {others} equal those of VisionFT too." if others else ""
        yield f"Output of {code(SCRIPT_FILE)} for validation images at export:\n\n{lines}\n\n{more}".rstrip()
    yield f"{code(MODEL_FILE)} runs in ONNX Runtime, OpenVINO and OpenCV 5; in tract with a fixed input size."
    yield from _networks(record, files)
    if programs := [each for each in SAMPLES if each.file in files]:
        yield "Programs of the export, started in its folder:"
        yield table(["", "program", "needs"], [[each.title, code(each.file), escaped(each.needs)] for each in programs])
        yield fenced(
            "\n".join(line for each in programs for line in (f"# {each.title}", each.start(files=files))), "sh"
        )
    if f"adapter/{CLASSIFIER_FILE}" in files:
        yield (
            "The fine-tuned parameters alone, on the network that they were trained on, with timm, safetensors and "
            f"PEFT (started in this folder). {code('model.network')} is PEFT's, and only the updates and the head "
            "are trained further:"
        )
        yield _network("adapter", record)


def _network(folder: str, record: Record) -> str:
    return fenced(_NETWORK.format(folder=folder).rstrip() + _TENSOR_ANSWER[record["task"]], "python")


def _networks(record: Record, files: Collection[str]) -> Iterable[str]:
    if f"{PYTORCH_FOLDER}/{CLASSIFIER_FILE}" in files:
        yield (
            f"As a network that can be trained further, with timm and safetensors (started in this folder; "
            f"{code(f'{PYTORCH_FOLDER}/{CLASSIFIER_FILE}')} is all of the program):"
        )
        yield _network(PYTORCH_FOLDER, record)
    if f"{TIMM_FOLDER}/config.json" in files:
        yield "With timm, as a network that can be trained further, for prepared images:"
        yield fenced(_TIMM, "python")
        yield (
            f"timm's own transform for it ({code('timm.data.create_transform')}) crops and resizes otherwise. For the "
            "figures of this card prepare images as the model does: the largest box of the input's aspect ratio, "
            "resized with antialiasing."
        )


def variants(record: Record) -> Iterable[str]:
    rows = record.get("variants", ())
    if not rows:
        return
    first = rows[0]["answers"]
    judged = COMPARED_SPLIT_TITLES[rows[0].get("split", "val")]
    yield f"Variants, measured on {first['images']:,} {judged} images; use one where its loss does not matter:"
    header = ["file", "size", "accuracy", "loss, 95 % interval", "changed", "calibration error", "speed", ""]
    own = [code(MODEL_FILE), size_text(record["bytes"]), f"{first['reference_top1']:.1%}", "", "", "", "1.0 x", ""]
    yield table(header, [own, *map(_variant, rows)])


def fixed_size_note(record: Record) -> Iterable[str]:
    """Yield a sentence on how predictions change if the fixed-size file gets images resized without antialiasing."""
    if effect := record.get("fixed_size"):
        yield (
            f"{code(FIXED_MODEL_FILE)} takes images that the program crops and resizes. Where it scales without "
            f"antialiasing (Android's {code('createScaledBitmap')}, OpenCV's {code('resize')}), probabilities differ "
            f"by up to **{effect['max_abs_diff']:.3f}** from those of {code(MODEL_FILE)}, and {effect['changed']:,} of "
            f"{effect['images']:,} held-out images get another class."
        )


def _verdict(verdict: str, measured: Record) -> str:
    """Return the verdict on a variant, with what its images prove or how many more are needed."""
    if verdict == "wrong":
        return "not kept: too many different predictions"
    answers = VariantAgreement(**{**measured, "difference": tuple(measured["difference"])})
    if answers.missing_images:
        more = count_of(answers.missing_images, "more held-out image")
        return (
            f"kept, not recommended: {answers.images:,} images do not rule out a loss of {MAX_POSSIBLE_LOSS:.0%}; "
            f"{more} without a change would"
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


CARD_FILE = "README.md"

_SETTINGS = ("epochs", "batch_size", "learning_rate", "augmentation", "seed")
_MAX_CLASSES = 60  # rows of the class table
_WEAKEST = 8
_FEW_IMAGES = 10  # with fewer images of a class, its recall is not meaningful
_MAX_RARE_CLASSES = 20
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


def model_card(record: Record, files: Mapping[str, FileEntry]) -> str:
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
        for name, splits in list(classes.items())[:_MAX_CLASSES]
    ]
    yield table(["class", "train", "validation", "test"], rows)
    if len(classes) > _MAX_CLASSES:
        yield f"{code(RECORD_FILE)} has the other {len(classes) - _MAX_CLASSES:,} classes."
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
    yield from _weakest_classes(SPLIT_TITLES[split], figures["classes"])
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


def _weakest_classes(split: str, classes: Record) -> Iterable[str]:
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
    if names := _listed(few, _MAX_RARE_CLASSES):
        found.append(f"Fewer than {_FEW_IMAGES} images measured these classes, too few for a result: {names}.")
    found.append("It was not tested for decisions about people.")
    return "\n".join(f"- {each}" for each in found)


def _files(record: Record, files: Mapping[str, FileEntry]) -> Iterable[str]:
    rows: list[list[str]] = []
    for name, each in sorted(files.items()):
        inside = (text for folder, text in _PURPOSES.items() if folder.endswith("/") and name.startswith(folder))
        purpose = _PURPOSES.get(name) or next(inside, "")
        rows.append([code(name), size_text(each["bytes"]), purpose])
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
    yield from fixed_size_note(record)
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
