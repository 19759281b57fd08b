"""The installation of VisionFT: its requirements on this system, and whether packages can be added.

Requirements are defined in pyproject.toml alone, markers and extras included; nothing here names a library except the
two builds of ONNX Runtime.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from visionft.core.errors import VisionFTError
from visionft.core.messages import Message

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def is_frozen() -> bool:
    """Return whether this is the frozen program (packaging/visionft.spec); no package can be added to it."""
    return getattr(sys, "frozen", False)


def version_of(name: str) -> str | None:
    """Return the installed version of a library, or None if it is not installed."""
    from importlib import metadata  # takes its time to load, as below

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def has_small_runtime() -> bool:
    """Tell whether ONNX Runtime without CUDA takes the other's place, as where packaging/start.py found no GPU."""
    return version_of("onnxruntime") is not None and version_of("onnxruntime-gpu") is None


def requirements() -> list[str]:
    """Return VisionFT's requirements on this system, without markers and extras."""
    asked = [_plain(each) for each in _declared() if _applies(each)]
    if has_small_runtime():
        return [line.replace("onnxruntime-gpu", "onnxruntime") for line in asked]
    return asked


def packages_of(requirement: str) -> list[str]:
    """Return the packages to install for a requirement: for VisionFT's own extras only their additions.

    `pip install visionft[parquet]` would look for VisionFT itself, and reinstall the other build of ONNX Runtime.
    """
    if not _is_extra(requirement):
        return [requirement]
    extra = requirement.partition("[")[2].rstrip("]")
    return [_plain(each) for each in _declared() if _applies(each, extra) and not _applies(each)]


def install_command(requirement: str) -> str:
    """Return the shell command that installs a requirement; empty where nothing can be added."""
    if refusal(requirement):
        return ""
    installer = [sys.executable, "-m", "pip", "install", "--upgrade"]
    if importlib.util.find_spec("pip") is None:  # an environment created by uv
        installer = ["uv", "pip", "install", "--python", sys.executable, "--upgrade"]
    return shell_command(installer + packages_of(requirement))


def shell_command(words: Sequence[str]) -> str:
    """Return words as one command line, quoted for the user's shell (folder names often have spaces)."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def refusal(requirement: str) -> VisionFTError | None:
    """Return why a requirement cannot be added here, with advice; None where it can."""
    if not is_frozen():
        return None
    if not _is_extra(requirement):
        return VisionFTError(
            Message("This copy of VisionFT is damaged: it lacks {requirement}.", requirement=requirement),
            "Install VisionFT again.",
        )
    hint = Message(
        "Install VisionFT with Python beside it, as docs/install.md in its sources says; projects work in both."
    )
    return VisionFTError("Nothing can be added to this program, which needs no Python.", hint)


def _is_extra(requirement: str) -> bool:
    return requirement.startswith("visionft[")


def _declared() -> list["Requirement"]:
    from importlib import metadata

    from packaging.requirements import Requirement

    return [Requirement(line) for line in metadata.requires("visionft") or ()]


def _applies(requirement: "Requirement", extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _plain(requirement: "Requirement") -> str:
    return f"{requirement.name}{requirement.specifier}"
