"""Use an installed VisionFT as a stranger does, far from its sources, and print how long each step took.

    python packaging/smoke.py visionft                          whatever command starts it
    python packaging/smoke.py bwrap --ro-bind / / visionft      in a container that holds the temporary folder (TMPDIR)

Each step is a process of its own with an empty home and no network: the doctor, the whole journey on photographs, an
export in every precision, the checks of the images, retrieval, and the window. Ends with 1 at the first that fails.
Standard library only.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT, OUT = "demo/project", "model"
STEPS = (
    ("demo", "--out", "demo"),
    ("curate", "check", PROJECT),
    ("train", PROJECT, "--method", "knn"),
    ("model", "export", PROJECT, "1", OUT, "--fp16", "--int8", "--fixed-size", "--float-input", "--huggingface"),
    ("model", "verify", OUT),
)
WINDOW_STAYS_S = 6.0


def ask(program: list[str], folder: Path, *words: str) -> dict:
    """Run one command with `--json`, print its time, and return its result."""
    began = time.perf_counter()
    line = [*program, *words, "--json"]
    done = subprocess.run(line, cwd=folder, env=stranger(folder), capture_output=True, encoding="utf-8", check=False)
    print(f"{time.perf_counter() - began:7.1f} s  visionft {' '.join(words[:2])}", flush=True)
    if done.returncode:
        raise SystemExit(f"FAILED: {' '.join(line)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout)


def stranger(folder: Path) -> dict[str, str]:
    """Return the environment of a new user without network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VISIONFT", "XDG_"))}
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(folder / "home"))
    return kept | homes | {"VISIONFT_OFFLINE": "1", "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}


def open_window(program: list[str], folder: Path) -> None:
    """Open the window, check that it stays open and says nothing, and close it."""
    log = folder / "window.txt"
    with log.open("wb") as output:
        line = [*program, "app", PROJECT]
        opened = subprocess.Popen(line, cwd=folder, env=stranger(folder), stdout=output, stderr=output)
    try:
        status = opened.wait(WINDOW_STAYS_S)
    except subprocess.TimeoutExpired:
        opened.terminate()
        opened.wait(20)
        status = None
    if said := log.read_text(encoding="utf-8").strip() or status is not None:
        raise SystemExit(f"FAILED: the window ended with {status} and said: {said}")
    print(f"{WINDOW_STAYS_S:7.1f} s  visionft app", flush=True)


def main(words: list[str]) -> None:
    """Run every step with the program in the arguments."""
    if not words:
        raise SystemExit(__doc__)
    program = [str(Path(words[0]).resolve()) if Path(words[0]).exists() else words[0], *words[1:]]
    with tempfile.TemporaryDirectory(prefix="visionft-smoke-") as temporary:
        folder = Path(temporary)
        (folder / "home").mkdir()
        broken = [each["message"] for each in ask(program, folder, "doctor")["problems"] if each["severity"] == "error"]
        if broken:
            raise SystemExit("FAILED: " + "\n".join(broken))
        for step in STEPS:
            ask(program, folder, *step)
        open_window(program, folder)
    print("All of it works.")


if __name__ == "__main__":
    main(sys.argv[1:])
