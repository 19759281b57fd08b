"""Starters beside a job file: a script for Slurm, and a notebook for Colab, Kaggle or any Jupyter."""

import json
from pathlib import Path
from typing import Final, Literal

from models.messages import Message
from visionft.errors import VisionFTError
from visionft.files import write_text
from visionft.remote.job_file import RESULT_SUFFIX

Kind = Literal["slurm", "notebook"]
KINDS: Final[tuple[Kind, ...]] = ("slurm", "notebook")

_SLURM = """\
#!/bin/bash
#SBATCH --job-name=visionft
#SBATCH --nodes=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# Start it with: sbatch {script}
# More graphics cards: change --gpus-per-node and --processes together. A job that ran out of time goes on when it is
# started again.
cd "${{SLURM_SUBMIT_DIR:-.}}" || exit 1
visionft job run {job} --processes "${{SLURM_GPUS_ON_NODE:-1}}" &
trap 'kill -TERM $!' TERM
wait $!
"""
_CELLS: Final = (
    ("markdown", "# Training with VisionFT\n\nUpload `{job}` beside this notebook, run all cells, then download "
     "`{result}` and take it into the project: `visionft job import PROJECT {result}`."),
    ("code", "import importlib.util, subprocess, sys\n\n"
     "if importlib.util.find_spec(\"visionft\") is None:  # the wheel beside this notebook, or the package index\n"
     "    import glob\n\n"
     "    wheel = next(iter(sorted(glob.glob(\"visionft-*.whl\"))), \"visionft\")\n"
     "    subprocess.run([sys.executable, \"-m\", \"pip\", \"install\", \"--quiet\", wheel], check=True)"),
    ("code", "# Stopped, it goes on when this cell is run again.\n"
     "command = [sys.executable, \"-m\", \"visionft\", \"job\", \"run\", \"{job}\"]\n"
     "training = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
     "for line in training.stdout:\n"
     "    print(line, end=\"\")\n"
     "if training.wait():\n"
     "    raise SystemExit(training.returncode)"),
    ("code", "try:  # Colab offers the result as a download; elsewhere it lies beside this notebook\n"
     "    from google.colab import files\n"
     "except ImportError:\n"
     "    print(\"{result}\")\n"
     "else:\n"
     "    files.download(\"{result}\")"),
)  # fmt: skip


def checked_kind(name: str) -> Kind:
    """Return the kind of a starter (VisionFTError: there is none of this name)."""
    for kind in KINDS:
        if kind == name:
            return kind
    message = Message("There is no starter {name}.", name=repr(name))
    raise VisionFTError(message, Message("Choose one of {OPSETS}.", OPSETS=", ".join(KINDS)))


def write_starter(kind: Kind, job_file: Path) -> Path:
    """Write a starter beside a job file and return its path (VisionFTError: it cannot be written)."""
    target = job_file.with_suffix(".sbatch" if kind == "slurm" else ".ipynb")
    names = {"job": job_file.name, "result": job_file.with_suffix(RESULT_SUFFIX).name, "script": target.name}
    write_text(target, _SLURM.format(**names) if kind == "slurm" else _notebook(names))
    return target


def _notebook(names: dict[str, str]) -> str:
    cells = []
    for place, (kind, text) in enumerate(_CELLS):
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        code = {"execution_count": None, "outputs": []} if kind == "code" else {}
        cells.append({"cell_type": kind, "id": f"cell{place}", "metadata": {}, "source": text, **code})
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
