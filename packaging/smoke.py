"""Use an installed VisionFT as a stranger does, far from its sources, and print how long each step took.

    python packaging/smoke.py visionft                          whatever command starts it
    python packaging/smoke.py dist/VisionFT/visionft --whole    what a program without Python brings must be there too
    python packaging/smoke.py visionft --short                  one run, its export, a prediction and the window only

Words before the program are a container's, such as `bwrap --ro-bind debian / ... /opt/VisionFT/visionft`; it must hold
the temporary folder (TMPDIR) under the same name.

Each step is a process of its own with an empty home and no network: the doctor, a project of photographs, the checks of
the images, their map, one epoch with a loader process, retrieval, an export in every precision and its check,
predictions that must be those of training's class names, and the window: each library that is loaded late is loaded.
Ends with 1 at the first step that fails. Standard library only; `--whole` writes a Parquet table with pyarrow.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = ROOT / "resources" / "pictures" / "photographs.zip"
CLASSES, PER_CLASS = ("glass", "metal"), 16
TRAINING = (
    "--backbone",
    "starter_resnet",
    "--method",
    "lora",
    "--epochs",
    "1",
    "--device",
    "cpu",
    "--set",
    "image_size=64",
    "--set",
    "workers=1",
)
CHECKS = ("duplicates", "quality", "label-errors", "embed", "map")
WINDOW_STAYS_S = 6.0


class SmokeTestError(Exception):
    """A step with an unexpected result."""


class Smoke:
    """One program, run in one folder."""

    def __init__(self, program: list[str], folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.environment = stranger(folder / "home")

    def ask(self, *arguments: str) -> dict:
        """Run one command with `--json`, print its time, and return its result."""
        began = time.perf_counter()
        line = [*self.program, *arguments, "--json"]
        done = subprocess.run(
            line, cwd=self.folder, env=self.environment, capture_output=True, encoding="utf-8", check=False
        )
        print(f"{time.perf_counter() - began:7.1f} s  visionft {' '.join(arguments[:2])}", flush=True)
        if done.returncode:
            raise SmokeTestError(f"{' '.join(line)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def window(self, project: str) -> None:
        """Open the window, check that it stays open, and close it."""
        log = self.folder / "window.txt"
        with log.open("wb") as output:
            opened = subprocess.Popen(
                [*self.program, "app", project], cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        try:
            status = opened.wait(WINDOW_STAYS_S)
        except subprocess.TimeoutExpired:
            opened.terminate()
            opened.wait(20)
        else:
            raise SmokeTestError(f"The window ended by itself with {status}\n{log.read_text(encoding='utf-8')}")
        said = log.read_text(encoding="utf-8").strip()
        if said:
            raise SmokeTestError(f"The window said: {said}")
        print(f"{WINDOW_STAYS_S:7.1f} s  visionft app", flush=True)


def stranger(home: Path) -> dict[str, str]:
    """Return the environment of a new user without network."""
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VISIONFT", "XDG_"))}
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    return kept | homes | {"VISIONFT_OFFLINE": "1", "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}


def class_folders(folder: Path) -> Path:
    """Copy some of the shipped photographs into a folder per class; return the parent folder."""
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        for name in CLASSES:
            of_class = sorted(each for each in archive.namelist() if f"{name}/" in each and not each.endswith("/"))
            for index, each in enumerate(of_class[:PER_CLASS]):
                place = folder / name / f"{index}{Path(each).suffix}"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(each))
    return folder


def parquet_table(images: Path) -> Path:
    """Write a table naming one image per class next to the images; return its path."""
    from pyarrow import parquet, table

    names = [next((images / name).iterdir()).relative_to(images).as_posix() for name in CLASSES]
    parquet.write_table(table({"file_name": names, "label": list(CLASSES)}), images / "table.parquet")
    return images / "table.parquet"


def use(program: list[str], folder: Path, *, is_whole: bool, is_short: bool) -> None:
    """Run every step; with `is_whole` also those that need an extra in an ordinary installation.

    With `is_short` only the way to a model, for a second package of the same program.

    Raises:
        Failed: A step had an unexpected result.
    """
    smoke = Smoke(program, folder)
    images = class_folders(folder / "images")
    broken = [fault["message"] for fault in smoke.ask("doctor")["problems"] if fault["severity"] == "error"]
    if broken:
        raise SmokeTestError("\n".join(broken))
    smoke.ask("project", "new", "birds")
    smoke.ask("import", "birds", str(images))
    smoke.ask("split", "birds")
    for check in () if is_short else CHECKS:
        smoke.ask("curate", check, "birds")
    smoke.ask("train", "birds", *TRAINING)
    if not is_short:
        smoke.ask("train", "birds", "--method", "knn")
        smoke.ask("evaluate", "birds", "1")
    smoke.ask("model", "export", "birds", "1", "model", *(() if is_short else ("--precision", "all")))
    smoke.ask("model", "verify", "model")
    answers = smoke.ask("predict", "model", str(images / CLASSES[0] / "0.jpg"))
    if not any(name in json.dumps(answers) for name in CLASSES):
        raise SmokeTestError(f"The exported model names no class: {answers}")
    if is_whole:
        smoke.ask("project", "new", "listed")
        smoke.ask("import", "listed", str(parquet_table(images)))
    smoke.window("birds")


def main(arguments: list[str]) -> int:
    """Test the program in the arguments; return 0 on success."""
    is_whole, is_short = "--whole" in arguments, "--short" in arguments
    arguments = [each for each in arguments if each not in ("--whole", "--short")]
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    program = [str(Path(arguments[0]).resolve()) if Path(arguments[0]).exists() else arguments[0], *arguments[1:]]
    with tempfile.TemporaryDirectory(prefix="visionft-smoke-") as folder:
        try:
            use(program, Path(folder), is_whole=is_whole, is_short=is_short)
        except SmokeTestError as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    print("All of it works.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
