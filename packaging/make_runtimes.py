"""Fetch the JavaScript runtimes of exported files by npm: for the tests, or for the page of an export.

    python packaging/make_runtimes.py [FOLDER]            for the tests, into build/runtimes (about 470 MB)
    .venv/bin/python packaging/make_runtimes.py --web     ONNX Runtime for browsers, into resources/web_runtime (42 MB)

The tests marked slow look in build/runtimes, or in the folder of VISIONFT_RUNTIMES, and are skipped for missing
runtimes. An export for a web page takes resources/web_runtime along, and so do wheels and installers built afterwards.
Needs Node.js 20.9 or newer with npm. The page is tested in Chromium where `chromium` or CHROMIUM names one. No script
of a package is run.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = Path(__file__).with_name("runtimes")
ROOT = Path(__file__).resolve().parents[1]
FOLDER, WEB_FOLDER = ROOT / "build" / "runtimes", ROOT / "resources" / "web_runtime"
NOTICES = {"LICENSE": "LICENSE.txt", "ThirdPartyNotices.txt": "ThirdPartyNotices.txt"}


def main(arguments: list[str]) -> int:
    """Install the packages of `packaging/runtimes` and return npm's exit code."""
    if arguments == ["--web"]:
        with tempfile.TemporaryDirectory(prefix="visionft-runtimes-") as folder:
            return install(Path(folder), "--omit=dev") or gather_web_runtime(Path(folder))
    return install(Path(arguments[0]) if arguments else FOLDER)


def install(folder: Path, *options: str) -> int:
    """Install what the lock file names into a folder; return npm's exit code."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not installed: it comes with Node.js 20.9 or newer.", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(PACKAGES / name, folder / name)
    done = subprocess.run([npm, "ci", *options], cwd=folder, check=False)
    if done.returncode == 0:
        print(f"The runtimes are in {folder}.")
    return done.returncode


def gather_web_runtime(folder: Path) -> int:
    """Copy the page's files, with the licences that the wheel of ONNX Runtime has and npm's package lacks."""
    sys.path.insert(0, str(ROOT))
    from visionft.export.sample_programs import RUNTIME_FILES

    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or not spec.submodule_search_locations:
        print("The licence of ONNX Runtime comes from its wheel: start this by .venv/bin/python.", file=sys.stderr)
        return 2
    wheel, script = Path(spec.submodule_search_locations[0]), folder / "node_modules" / "onnxruntime-web" / "dist"
    sources = {name: script / name for name in RUNTIME_FILES} | {name: wheel / own for own, name in NOTICES.items()}
    shutil.rmtree(WEB_FOLDER, ignore_errors=True)
    WEB_FOLDER.mkdir()
    for name, source in sources.items():
        shutil.copyfile(source, WEB_FOLDER / name)
    print(f"ONNX Runtime for browsers is in {WEB_FOLDER}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
