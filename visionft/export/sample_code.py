"""The script that is saved beside an exported model: what a reader needs to use it without this program."""

from pathlib import Path

import resources
from visionft.export.contents import SCRIPT_FILE


def sample_code() -> str:
    """Return a script that classifies pictures with `model.onnx` by onnxruntime, numpy and Pillow alone."""
    return (Path(resources.__file__).parent / SCRIPT_FILE).read_text(encoding="utf-8")
