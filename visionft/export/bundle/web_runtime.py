"""ONNX Runtime for browsers, beside the sample page: with it the page needs no npm. Torch-free.

`packaging/make_runtimes.py --web` puts its files into `resources/web_runtime`, before a wheel or an installer is built.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.messages import Message
from visionft.errors import ExportError
from visionft.export.bundle.sample_programs import ROOT
from visionft.export.contents import RUNTIME_FOLDER

if TYPE_CHECKING:
    from visionft.export.exporter import Export

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


def write_for_page(export: "Export") -> None:
    """Copy the runtime into an export's folder, or say why it is left out."""
    try:
        write_runtime(export.folder)
    except ExportError as error:
        export.leave_out(error.message)


def write_runtime(folder: Path) -> None:
    """Copy the runtime into an export's folder (ExportError: This program came without it)."""
    if not (names := runtime_files()):
        message = Message("This program came without ONNX Runtime for browsers; npm fetches it for the page.")
        raise ExportError(message, "The page says how.")
    (folder / RUNTIME_FOLDER).mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(ROOT / "web_runtime" / Path(name).name, folder / name)
