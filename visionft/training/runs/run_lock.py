"""One process trains a run at a time: a lock in its folder, which the operating system frees when that one dies."""

import contextlib
from pathlib import Path

from filelock import FileLock, Timeout

from visionft.errors import RunError

LOCK_FILE = "run.lock"
PATIENCE_S = 1.0  # a look at whether a run is going holds its lock for a moment


def lock_run(run_dir: Path) -> FileLock:
    """Make the run's folder and take its lock; release it at the end.

    Raises:
        RunError: Another process, or another job of this one, trains the run now.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / LOCK_FILE, timeout=PATIENCE_S, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        hint = "Wait for its end or stop it there; a new run can be started at any time."
        raise RunError(f"{run_dir.name} is being trained in another window or command.", hint) from error
    return lock


def is_going(run_dir: Path) -> bool:
    """Tell whether a run is being trained now, by any process on this computer."""
    if not (run_dir / LOCK_FILE).exists():
        return False
    lock = FileLock(run_dir / LOCK_FILE, timeout=0, thread_local=False)
    with contextlib.suppress(OSError):  # a folder that cannot be written is trained by nobody
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
    return False
