"""Classify pictures with model.onnx: python predict.py PICTURE...

Needs nothing but: pip install onnxruntime numpy pillow
"""

import os
import sys

# What lies beside this file (pictures, and whatever came with them) must not run in place of the libraries.
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:] = [folder for folder in sys.path if os.path.realpath(folder) != HERE]
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime would report to its makers

import json
from pathlib import Path

MODEL = Path(__file__).with_name("model.onnx")


def say(message: str) -> None:
    """Print one line that says what is wrong."""
    print("predict.py:", " ".join(message.split()), file=sys.stderr)


def the_end(message: str) -> SystemExit:
    """Say what is wrong, and return what ends the program."""
    say(message)
    return SystemExit(2)


if sys.argv[1:2] in (["-h"], ["--help"]):
    print((__doc__ or "").strip())
    sys.exit()
if not sys.argv[1:]:
    raise the_end(f"name one picture or more, such as: python {sys.argv[0]} picture.jpg")

try:
    import numpy as np
    import onnxruntime
    from PIL import Image, ImageOps
except ImportError as error:
    message = f"{error.name} is not installed. Run: {sys.executable} -m pip install onnxruntime numpy pillow"
    raise the_end(message) from error

if not MODEL.is_file():
    raise the_end(f"{MODEL} is missing. Keep this file in the folder of the export.")
try:
    session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    class_names = json.loads(metadata["class_names"])
    # A picture may have several classes: each has a probability from which it is assigned.
    thresholds = json.loads(metadata.get("thresholds", "null"))
    outputs = ["probabilities"]
    if "distance_output" in metadata:  # with these bytes behind it, the file also tells how unlike a picture is
        content = MODEL.read_bytes() + bytes.fromhex(metadata["distance_output"])
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        outputs.append("distance")
except Exception as error:
    raise the_end(f"{MODEL} cannot be used ({error}). Export it again.") from error


def answer(path: str) -> "tuple[np.ndarray, bool]":
    """Return the calibrated probability of each class, and whether the picture is unlike those of training."""
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    # Any size will do: cropping, resizing and normalising happen inside the model.
    pixels = np.asarray(upright, dtype=np.uint8)[np.newaxis]
    shares, *distances = session.run(outputs, {"image": pixels})
    return np.asarray(shares)[0], any(float(np.asarray(distance)[0]) > 1 for distance in distances)


left_out = 0
for name in sys.argv[1:]:
    try:
        shares, is_unlike = answer(name)
    except Exception as error:
        say(f"{name}: {'there is no such file' if isinstance(error, FileNotFoundError) else error}")
        left_out += 1
        continue
    best = np.argsort(-shares)[:5]
    print(f"{name}{'  (unlike the pictures of training: a guess)' if is_unlike else ''}")
    for index in best:
        is_assigned = thresholds is not None and shares[index] >= thresholds[index]
        print(f"  {shares[index]:7.2%}  {class_names[index]}{'  *' if is_assigned else ''}")
if left_out:
    sys.exit(2)
