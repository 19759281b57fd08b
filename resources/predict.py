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

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

MODEL = Path(__file__).with_name("model.onnx")

session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
class_names = json.loads(metadata["class_names"])
# A picture may have several classes: each has a probability from which it is assigned.
thresholds = json.loads(metadata.get("thresholds", "null"))


def probabilities(path: str) -> np.ndarray:
    """Return the calibrated probability of each class."""
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    # Any size will do: cropping, resizing and normalising happen inside the model.
    pixels = np.asarray(upright, dtype=np.uint8)[np.newaxis]
    (answers,) = session.run(["probabilities"], {"image": pixels})
    return np.asarray(answers)[0]


for name in sys.argv[1:]:
    shares = probabilities(name)
    best = np.argsort(-shares)[:5]
    print(name)
    for index in best:
        is_assigned = thresholds is not None and shares[index] >= thresholds[index]
        print(f"  {shares[index]:7.2%}  {class_names[index]}{'  *' if is_assigned else ''}")
