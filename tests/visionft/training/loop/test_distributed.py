"""Two processes on the CPU (gloo) train to the same result as one, with the same global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

SETTINGS = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]
SETTINGS += ["--set", "precision=fp32"]
LAUNCH = ["-m", "accelerate.commands.launch", "--num_machines", "1", "--mixed_precision", "no"]
LAUNCH += ["--dynamo_backend", "no", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
# By its `--cpu`, accelerate starts a single process for any requested number; `--multi_gpu` starts them all, and
# the program sets the device.
PROCESSES = {1: ["--cpu", "--num_processes", "1"], 2: ["--multi_gpu", "--num_processes", "2"]}
PROGRAM = ("-m", "visionft")
# The same, on a computer with a slow disk for the main process's epoch files.
SLOW_DISK = """
import sys, time
from visionft.__main__ import main
from visionft.training.runs import recording

def keep_late(*arguments):
    time.sleep(2)
    keep(*arguments)

keep, recording.keep_epoch = recording.keep_epoch, keep_late
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def project(image_folder: Path, tmp_path: Path) -> Path:
    """Return a project with images and splits."""
    with Project.create(tmp_path / "project") as made:
        import_source(made, image_folder)
        assign_splits(made)
    return tmp_path / "project"


def train(
    project: Path, backbone: str, method: str, processes: int, *, epochs: int = 3, program: tuple[str, ...] = PROGRAM
) -> list[dict]:
    command = [sys.executable, *LAUNCH, *PROCESSES[processes], *program, "train", str(project)]
    command += ["--backbone", backbone, "--method", method, "--epochs", str(epochs), "--json", *SETTINGS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr
    assert ("2 x CPU" in done.stderr) == (processes == 2), done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    run_dir = project / "runs" / json.loads(line)["run"]
    return [json.loads(each) for each in (run_dir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "method"),
    [
        ("test_vit", "lora"),
        ("test_resnet", "adapter"),
        pytest.param("test_vit", "full", marks=pytest.mark.long),
        pytest.param("test_vit", "linear", marks=pytest.mark.long),
    ],
)
def test_two_processes_equal_one(backbone, method, project) -> None:
    one, two = (train(project, backbone, method, processes) for processes in (1, 2))
    assert len(list((project / "runs").iterdir())) == 2
    for single, shared in zip(one, two, strict=True):
        assert shared["val_loss"] == pytest.approx(single["val_loss"], abs=1e-4)
        assert shared["val_accuracy"] == pytest.approx(single["val_accuracy"], abs=1e-4)
        assert shared["train_loss"] == pytest.approx(single["train_loss"], abs=1e-3)


@pytest.mark.slow
def test_no_process_goes_on_before_the_main_one_has_written_the_last_epoch(project, tmp_path) -> None:
    """A process ahead would find nothing to do between the run's start and end; the main one would wait for ever."""
    program = tmp_path / "slow_disk.py"
    program.write_text(SLOW_DISK)
    epochs = train(project, "test_vit", "full", 2, epochs=1, program=(str(program),))
    assert [each["epoch"] for each in epochs] == [0, 1]
