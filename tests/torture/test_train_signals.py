"""Ctrl-C and SIGTERM to the process group of a training with loader processes, at any moment from its start to its end.

`pytest tests/torture/test_train_signals.py --torture 200` sends two hundred, half of each. The tally is printed.
The usual tests send one of each in the epochs, and one while the program loads (`tests/visionft/cli/test_cli.py`).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from visionft.cli import main
from visionft.training.runs.run_folder import checkpoint_faults, read_run

pytestmark = [pytest.mark.long, pytest.mark.skipif(os.name == "nt", reason="process groups")]
TINY = (
    "--backbone",
    "test_resnet",
    "--method",
    "full",
    "--epochs",
    "3",
    "--device",
    "cpu",
    "--json",
    "--set",
    "weights=random",
    "--set",
    "image_size=32",
    "--set",
    "batch_size=8",
    "--set",
    "workers=2",
)


@pytest.fixture
def project(image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = str(tmp_path / "project")
    for words in (["project", "new", project], ["import", project, str(image_folder)], ["split", project]):
        monkeypatch.setattr(sys, "argv", ["visionft", *words])
        assert main() == 0
    return tmp_path / "project"


def train(project: Path, *more: str, signal_after_s: float | None = None, number: int = 0) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "visionft", "train", str(project), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env=environment
    ) as process:
        if signal_after_s is not None:
            time.sleep(signal_after_s)
            os.killpg(process.pid, number)
        stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout, stderr


def moment(project: Path, stdout: str) -> str:
    """Return the stage of a run at its signal, after checking its files."""
    if not stdout:
        return "while the program loaded"
    told = json.loads(stdout)
    folder = project / "runs" / told["run"]
    if not folder.exists():
        assert told["stopped"] and not told["best"]
        return "before its folder stood"
    run = read_run(folder)
    assert not checkpoint_faults(folder) and run.result and run.result.stopped == told["stopped"]
    assert not told["best"] or (folder / "best" / "manifest.json").exists()
    if not told["stopped"]:
        return "at its end"
    return "in its epochs" if run.epochs else "before its first epoch"


@pytest.mark.timeout(0)
def test_a_run_that_is_told_to_stop_is_kept_and_goes_on(
    project: Path, rounds: Callable[[int], int], tally: Counter[str]
) -> None:
    chance = random.Random(0)
    began = time.monotonic()
    assert train(project, *TINY)[0] == 0
    length_s = time.monotonic() - began
    for each in range(rounds(2)):
        number = (signal.SIGINT, signal.SIGTERM)[each % 2]
        code, stdout, stderr = train(project, *TINY, signal_after_s=chance.uniform(0, length_s), number=number)
        at = moment(project, stdout)
        # While Python itself starts, or shuts down after printing the result, the system ends it.
        expected = (128 + number, -number) if at in ("while the program loaded", "at its end") else (128 + number,)
        assert code in expected or (at == "at its end" and code == 0), f"{code} {at}: {stderr}"
        assert "bug" not in stderr
        tally[f"{number.name} {at}, ended with {code}"] += 1
        if at in ("in its epochs", "before its first epoch"):
            name = json.loads(stdout)["run"]
            assert train(project, "--resume", name, "--json")[0] == 0 and not checkpoint_faults(project / "runs" / name)
            tally["went on to its end"] += 1
