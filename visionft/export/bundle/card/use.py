"""The section of the model card on its use: programs, and code for runtimes and frameworks. Torch-free."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from visionft.export.bundle.card.markdown import code, escaped, fenced, table
from visionft.export.bundle.sample_programs import PYTHON, SAMPLES
from visionft.export.contents import (
    CLASSIFIER_FILE,
    MODEL_FILE,
    PYTORCH_FOLDER,
    SCRIPT_FILE,
    TIMM_FOLDER,
)
from visionft.foreign_text import printable

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
