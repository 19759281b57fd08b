"""Exports killed at random moments: the folder holds the earlier or the new export whole, and nothing stays behind.

`pytest tests/torture/test_export_kills.py --torture 1000` kills a thousand: half at any time, half at a random step
of the file system while the finished export is put in place, which takes too short a time to be hit by chance.
"""

import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import onnx
import pytest

from visionft.deploy.export import export_run
from visionft.deploy.parity import read_export
from visionft.project.snapshot import Snapshot
from visionft.training.config import TrainConfig
from visionft.training.loop import train
from visionft.training.recording import read_snapshot

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="SIGKILL")]

# Loads everything, waits for a line, exports, and dies at a step (0: never) after the speed was measured.
CHILD = """
import os, signal, sys
from pathlib import Path
from visionft.deploy.export import export_run
from visionft.training.recording import read_snapshot
run, out, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
steps, is_late = 0, False
def on_event(event):
    global is_late
    is_late = is_late or getattr(event, "stage", "") == "Measuring its speed"
def step(event, _):
    global steps
    if is_late and event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "fcntl.flock"):
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
print("ready", flush=True)
sys.stdin.readline()
export_run(run, read_snapshot(run), out, on_event=on_event)
print(steps, flush=True)
"""


@pytest.fixture(scope="module")
def runs(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two trained runs by the name of their first class, so that labels tell which of them an export is of."""
    folder = tmp_path_factory.mktemp("runs")
    config = TrainConfig(
        backbone="test_resnet", method="linear", weights="random", image_size=64, batch_size=8, epochs=1, device="cpu"
    )
    other = dataclasses.replace(snapshot, class_names=("x", "y", "z"))
    for name, images in (("blue", snapshot), ("x", other)):
        train(config, images, folder / name)
    return {name: folder / name for name in ("blue", "x")}


class Exporter:
    """A process that exports when it is told to."""

    def __init__(self, run: Path, out: Path, *, step: int = 0) -> None:
        command = [sys.executable, "-W", "ignore", "-c", CHILD, str(run), str(out), str(step)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout and self._process.stdout.readline() == "ready\n"

    def start(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def kill_after(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)

    def end(self) -> int | None:
        """Wait for its end; return the steps it took, None when it was killed."""
        said, _ = self._process.communicate(timeout=300)
        assert self._process.returncode in (0, -signal.SIGKILL)
        return int(said.split()[-1]) if self._process.returncode == 0 else None


def shown(out: Path) -> str:
    """Return the first class of the export that another program finds in `out`; it may find no labels, never others."""
    if not (out / "model.onnx").is_file():
        return ""
    metadata = {each.key: each.value for each in onnx.load(out / "model.onnx").metadata_props}
    names = json.loads(metadata["class_names"])
    if (out / "labels.txt").is_file():
        assert (out / "labels.txt").read_text().split() == names, "labels of one export stand beside another's model"
    if (out / "export.json").is_file():
        assert json.loads((out / "export.json").read_text())["class_names"] == names
    return names[0]


def check_whole(out: Path) -> str:
    """Return the first class of the whole export in `out`, as this program sees it; empty when there is none."""
    shown(out)
    record = read_export(out)
    if record is None:
        assert not (out / "model.onnx").exists()
        return ""
    assert hashlib.sha256(record.model.read_bytes()).hexdigest() == record.sha256
    assert {"export.json", "labels.txt", "model.onnx", "predict.py"} <= {path.name for path in out.iterdir()}
    return shown(out)


def test_a_killed_export_leaves_the_old_or_the_new_one(
    runs: dict[str, Path], kills: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(0)
    out, tally = tmp_path / "place" / "out", Counter()
    probe = Exporter(runs["x"], out)
    began = time.monotonic()
    probe.start()
    most_steps = probe.end()
    seconds = time.monotonic() - began
    assert most_steps
    for number in range(kills):
        old = check_whole(out)
        if number % 3 == 2:
            shutil.rmtree(out)
            old = ""
        else:
            (out / "mine.txt").write_text("mine")
        new = "blue" if old == "x" else "x"
        is_late = number % 2 == 0
        exporter = Exporter(runs[new], out, step=chance.randint(1, most_steps) if is_late else 0)
        exporter.start()
        if not is_late:
            exporter.kill_after(chance.uniform(0, seconds))
        was_killed = exporter.end() is None
        found = check_whole(out)
        assert found in (old, new), f"kill {number}: {found!r} after {old!r} and {new!r}"
        assert not old or (out / "mine.txt").read_text() == "mine"
        when, what = "late" if is_late else "at any time", "killed" if was_killed else "ended before"
        which = "the new export" if found == new else "the old export" if old else "no export, as before"
        tally[f"{when}, {what}: {which}"] += 1
        export_run(runs["x"], read_snapshot(runs["x"]), out)
        hidden = [path.name for path in (*out.iterdir(), *out.parent.iterdir()) if path.name.startswith(".")]
        assert not hidden, f"kill {number} left {hidden}"
    with capsys.disabled():
        sys.stdout.writelines(f"\n{count} x {what}" for what, count in sorted(tally.items()))
