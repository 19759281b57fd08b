"""Freed memory stays with the process while networks compute, and goes back to the system at the end."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")

# A thread, as a task of the window: page faults of the system while blocks of 40 MB come and go, then the memory held.
PROGRAM = """
import resource, threading
import visionft
from visionft.core.allocator import return_freed_memory
from pathlib import Path

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

def work():
    bytearray(40_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        bytearray(40_000_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=work)
thread.start()
thread.join()
held = resident_mb()
return_freed_memory()
print(held - resident_mb())
"""


def faults_and_returned_mb(environment: dict[str, str]) -> tuple[int, float]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=kept | environment, capture_output=True, text=True, check=True
    )
    faults, returned = done.stdout.split()
    return int(faults), float(returned)


def test_freed_memory_is_kept_for_the_next_batch_and_returned_at_the_end() -> None:
    faults, returned_mb = faults_and_returned_mb({})
    assert faults < 1_000  # ten blocks of 9,766 pages
    assert returned_mb > 30


def test_settings_of_the_user_stay() -> None:
    faults, _ = faults_and_returned_mb({"MALLOC_MMAP_THRESHOLD_": "1000000"})
    assert faults > 50_000
