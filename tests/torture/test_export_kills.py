"""Exports killed at random moments: the folder holds the earlier or the new export whole, and no leftovers.

`pytest tests/torture/test_export_kills.py --torture 1000` kills a thousand: half at any time, half at a random step
of the file system while the finished export is moved into place (too short to be hit by chance). The usual tests kill
at every such step (`tests/visionft/export/test_publishing.py`).
"""

import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from visionft.data.types import Snapshot
from visionft.export.export_result import read_export
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

pytestmark = [pytest.mark.long, pytest.mark.skipif(os.name == "nt", reason="SIGKILL")]

# Dies at a step (0: never) after the speed measurement, or else ends with its number of steps.
WORK = """
import os, signal, sys
from pathlib import Path
sys.path.append(sys.argv[1])
from cheap_exports import make_exports_cheap
from visionft.export.exporter import export_run
from visionft.jobs import JobContext
from visionft.training.runs.run_snapshot import read_snapshot
def work(run, out, last):
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
    return min(steps, 98)
make_exports_cheap(setattr)
for number, run in enumerate(sys.argv[3:]):  # here, so that every fork has their networks in memory
    work(run, Path(sys.argv[2]) / str(number), 0)
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


@pytest.fixture(scope="module")
def export(fork_server: Callable[..., Any], runs: dict[str, Path], tmp_path_factory) -> Callable[..., int | None]:
    """Return a function: run, folder -> number of steps, None of an export killed at a step or after a time."""
    fixtures, scratch = Path(__file__).parents[1] / "fixtures", tmp_path_factory.mktemp("first exports")
    server = fork_server(WORK, fixtures, scratch, *runs.values())

    def export(run: Path, out: Path, *, step: int = 0, after_s: float | None = None) -> int | None:
        code = server.run(run=run, out=out, last=step, kill_after_s=after_s)
        assert code == -signal.SIGKILL or 0 < code < 99, "the export failed"
        return code if code > 0 else None

    return export


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
    runs: dict[str, Path],
    export: Callable[..., int | None],
    rounds: Callable[[int], int],
    tmp_path: Path,
    tally: Counter[str],
) -> None:
    chance, out = random.Random(0), tmp_path / "place" / "out"
    began = time.monotonic()
    most_steps = export(runs["x"], out)
    seconds = time.monotonic() - began
    assert most_steps
    for number in range(rounds(3)):
        old = check_whole(out)
        if number % 3 == 2:
            shutil.rmtree(out)
            old = ""
        else:
            (out / "mine.txt").write_text("mine")
        new = "blue" if old == "x" else "x"
        if is_late := number % 2 == 0:
            was_killed = export(runs[new], out, step=chance.randint(1, most_steps)) is None
        else:
            was_killed = export(runs[new], out, after_s=chance.uniform(0, seconds)) is None
        found = check_whole(out)
        assert found in (old, new), f"kill {number}: {found!r} after {old!r} and {new!r}"
        assert not old or (out / "mine.txt").read_text() == "mine"
        when, what = "late" if is_late else "at any time", "killed" if was_killed else "ended before"
        which = "the new export" if found == new else "the old export" if old else "no export, as before"
        tally[f"{when}, {what}: {which}"] += 1
        assert export(runs["x"], out)
        hidden = [path.name for path in (*out.iterdir(), *out.parent.iterdir()) if path.name.startswith(".")]
        assert not hidden, f"kill {number} left {hidden}"
