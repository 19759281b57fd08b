"""Build the wheel, install it outside the source tree, and test it: `.venv/bin/python packaging/check_wheel.py`.

It needs no network: this environment's hatchling builds the wheel, and the new environment uses the libraries of this
one. Prints the size of the wheel and its largest folders. `--quick` skips the smoke test (packaging/smoke.py), which
takes minutes.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("visionft", "gui", "models", "resources")


def main(arguments: list[str]) -> int:
    """Build, install and test the wheel; return 0 on success."""
    with tempfile.TemporaryDirectory(prefix="visionft-wheel-") as temporary:
        folder = Path(temporary)
        wheel = build(folder / "dist")
        print_summary(wheel)
        program = install(wheel, folder / "environment")
        foreign = [line for line in installed_files(program) if Path(line).is_relative_to(ROOT)]
        if foreign:
            print(f"FAILED: loaded from the sources: {foreign}", file=sys.stderr)
            return 1
        if "--quick" in arguments:
            return 0
        return subprocess.run([sys.executable, ROOT / "packaging" / "smoke.py", program], check=False).returncode


def build(folder: Path) -> Path:
    """Build the wheel into `folder` with hatchling alone."""
    from hatchling.builders.wheel import WheelBuilder

    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))


def print_summary(wheel: Path) -> None:
    """Print the wheel's size and hash, and the compressed size of its largest folders."""
    with zipfile.ZipFile(wheel) as archive:
        sizes: Counter[str] = Counter()
        for entry in archive.infolist():
            sizes["/".join(entry.filename.split("/")[:3])] += entry.compress_size
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, SHA-256 {sha256(wheel)}")
    for name, size in sizes.most_common(6):
        print(f"{size / 1e6:9.1f} MB  {name}")


def sha256(file: Path) -> str:
    """Return the hash of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def install(wheel: Path, environment: Path) -> Path:
    """Install the wheel into a new environment with access to this one's libraries; return its command `visionft`."""
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / ("python.exe" if os.name == "nt" else "python")
    line = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*line, "--disable-pip-version-check", str(wheel)], check=True)
    site_packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # The .pth files of folders added to the path, such as an editable VisionFT's, are not read.
    libraries = [path for path in sys.path if Path(path).name == "site-packages"]
    (Path(site_packages) / "libraries.pth").write_text("\n".join(libraries), encoding="utf-8")
    return binaries / ("visionft.exe" if os.name == "nt" else "visionft")


def installed_files(program: Path) -> list[str]:
    """Return the file of each package of an installed VisionFT, then of the module of its desktop entry point."""
    script = (
        "import sys, importlib, importlib.metadata as m; "
        f"[print(importlib.import_module(name).__file__) for name in {PACKAGES!r}]; "
        "(entry,) = {e.value: e for e in m.entry_points(group='visionft.apps')}.values(); "
        "print(sys.modules[entry.load().__module__].__file__)"
    )
    python = program.with_name("python" + program.suffix)
    command = [python, "-P", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=program.parent).stdout.splitlines()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
