"""Files of an export that come with the program: the licence, and ONNX Runtime for the sample web page. Torch-free.

`packaging/make_runtimes.py --web` puts the runtime into `resources/web_runtime` before a wheel or an installer is
built. With it the page needs no npm.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import resources
from visionft.core.errors import ExportError
from visionft.core.files import write_text
from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.export.contents import LICENCE_FILE, RUNTIME_FOLDER

ROOT = Path(resources.__file__).parent
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


# The page loads the first pair where the browser has WebGPU, else the second, which is half as large.
RUNTIME_FILES: Final = (
    "ort.webgpu.bundle.min.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
    "ort.wasm.bundle.min.mjs",
    "ort-wasm-simd-threaded.wasm",
    "LICENSE.txt",
    "ThirdPartyNotices.txt",
)


def runtime_files() -> list[str]:
    """Return the files of the runtime, relative to an export's folder; none where this program came without it."""
    has_all = all((ROOT / "web_runtime" / name).is_file() for name in RUNTIME_FILES)
    return [f"{RUNTIME_FOLDER}/{name}" for name in RUNTIME_FILES] if has_all else []


def write_runtime(folder: Path) -> None:
    """Copy the runtime into an export's folder (ExportError: This program came without it)."""
    if not (names := runtime_files()):
        message = Message("This program came without ONNX Runtime for browsers; npm fetches it for the page.")
        raise ExportError(message, "The page says how.")
    (folder / RUNTIME_FOLDER).mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(ROOT / "web_runtime" / Path(name).name, folder / name)
