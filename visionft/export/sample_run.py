"""Running the script beside a new export as a stranger would: in an empty folder, with nothing of this program.

A script that answers otherwise than the file was measured to is a wrong export and refused. Where it cannot be run, as
in a frozen program that has no Python of its own, the record says so.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from visionft.errors import ExportError
from visionft.export.contents import SCRIPT_FILE
from visionft.foreign_text import printable

PICTURE = "picture.png"
_LIMIT_S = 120
_TOLERANCE = 0.0002  # of a probability: it is printed with two digits behind the point of a percentage
_LINE = re.compile(r"^ +([\d.]+)%  (.*?)(?:  \*)?$")
_NO_PYTHON = "this program carries no Python of its own"


@dataclass(frozen=True, kw_only=True)
class SampleRun:
    """What came of running a sample.

    Attributes:
        command: What was run.
        output: What it printed; empty where it could not be run.
        reason: Why not.
    """

    command: str
    output: str = ""
    reason: str = ""


def run_sample(script: Path, pixels: np.ndarray, probabilities: dict[str, float]) -> SampleRun:
    """Run `predict.py` on a picture and compare what it says.

    Args:
        script: In the folder of the export.
        pixels: uint8 (H, W, 3) of a picture.
        probabilities: What the exported file answers to it, by class.

    Raises:
        ExportError: It says something else, or breaks.
    """
    command = f"python {SCRIPT_FILE} {PICTURE}"
    if getattr(sys, "frozen", False):
        return SampleRun(command=command, reason=_NO_PYTHON)
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(pixels).save(Path(folder) / PICTURE)
        try:
            done = _run([sys.executable, "-I", "-X", "utf8", str(script.absolute()), PICTURE], folder)
        except (OSError, subprocess.TimeoutExpired) as error:
            return SampleRun(command=command, reason=type(error).__name__)
    said = printable(done.stderr.strip().rpartition("\n")[2])
    if "is not installed" in said:
        return SampleRun(command=command, reason=said.partition(" Run:")[0])
    if done.returncode or not _agrees(done.stdout, probabilities):
        raise ExportError(
            f"{SCRIPT_FILE} does not answer as the exported file does: {said or 'it says something else'}.",
            "Nothing was kept. Please report this.",
        )
    return SampleRun(command=command, output=done.stdout)


def _run(command: list[str], folder: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=_LIMIT_S,
        check=False,
    )


def _agrees(output: str, probabilities: dict[str, float]) -> bool:
    """Tell whether all that was printed is what the file answers, and the most probable class is among it."""
    said = {found[2]: float(found[1]) / 100 for line in output.splitlines() if (found := _LINE.match(line))}
    if not said or max(said.values()) < max(probabilities.values()) - _TOLERANCE:
        return False
    return all(abs(probabilities.get(name, -1) - share) <= _TOLERANCE for name, share in said.items())
