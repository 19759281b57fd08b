"""Exporters of other packages: more files of an export, made from its finished model.onnx. Torch-free.

The program has no row of its own: fp16, int8 and timm's format need the network itself (`visionft.export.exporter`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.extensions import extension_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One exporter.

    Attributes:
        name: Its name in commands.
        title: Its display name.
        write: Receives the folder of the unpublished export, with model.onnx, labels.txt and its metadata, and writes
            its files into it; all files are listed in the record and published together. It raises an `ExportError`
            to stop the export.
    """

    name: str
    title: str
    write: Callable[[Path], None]


EXPORTERS = extension_rows("visionft.exporters", Exporter)
