"""Loader processes survive Ctrl-C and SIGTERM to their process group, and end with their parent."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from visionft.data.dataset import ImageDataset
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")
PLAIN = PreprocessConfig(height=32, width=32, crop_share=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3)

# Ignores the cancellation, as a job does until its next check; reads all batches for each line of input.
READER = """
import pickle, signal, sys
from pathlib import Path

def main():
    from visionft.data.dataset import EpochSampler, ImageLoader
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    data = pickle.loads(Path(sys.argv[1]).read_bytes())
    sampler = EpochSampler(len(data), 4, seed=0, shuffle=False)
    loader = ImageLoader(data, sampler, workers=2, device="cpu")
    print("starting", flush=True)
    for _ in sys.stdin:
        print(sum(len(batch.indices) for batch in loader), flush=True)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def reader(snapshot: Snapshot, tmp_path: Path):
    """Return a process in a group of its own; for each line of input it prints the number of images read."""
    (tmp_path / "data.pickle").write_bytes(pickle.dumps(ImageDataset(snapshot.images, PLAIN, classes=3)))
    (tmp_path / "reader.py").write_text(READER)
    command = [sys.executable, str(tmp_path / "reader.py"), str(tmp_path / "data.pickle")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        assert process.stdout and process.stdout.readline() == "starting\n"
        yield process
        process.kill()


def others_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the other processes in the session of a process."""
    found: list[psutil.Process] = []
    for each in psutil.process_iter():
        try:
            is_other = os.getsid(each.pid) == process.pid != each.pid
            if is_other and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def read(process: "subprocess.Popen[str]") -> str:
    assert process.stdin and process.stdout
    print("go", file=process.stdin, flush=True)
    return process.stdout.readline()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_signals_to_the_group_take_no_batch_away(reader, snapshot: Snapshot, number: signal.Signals) -> None:
    print("go", file=reader.stdin, flush=True)
    deadline = time.monotonic() + 60
    while reader.poll() is None and time.monotonic() < deadline and len(others_of(reader)) < 4:
        os.killpg(reader.pid, number)  # while they start and import
        time.sleep(0.02)
    assert len(others_of(reader)) == 4, "two loaders, the fork server, the tracker of resources"
    assert reader.stdout.readline() == f"{len(snapshot.images)}\n"
    os.killpg(reader.pid, number)
    assert read(reader) == f"{len(snapshot.images)}\n"
