"""Two processes on the CPU (gloo) train to the same result as one, with the same global batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_snapshot import read_snapshot

SETTINGS = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]
SETTINGS += ["--set", "precision=fp32"]
LAUNCH = ["-m", "accelerate.commands.launch", "--num_machines", "1", "--mixed_precision", "no"]
LAUNCH += ["--dynamo_backend", "no", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
LAUNCH += ["--multi_gpu", "--num_processes", "2"]  # by its `--cpu` it starts one; the program sets the device
# The program on a computer with a slow disk for the main process's epoch files.
SLOW_DISK = """
import sys, time
from visionft.__main__ import main
from visionft.training.runs import checkpoint

def keep_late(*arguments):
    time.sleep(1)
    keep(*arguments)

keep, checkpoint.keep_epoch = checkpoint.keep_epoch, keep_late
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def project(image_folder: Path, tmp_path: Path) -> Path:
    """Return a project with images and splits."""
    with ProjectStore.create(tmp_path / "project") as made:
        import_source(made, image_folder)
        assign_splits(made)
    return tmp_path / "project"


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "method"), [("test_resnet", "adapter")])
def test_two_processes_equal_one(backbone, method, project, tmp_path) -> None:
    """A process ahead of the main one's files would find nothing to do after the last epoch: both would wait for ever.

    The second run is of this process, with the configuration and the images of the first.
    """
    program = tmp_path / "slow_disk.py"
    program.write_text(SLOW_DISK)
    command = [sys.executable, *LAUNCH, str(program), "train", str(project), "--backbone", backbone]
    command += ["--method", method, "--epochs", "2", "--json", *SETTINGS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "2 x CPU" in done.stderr, done.stderr
    (run_dir,) = (project / "runs").iterdir()
    two = read_run(run_dir)
    train(two.config, read_snapshot(run_dir), tmp_path / "one")
    one = read_run(tmp_path / "one")
    assert [epoch.epoch for epoch in two.epochs] == [0, 1, 2]
    for single, shared in zip(one.epochs, two.epochs, strict=True):
        assert shared.val_loss == pytest.approx(single.val_loss, abs=1e-4)
        assert shared.val_accuracy == pytest.approx(single.val_accuracy, abs=1e-4)
        assert shared.train_loss == pytest.approx(single.train_loss, abs=1e-3)
