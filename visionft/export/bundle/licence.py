"""The file `LICENSE` of an export: the licence of its programs, and what applies to the model. Torch-free."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visionft.export.bundle.sample_programs import ROOT
from visionft.export.contents import LICENCE_FILE
from visionft.files import write_text
from visionft.foreign_text import printable

_HEAD = """\
The programs in this folder (predict.py, samples, and what loads a network) are a part of VisionFT. The Apache License
2.0, below, is their licence.

It is not the licence of the model: of model.onnx and of all other files with weights. To those apply, together,

    {expression}

{weights}
and the rights in the images that it was trained on. README.md has more, under "Licence and origin".

What others made has its own licence beside it: samples/web/runtime, where that folder is here.

------------------------------------------------------------------------------------------------------------------------
"""


def write_licence(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write `LICENSE` into an export's folder, where it is not yet there.

    Args:
        folder: Of the export.
        metadata: That of `model.onnx`: its `license`, and its `weights` or those of its `parts`.
    """
    if (folder / LICENCE_FILE).exists():
        return
    lines = list(dict.fromkeys(map(_origin, metadata.get("parts", [metadata]))))
    head = _HEAD.format(expression=printable(metadata["license"]), weights="\n".join(lines))
    write_text(folder / LICENCE_FILE, head + (ROOT / LICENCE_FILE).read_text(encoding="utf-8"))


def _origin(part: Mapping[str, Any]) -> str:
    """Return a line on the pretrained weights of a network."""
    weights = part["weights"]
    if not weights["file"]:
        return "(it began with random weights: what its author says of it applies)"
    origin = f" of {weights['origin']}" if weights["origin"] else ""
    return printable(f"(the weights that it began with: {weights['file']}{origin}, {weights['licence']})")
