"""The support report: versions, devices, the log's newest lines. The user reads it before it is sent."""

import platform
from pathlib import Path

import psutil

import visionft
from visionft.core.amounts import size_text
from visionft.core.credentials import without_secrets
from visionft.core.devices import nvidia_gpus
from visionft.core.doctor import library_versions
from visionft.core.log import last_lines

LINES, MAX_LINE = 200, 2000


def report_text(trace: str = "", *, toolkit: str = "") -> str:
    """Return the report, with `~` for the user's folder.

    Args:
        trace: The traceback of the reported bug; empty for none.
        toolkit: The window's toolkit with its version.
    """
    told = [trace.rstrip(), ""] if trace else []
    words = [*_facts(toolkit), "", *told, "Log", *(f"  {line[:MAX_LINE]}" for line in last_lines(LINES))]
    return without_secrets("\n".join(words)).replace(str(Path.home()), "~")


def _facts(toolkit: str) -> list[str]:
    memory = f"{size_text(psutil.virtual_memory().total)} memory"
    processor = f"{platform.processor() or platform.machine()}, {psutil.cpu_count() or 1} cores"
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in library_versions().items())
    program = f"VisionFT {visionft.__version__}, Python {platform.python_version()}"
    return [
        ", ".join([program, *([toolkit] if toolkit else []), platform.platform()]),
        f"Computer: {processor}, {memory}; GPU: {', '.join(nvidia_gpus()) or 'none of NVIDIA'}",
        f"Libraries: {versions}",
    ]
