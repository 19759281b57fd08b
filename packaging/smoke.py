"""Use an installed VisionFT as a stranger does, far from its sources, and print how long each step took.

    python packaging/smoke.py visionft                          whatever command starts it
    python packaging/smoke.py dist/VisionFT/visionft --whole    what a program without Python brings must be there too

Each step is a process of its own with an empty home and no network: the doctor, a project of photographs, the checks of
the pictures, their map, one epoch with a loader process, retrieval, an export in every precision and its check,
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
TRAINING = ("--backbone", "starter_resnet", "--method", "lora", "--epochs", "1", "--device", "cpu",
            "--set", "image_size=64", "--set", "workers=1")  # fmt: skip
WINDOW_STAYS_S = 6.0


class Failed(Exception):
    """A step that did not do what it should."""


class Smoke:
    """One program, asked from one folder."""

    def __init__(self, program: list[str], folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.environment = stranger(folder / "home")

    def ask(self, *arguments: str) -> dict:
        """Run one command with `--json`, print its time, and return its answer."""
        began = time.perf_counter()
        line = [*self.program, *arguments, "--json"]
        done = subprocess.run(
            line, cwd=self.folder, env=self.environment, capture_output=True, encoding="utf-8", check=False
        )
        print(f"{time.perf_counter() - began:7.1f} s  visionft {' '.join(arguments[:2])}", flush=True)
        if done.returncode:
            raise Failed(f"{' '.join(line)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def window(self, project: str) -> None:
        """Open the window, see that it stays, and end it."""
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
            raise Failed(f"The window ended by itself with {status}\n{log.read_text(encoding='utf-8')}")
        said = log.read_text(encoding="utf-8").strip()
        if said:
            raise Failed(f"The window said: {said}")
        print(f"{WINDOW_STAYS_S:7.1f} s  visionft app", flush=True)


def stranger(home: Path) -> dict[str, str]:
    """Return the environment of a person who has never used the program, and has no network."""
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VISIONFT", "XDG_"))}
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    return kept | homes | {"VISIONFT_OFFLINE": "1", "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}


def class_folders(folder: Path) -> Path:
    """Lay some of the photographs that ship with the program into a folder for each class; return their parent."""
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        for name in CLASSES:
            of_class = sorted(each for each in archive.namelist() if f"{name}/" in each and not each.endswith("/"))
            for index, each in enumerate(of_class[:PER_CLASS]):
                place = folder / name / f"{index}{Path(each).suffix}"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(each))
    return folder


def parquet_table(pictures: Path) -> Path:
    """Write a table that names a picture of each class beside the pictures; return it."""
    from pyarrow import parquet, table

    names = [next((pictures / name).iterdir()).relative_to(pictures).as_posix() for name in CLASSES]
    parquet.write_table(table({"file_name": names, "label": list(CLASSES)}), pictures / "table.parquet")
    return pictures / "table.parquet"


def use(program: list[str], folder: Path, *, is_whole: bool) -> None:
    """Take every step; `is_whole` also those for which an ordinary installation needs an extra.

    Raises:
        Failed: A step did not do what it should.
    """
    smoke = Smoke(program, folder)
    pictures = class_folders(folder / "pictures")
    broken = [fault["message"] for fault in smoke.ask("doctor")["problems"] if fault["severity"] == "error"]
    if broken:
        raise Failed("\n".join(broken))
    smoke.ask("new", "birds")
    smoke.ask("import", "birds", str(pictures))
    smoke.ask("split", "birds")
    for check in ("duplicates", "quality", "label-errors", "embed", "map"):
        smoke.ask(check, "birds")
    smoke.ask("train", "birds", *TRAINING)
    smoke.ask("train", "birds", "--method", "knn")
    smoke.ask("evaluate", "birds", "1")
    smoke.ask("export", "birds", "1", "model", "--precision", "all")
    smoke.ask("verify", "model")
    answers = smoke.ask("predict", "model", str(pictures / CLASSES[0] / "0.jpg"))
    if not any(name in json.dumps(answers) for name in CLASSES):
        raise Failed(f"The exported model names no class: {answers}")
    if is_whole:
        smoke.ask("new", "listed")
        smoke.ask("import", "listed", str(parquet_table(pictures)))
    smoke.window("birds")


def main(arguments: list[str]) -> int:
    """Try the program that the arguments start; return 0 where all went well."""
    is_whole = "--whole" in arguments
    arguments = [each for each in arguments if each != "--whole"]
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    program = [str(Path(arguments[0]).resolve()) if Path(arguments[0]).exists() else arguments[0], *arguments[1:]]
    with tempfile.TemporaryDirectory(prefix="visionft-smoke-") as folder:
        try:
            use(program, Path(folder), is_whole=is_whole)
        except Failed as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    print("All of it works.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
