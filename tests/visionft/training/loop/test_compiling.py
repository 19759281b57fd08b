"""torch.compile where it works, and a run without it elsewhere."""

import os
import subprocess
import sys

import pytest
import torch

from visionft.events import Event
from visionft.jobs import JobContext
from visionft.training.loop import run_context
from visionft.training.loop.run_context import compile_fault
from visionft.training.loop.train import train


@pytest.mark.slow
def test_a_computer_without_a_compiler_says_so(tmp_path) -> None:
    question = (
        "import torch; from visionft.training.loop.run_context import compile_fault as f; print(f(torch.device('cpu')))"
    )
    environment = {**os.environ, "PATH": "", "CXX": "/none", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, env=environment, check=True)
    assert "compiler" in done.stdout.lower() and len(done.stdout.splitlines()) == 1


@pytest.mark.slow
def test_training_goes_on_without_it(snapshot, tmp_path, monkeypatch, tiny, warnings) -> None:
    monkeypatch.setattr(run_context, "compile_fault", lambda _device: "no compiler")
    events: list[Event] = []
    assert train(tiny(epochs=1, compile=True), snapshot, tmp_path / "run", job=JobContext(events.append)).best
    assert len(warnings(events)) == 1 and "no compiler" in warnings(events)[0]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # torch's own, of its own parts
def test_a_compiled_run_learns_what_a_plain_one_learns(snapshot, tmp_path, tiny) -> None:
    if fault := compile_fault(torch.device("cpu")):
        pytest.skip(fault)
    config = tiny(epochs=1, compile=True, precision="fp32")
    plain = train(config.with_settings(["compile=false"]), snapshot, tmp_path / "plain").best
    compiled = train(config, snapshot, tmp_path / "compiled").best
    assert plain and compiled and compiled.val_loss == pytest.approx(plain.val_loss, abs=1e-3)
