"""Exports killed at random moments: the folder holds the earlier or the new export whole, and no leftovers.

`pytest tests/torture/test_export_kills.py --torture 1000` kills a thousand: half at any time, half at a random step
of the file system while the finished export is moved into place (too short to be hit by chance).
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
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from visionft.data.types import Snapshot
from visionft.export.parity import read_export
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="SIGKILL")]

# Loads everything once; for each line of input it forks an exporting process. This dies at a step (0: never) after the
# speed measurement, or after some seconds, or else ends with its number of steps.
SERVER = """
import json, os, signal, sys, time
from pathlib import Path
from visionft.export.exporter import export_run
from visionft.jobs import JobContext
from visionft.training.runs.run_snapshot import read_snapshot
def export(run, out, last):
    steps, is_late = 0, False
    def on_event(event):
        nonlocal is_late
        is_late = is_late or getattr(event, "stage", "") == "Measuring its speed"
    def step(event, _):
        nonlocal steps
        if is_late and event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "fcntl.flock"):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(step)
    export_run(Path(run), read_snapshot(Path(run)), Path(out), job=JobContext(on_event))
    return min(steps, 250)
print("ready", flush=True)
for line in sys.stdin:
    *told, after_s = json.loads(line)
    child = os.fork()
    if not child:
        code = 255
        try:
            code = export(*told)
        finally:
            os._exit(code)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)  # one that ended earlier was not waited for yet, so that nobody else is hit
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def runs(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two trained runs by the name of their first class: an export's labels identify its run."""
    folder = tmp_path_factory.mktemp("runs")
    config = TrainConfig(
        backbone="test_resnet", method="linear", weights="random", image_size=64, batch_size=8, epochs=1, device="cpu"
    )
    other = dataclasses.replace(snapshot, class_names=("x", "y", "z"))
    for name, images in (("blue", snapshot), ("x", other)):
        train(config, images, folder / name)
    return {name: folder / name for name in ("blue", "x")}


class Exporter:
    """Exports in child processes; they can be killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore", "-c", SERVER]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._hear() == "ready"

    def _hear(self) -> str:
        assert self._server.stdout
        return self._server.stdout.readline().strip()

    def export(self, run: Path, out: Path, *, step: int = 0, after_s: float | None = None) -> int | None:
        """Export, and die at a step or after a time; return the number of steps, None after a kill."""
        assert self._server.stdin
        self._server.stdin.write(json.dumps([str(run), str(out), step, after_s]) + "\n")
        self._server.stdin.flush()
        code = int(self._hear())
        assert code == -signal.SIGKILL or 0 < code < 255, "the export failed"
        return code if code > 0 else None

    def close(self) -> None:
        self._server.communicate()


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    server = Exporter()
    yield server
    server.close()


def shown(out: Path) -> str:
    """Return the first class of the export in `out`, read by another program; labels may be missing, never wrong."""
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
    """Return the first class of the complete export in `out`, read by this program; empty without one."""
    shown(out)
    record = read_export(out)
    if record is None:
        assert not (out / "model.onnx").exists()
        return ""
    assert hashlib.sha256(record.model.read_bytes()).hexdigest() == record.sha256
    assert {"export.json", "labels.txt", "model.onnx", "predict.py"} <= {path.name for path in out.iterdir()}
    return shown(out)


@pytest.mark.timeout(0)
def test_a_killed_export_leaves_the_old_or_the_new_one(
    runs: dict[str, Path], exporter: Exporter, kills: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(0)
    out, tally = tmp_path / "place" / "out", Counter()
    began = time.monotonic()
    most_steps = exporter.export(runs["x"], out)
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
        if is_late := number % 2 == 0:
            was_killed = exporter.export(runs[new], out, step=chance.randint(1, most_steps)) is None
        else:
            was_killed = exporter.export(runs[new], out, after_s=chance.uniform(0, seconds)) is None
        found = check_whole(out)
        assert found in (old, new), f"kill {number}: {found!r} after {old!r} and {new!r}"
        assert not old or (out / "mine.txt").read_text() == "mine"
        when, what = "late" if is_late else "at any time", "killed" if was_killed else "ended before"
        which = "the new export" if found == new else "the old export" if old else "no export, as before"
        tally[f"{when}, {what}: {which}"] += 1
        assert exporter.export(runs["x"], out)
        hidden = [path.name for path in (*out.iterdir(), *out.parent.iterdir()) if path.name.startswith(".")]
        assert not hidden, f"kill {number} left {hidden}"
    with capsys.disabled():
        sys.stdout.writelines(f"\n{count} x {what}" for what, count in sorted(tally.items()))
