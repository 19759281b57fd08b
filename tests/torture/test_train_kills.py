"""Training runs killed at any moment, again and again: each ends bitwise equal to an undisturbed one.

`--torture 1000` kills a thousand times in all; the methods share them. The tally is printed.
"""

import os
import pickle
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    ("test_resnet", "full"),
    ("test_vit", "linear"),
    ("starter_resnet", "lora"),
    ("test_vit", "prefix"),
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
EPOCHS = 6

WORK = """
import pickle, sys
from pathlib import Path
import accelerate, peft, timm
from visionft.training.loop.train import train
config, snapshot = pickle.loads(Path(sys.argv[1]).read_bytes())
def work(run_dir):
    train(config, snapshot, Path(run_dir))
"""


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
    rounds: Callable[[int], int],
    tally: Counter[str],
    fork_server: Callable[..., Any],
) -> None:
    place, kills = PAIRS.index((backbone, method)), rounds(2)
    share = kills // len(PAIRS) + (place < kills % len(PAIRS))
    if not share:
        pytest.skip("--torture leaves none for this method")
    is_tiny = backbone.startswith("test_")
    config = TrainConfig(
        backbone=backbone,
        method=method,
        epochs=EPOCHS,
        weights="random" if is_tiny else "pretrained",
        image_size=32 if is_tiny else 64,
        batch_size=8,
        device="cpu",
        ema_decay=0.9,
    )
    rng, runs = random.Random(f"{backbone} {method}"), 0
    (tmp_path / "job.pickle").write_bytes(pickle.dumps((config, snapshot)))
    server = fork_server(WORK, tmp_path / "job.pickle")
    began = time.monotonic()
    server.was_killed(run_dir=tmp_path / "whole")
    length_s = time.monotonic() - began
    whole = read_run(tmp_path / "whole")
    while tally.total() < share:
        run_dir = tmp_path / f"run {runs}"
        while tally.total() < share and server.was_killed(run_dir=run_dir, kill_after_s=rng.uniform(0, length_s)):
            tally[f"killed {moment(run_dir)}"] += 1
        server.was_killed(run_dir=run_dir)
        runs += 1
        for name in ("last", "best"):
            expected, found = model(whole.path, name), model(run_dir, name)
            assert all(torch.equal(value, found[key]) for key, value in expected.items()), (run_dir, name)
        ended = read_run(run_dir)
        assert [(each.epoch, each.val_loss, each.is_best) for each in ended.epochs] == [
            (each.epoch, each.val_loss, each.is_best) for each in whole.epochs
        ]
        assert ended.result is not None and not checkpoint_faults(run_dir)
