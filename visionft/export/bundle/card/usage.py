"""What a card says of the files: how they were checked, how fast they are, and how to use them."""

from collections.abc import Collection, Mapping
from typing import Any

from visionft.amounts import size_text
from visionft.export.bundle.card.front_matter import TIMM_FOLDER
from visionft.export.bundle.card.markdown import code, escaped, fenced, table
from visionft.export.bundle.card.precisions import precisions
from visionft.export.bundle.samples import PYTHON, SAMPLES
from visionft.export.contents import (
    FLOAT_MODEL_FILE,
    INDEX_FILE,
    LABELS_FILE,
    MODEL_FILE,
    RECORD_FILE,
    SCRIPT_FILE,
    ListedFile,
)
from visionft.export.parity import Latency
from visionft.export.precision.variants import variant_file
from visionft.foreign_text import printable

_PURPOSES = {
    MODEL_FILE: "the model: pictures in, calibrated probabilities out",
    FLOAT_MODEL_FILE: "the same for pictures that are cropped, resized and normalised already",
    variant_file("fp16"): "the same at half the size",
    variant_file("int8"): "the same in whole numbers, for processors",
    LABELS_FILE: "the classes, in the order of the model's outputs",
    SCRIPT_FILE: "classifies pictures with onnxruntime, numpy and Pillow alone",
    INDEX_FILE: "the labelled pictures for and against an answer",
    f"{TIMM_FOLDER}/config.json": "what timm needs to build the network",
    f"{TIMM_FOLDER}/model.safetensors": "its weights",
    "adapter/adapter_config.json": "the update in PEFT's layout, with its base and its classes",
    "adapter/adapter_model.safetensors": "its weights",
    **{each.file: f"the same in another language ({each.title})" for each in SAMPLES[1:]},
}
_BELONGS_TO_A_SAMPLE = "belongs to a sample"
_PYTHON = """
import json
import numpy as np, onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
picture = ImageOps.exif_transpose(Image.open("picture.jpg"))  # upright, whichever way the camera was held
pixels = np.asarray(picture.convert("RGB"))[None]  # any size
probabilities = session.run(["probabilities"], {"image": pixels})[0][0]
print(names[probabilities.argmax()], probabilities.max())
"""
_TIMM = """
import timm

model = timm.create_model("local-dir:huggingface", pretrained=True).eval()  # from the hub: "hf-hub:OWNER/NAME"
"""
_PEFT = """
import json, timm
from peft import PeftModel

about = json.load(open("adapter/adapter_config.json", encoding="utf-8"))
classes = about["auto_mapping"]["class_names"]
base = timm.create_model(about["base_model_name_or_path"], pretrained=True, num_classes=len(classes))
model = PeftModel.from_pretrained(base, "adapter").eval()
"""


def files(record: Mapping[str, Any], listed: Mapping[str, ListedFile]) -> str:
    """Return what lies beside the card, how it was checked, and how fast it is."""
    rows = [[code(name), size_text(each.bytes), _purpose(name)] for name, each in sorted(listed.items())]
    rows.append([code(RECORD_FILE), "", "all that this card says, for programs; size and SHA-256 of every file"])
    parity = record["parity"]
    checked = (
        f"{code(MODEL_FILE)} was compared with PyTorch on {parity['images']:,} pictures before it was kept: the "
        f"largest difference of a probability is {parity['max_abs_diff']:.1e}, {parity['top1_agreement']:.1%} of the "
        "top classes agree."
    )
    return "\n\n".join(
        [
            table(["file", "size", "what it is"], rows),
            checked,
            _speed(record["latency"]),
            *filter(None, [precisions(record)]),
        ]
    )


def _purpose(name: str) -> str:
    return _PURPOSES.get(name) or (_BELONGS_TO_A_SAMPLE if name.startswith("samples/") else "")


def _speed(latency: Mapping[str, Any]) -> str:
    found = Latency(**latency)
    return (
        f"One picture of {found.width} x {found.height} takes {found.median_ms:.1f} ms (median of {found.runs:,}; "
        f"{found.tail_words}) on the author's computer ({found.hardware})."
    )


def how_to_use(record: Mapping[str, Any], names: Collection[str]) -> str:
    """Return how to run it, in the languages for which there is a sample."""
    said = [f"{code(f'python {SCRIPT_FILE} picture.jpg')}, or in a program of your own:", fenced(_PYTHON, "python")]
    said.append(_sample(record.get("samples", {}).get(PYTHON.name)))
    said.append(_runtimes(names))
    others = [f"{each.title} ({code(each.file)})" for each in SAMPLES[1:] if each.file in names]
    if others:
        said.append(f"Other languages: {', '.join(others)}.")
    if f"{TIMM_FOLDER}/config.json" in names:
        said += ["With timm, as a network of its own, for pictures prepared as its configuration says:"]
        said.append(fenced(_TIMM, "python"))
    if "adapter/adapter_config.json" in names:
        said += ["The update alone, beside the network that it was learnt on:", fenced(_PEFT, "python")]
    return "\n\n".join(said)


def _runtimes(names: Collection[str]) -> str:
    """Return where the file was tried, and what to take where it does not run."""
    said = (
        f"{code(MODEL_FILE)} runs in ONNX Runtime of any language, OpenVINO and OpenCV 5; in tract once its input's "
        "size is fixed."
    )
    if FLOAT_MODEL_FILE in names:
        said += f" For OpenCV 4 take {code(FLOAT_MODEL_FILE)} (ResNets; ViTs one picture at a time)."
    return said


def _sample(came_of: Mapping[str, Any] | None) -> str:
    """Say what the Python sample printed when the export was made."""
    if came_of is None or not came_of["output"]:
        reason = came_of["why_not"] if came_of else "no picture was there to ask it about."
        return f"{code(SCRIPT_FILE)} was not run when this was exported: {escaped(reason)}"
    shown = "\n".join("    " + printable(line) for line in came_of["output"].splitlines())
    others = ", ".join(map(code, came_of.get("models", ())[1:]))
    too = f" It answers as this program did with {others} too." if others else ""
    return (
        f"What {code(SCRIPT_FILE)} printed of validation pictures when this was exported:\n\n{shown}\n\n{too}".rstrip()
    )
