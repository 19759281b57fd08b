"""Predicting stays within the memory that the gate counted for a picture."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from visionft.data.limits import memory_needed
from visionft.data.types import Snapshot

MEASURE = """
import json, sys
from pathlib import Path
from visionft.export.predictor import Predictor
def peak():  # not getrusage, which starts at what the parent took
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
predictor = Predictor(Path(sys.argv[1]))
list(predictor.predict([Path(sys.argv[2])]))
before = peak()
(answer,) = predictor.predict([Path(sys.argv[3])])
print(json.dumps([peak() - before, answer.error]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory in /proc")
def test_predicting_takes_no_more_than_was_counted(export_of, snapshot: Snapshot, tmp_path: Path) -> None:
    model = export_of("test_resnet", "linear").model
    picture = tmp_path / "a.gif"
    Image.new("P", (6000, 6000)).save(picture)
    with picture.open("rb") as handle, Image.open(handle) as image:
        counted = memory_needed(image, handle)
    command = [sys.executable, "-c", MEASURE, str(model), str(snapshot.images[0].path), str(picture)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    took, error = json.loads(done.stdout)
    # The count is for the program's own preprocessing too; the graph's goes strip by strip and takes less.
    assert error == "" and 3 * 6000 * 6000 < took < 1.1 * counted
