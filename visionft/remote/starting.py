"""Starters beside a job file: a script for Slurm, and a notebook for Colab, Kaggle or any Jupyter."""

import json
import shlex
from pathlib import Path
from typing import Final, Literal

import resources
from models.messages import Message, choose_one
from visionft.errors import VisionFTError
from visionft.files import write_text
from visionft.foreign_text import printable
from visionft.remote.job_file import RESULT_SUFFIX, SUFFIX

Kind = Literal["slurm", "notebook"]
KINDS: Final[dict[Kind, str]] = {"slurm": ".sbatch", "notebook": ".ipynb"}
_NAME = "JOB"  # in the templates


def checked_kind(name: str) -> Kind:
    """Return the kind of a starter (VisionFTError: there is none of this name)."""
    for kind in KINDS:
        if kind == name:
            return kind
    message = Message("There is no starter {name}.", name=repr(name))
    raise VisionFTError(message, choose_one(KINDS))


def write_starter(kind: Kind, job_file: Path) -> Path:
    """Write a starter beside a job file and return its path (VisionFTError: it cannot be written)."""
    target = job_file.with_suffix(KINDS[kind])
    template = Path(resources.__path__[0]) / "jobs" / f"{kind}{target.suffix}"
    text = template.read_text(encoding="utf-8")
    for suffix in (SUFFIX, RESULT_SUFFIX, target.suffix):
        name = job_file.with_suffix(suffix).name
        if suffix == target.suffix:
            name = printable(name)  # it stands in a comment, which a line break would end
        quoted = shlex.quote(name) if kind == "slurm" else json.dumps(json.dumps(name)[1:-1])[1:-1]
        text = text.replace(f"{_NAME}{suffix}", quoted)
    write_text(target, text)
    return target
