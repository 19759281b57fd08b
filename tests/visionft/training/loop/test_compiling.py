"""torch.compile where it works, and a run that goes on without it where it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from visionft.data.types import Snapshot
from visionft.events import Event, Notice
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop import compiling
from visionft.training.loop.compiling import compile_fault
from visionft.training.loop.train import train

CONFIG = TrainConfig(
    backbone="test_vit",
    method="lora",
    weights="random",
    image_size=32,
    batch_size=8,
    device="cpu",
    epochs=1,
    compile=True,
)


def test_a_computer_without_a_compiler_says_so(tmp_path: Path) -> None:
    question = (
        "import torch; from visionft.training.loop.compiling import compile_fault as f; print(f(torch.device('cpu')))"
    )
    environment = {**os.environ, "PATH": "", "CXX": "/none", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, env=environment, check=True)
    assert "compiler" in done.stdout.lower() and len(done.stdout.splitlines()) == 1


def test_training_goes_on_without_it(snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "compile_fault", lambda _device: "no compiler")
    events: list[Event] = []
    assert train(CONFIG, snapshot, tmp_path / "run", on_event=events.append).best
    (said,) = [event.message for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert "goes on without it: no compiler" in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own, of its own parts
def test_a_compiled_run_learns_what_a_plain_one_learns(snapshot: Snapshot, tmp_path: Path) -> None:
    if fault := compile_fault(torch.device("cpu")):
        pytest.skip(fault)
    config = CONFIG.with_settings(["precision=fp32"])
    plain = train(config.with_settings(["compile=false"]), snapshot, tmp_path / "plain").best
    compiled = train(config, snapshot, tmp_path / "compiled").best
    assert plain and compiled and compiled.val_loss == pytest.approx(plain.val_loss, abs=1e-3)
