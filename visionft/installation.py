"""How this VisionFT came onto the computer: what its metadata asks for here, and whether something can be added to it.

What is asked for lies in pyproject.toml alone, markers and extras included; nothing here names a library but the two
builds of ONNX Runtime.
"""

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from visionft.errors import VisionFTError

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def is_frozen() -> bool:
    """Tell whether this is the program that needs no Python (packaging/visionft.spec); nothing can be added to it."""
    return getattr(sys, "frozen", False)


def version_of(name: str) -> str | None:
    """Return the installed version of a library; None where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def has_small_runtime() -> bool:
    """Tell whether ONNX Runtime without CUDA takes the other's place, as where packaging/start.py found no GPU."""
    return version_of("onnxruntime") is not None and version_of("onnxruntime-gpu") is None


def requirements() -> list[str]:
    """Return what VisionFT asks for on this system, without markers and extras."""
    asked = [_plain(each) for each in _declared() if _applies(each)]
    if has_small_runtime():
        return [line.replace("onnxruntime-gpu", "onnxruntime") for line in asked]
    return asked


def packages_of(requirement: str) -> list[str]:
    """Return what to install for a requirement: of VisionFT's own extras only what they add.

    pip asked for `visionft[parquet]` would look for VisionFT itself, and put back the ONNX Runtime that was exchanged.
    """
    if not _is_extra(requirement):
        return [requirement]
    extra = requirement.partition("[")[2].rstrip("]")
    return [_plain(each) for each in _declared() if _applies(each, extra) and not _applies(each)]


def refusal(requirement: str) -> VisionFTError | None:
    """Return why a requirement cannot be added here, with advice; None where it can."""
    if not is_frozen():
        return None
    if not _is_extra(requirement):
        return VisionFTError(f"This copy of VisionFT is damaged: it lacks {requirement}.", "Install VisionFT again.")
    hint = "Install VisionFT with Python beside it, as docs/install.md in its sources says; projects work in both."
    return VisionFTError("Nothing can be added to this program, which needs no Python.", hint)


def _is_extra(requirement: str) -> bool:
    return requirement.startswith("visionft[")


def _declared() -> list["Requirement"]:
    from packaging.requirements import Requirement  # takes its time to load

    return [Requirement(line) for line in metadata.requires("visionft") or ()]


def _applies(requirement: "Requirement", extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _plain(requirement: "Requirement") -> str:
    return f"{requirement.name}{requirement.specifier}"
