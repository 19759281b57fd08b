"""Training runs killed at any moment, again and again: each ends bitwise equal to an undisturbed one.

`--torture 1000` kills a thousand times in all; the methods share them. The tally is printed.
"""

import contextlib
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.catalog import BACKBONES
from models.methods.table import METHODS
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import checkpoint_faults, read_run

# The tiny networks with every suitable method, and real ones, starting with a closed-form head.
PAIRS = [
    ("starter_resnet", "lora"),
    ("test_vit", "prefix"),
    ("test_resnet", "full"),
    ("test_vit", "linear"),
    ("test_resnet", "adapter"),
    *(
        (backbone.name, method.name)
        for backbone in (BACKBONES["test_resnet"], BACKBONES["test_vit"])
        for method in METHODS.values()
        if not method.refusal(backbone)
    ),
    ("starter_vit", "linear"),
]
PAIRS = list(dict.fromkeys(PAIRS))  # the first ones get kills where there are few
EPOCHS = 10

# Starts a run in a fork of one process with all imports done, for each folder of its input.
_SERVER = """
import os, pickle, sys
from pathlib import Path
import accelerate, peft, timm
from visionft.training.loop.train import train

config, snapshot = pickle.loads(Path(sys.argv[1]).read_bytes())
for line in sys.stdin:
    if not (child := os.fork()):
        train(config, snapshot, Path(line.strip()))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Server:
    """Starts runs, and kills them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin and process.stdout
        self._asked, self._told = process.stdin, process.stdout

    def run(self, run_dir: Path, *, kill_after_s: float | None = None) -> bool:
        """Start or resume a run; return whether it was killed before its end."""
        print(run_dir, file=self._asked, flush=True)
        child = int(self._told.readline())
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            with contextlib.suppress(ProcessLookupError):  # already ended
                os.kill(child, signal.SIGKILL)
        code = int(self._told.readline())
        assert code in (0, -signal.SIGKILL) and (code == 0 or kill_after_s is not None), f"it ended with {code}"
        return code != 0


@contextmanager
def server_of(config: TrainConfig, snapshot: Snapshot, folder: Path) -> Generator[Server]:
    """Yield a server to start runs with these settings, and end it."""
    (folder / "job.pickle").write_bytes(pickle.dumps((config, snapshot)))
    command = [sys.executable, "-c", _SERVER, str(folder / "job.pickle")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield Server(process)
        assert process.stdin
        process.stdin.close()


def moment(run_dir: Path) -> str:
    """Return the stage of a run at its kill."""
    if not (run_dir / "config.json").exists():
        return "before its folder stood"
    if any(run_dir.glob(".*.tmp")):
        return "while a file or checkpoint was written"
    if not any((run_dir / name).exists() for name in ("last", "prev")):
        return "before the first checkpoint"
    return "while it trained" if len(read_run(run_dir).epochs) < EPOCHS else "at its end"


def model(run_dir: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(run_dir / name / "model.safetensors")


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the proof starts its runs by fork")
@pytest.mark.parametrize(("backbone", "method"), PAIRS)
def test_a_killed_run_ends_with_the_same_bits(
    backbone: str,
    method: str,
    snapshot: Snapshot,
    tmp_path: Path,
    kills: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = PAIRS.index((backbone, method))
    share = kills // len(PAIRS) + (place < kills % len(PAIRS))
    if not share:
        pytest.skip("--torture leaves none for this method")
    is_tiny = backbone.startswith("test_")
    config = TrainConfig(
        backbone=backbone, method=method, epochs=EPOCHS, weights="random" if is_tiny else "pretrained",
        image_size=32 if is_tiny else 64, batch_size=8, device="cpu", ema_decay=0.9,
    )  # fmt: skip
    rng, tally, runs = random.Random(f"{backbone} {method}"), Counter[str](), 0
    with server_of(config, snapshot, tmp_path) as server:
        server.run(tmp_path / "first")  # warms up
        began = time.monotonic()
        server.run(tmp_path / "whole")
        length_s = time.monotonic() - began
        whole = read_run(tmp_path / "whole")
        while tally.total() < share:
            run_dir = tmp_path / f"run {runs}"
            while tally.total() < share and server.run(run_dir, kill_after_s=rng.uniform(0, length_s)):
                tally[moment(run_dir)] += 1
            server.run(run_dir)
            runs += 1
            for name in ("last", "best"):
                expected, found = model(whole.path, name), model(run_dir, name)
                assert all(torch.equal(value, found[key]) for key, value in expected.items()), (run_dir, name)
            ended = read_run(run_dir)
            assert [(each.epoch, each.val_loss, each.is_best) for each in ended.epochs] == [
                (each.epoch, each.val_loss, each.is_best) for each in whole.epochs
            ]
            assert ended.result is not None and not checkpoint_faults(run_dir)
    with capsys.disabled():
        said = ", ".join(f"{count} {name}" for name, count in sorted(tally.items()))
        print(f"\n{backbone} {method}: {tally.total()} kills ({said}); {runs} of {runs} runs ended with the same bits")
