"""Set VisionFT up in `.venv` and run it; everything it needs is Python 3.11 or newer.

    python3 packaging/start.py demo [ARGUMENTS]    run the main job on sample pictures (arguments of `visionft demo`)
    python3 packaging/start.py app [PROJECT]       open the window
    python3 packaging/start.py test [ARGUMENTS]    run the tests (arguments of pytest)

The first call installs; later ones start at once unless pyproject.toml or Python changed. Works on Linux, Windows and
macOS, with the standard library only, so it must not import anything of VisionFT.
"""

from __future__ import annotations  # so that an older Python still reaches the message in main()

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "visionft-setup.json"
OLDEST_PYTHON = (3, 11)
COMMANDS = ("demo", "app", "test")


def main(arguments: list[str]) -> int:
    """Install what the command needs, run it, and return its exit code."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"VisionFT needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer; this is {found}.", file=sys.stderr)
        print("Install a newer one from python.org and start this file with it.", file=sys.stderr)
        return 2
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    command, *rest = arguments
    try:
        prepare(with_tests=command == "test")
    except subprocess.CalledProcessError as error:
        print(f"Setting up {ENVIRONMENT} failed: see the messages above.", file=sys.stderr)
        print(
            "Check the network and the free disk space (on Debian and Ubuntu also that python3-venv is", file=sys.stderr
        )
        print("installed), then run the same command again.", file=sys.stderr)
        return error.returncode or 1
    return run(command_line(command, rest))


def prepare(*, with_tests: bool) -> None:
    """Make `.venv` hold VisionFT, and its development tools for the tests; quick when nothing changed."""
    wanted = state(with_tests=with_tests)
    installed = read_stamp()
    if is_current(installed, wanted):
        return
    if not is_usable(installed, wanted):
        print(f"Making {ENVIRONMENT} ...", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True, clear=True, symlinks=os.name != "nt")
    print("Installing VisionFT and what it needs (a few minutes the first time) ...", file=sys.stderr)
    STAMP.unlink(missing_ok=True)
    pip("install", "pip>=25.1")  # the first that knows --group
    pip("install", "--editable", ".", *(["--group", "dev"] if wanted["dev"] else []))
    STAMP.write_text(json.dumps(wanted, indent=2), encoding="utf-8")


def state(*, with_tests: bool) -> dict[str, object]:
    """Describe the environment that the command needs; the stamp holds what was installed last.

    Development tools, once there, stay: `test` then `demo` must not ask for another installation.
    """
    project = (ROOT / "pyproject.toml").read_bytes()
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "pyproject": hashlib.sha256(project).hexdigest(),
        "root": str(ROOT),
        "dev": with_tests or read_stamp().get("dev", False),
    }


def read_stamp() -> dict[str, object]:
    """Return what was installed last; empty where nothing was or the note is damaged."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_current(installed: dict[str, object], wanted: dict[str, object]) -> bool:
    """Tell whether the environment already is what the command needs."""
    return installed == wanted and python_in_venv().exists()


def is_usable(installed: dict[str, object], wanted: dict[str, object]) -> bool:
    """Tell whether an environment is there that can be installed into: same place, same Python, pip included."""
    if installed.get("root", wanted["root"]) != wanted["root"] or not python_in_venv().exists():
        return False
    question = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([*safe_python(), "-c", question], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == wanted["python"]


def python_in_venv() -> Path:
    """Return the environment's own interpreter."""
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def safe_python() -> list[str]:
    """Return how that interpreter is called: files in the current folder, whatever their names, must not run."""
    return [str(python_in_venv()), "-P"]


def pip(*arguments: str) -> None:
    """Run pip of the environment; its chatter goes to stderr, so that stdout stays the command's own."""
    line = [*safe_python(), "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet"]
    subprocess.run(line, check=True, stdout=sys.stderr, cwd=ROOT)


def command_line(command: str, rest: list[str]) -> list[str]:
    """Return the command to run in the environment."""
    module = ["pytest"] if command == "test" else ["visionft", command]
    return [*safe_python(), "-m", *module, *rest]


def run(line: list[str]) -> int:
    """Run the command and return its exit code; tests run at the project's root, everything else where the user is."""
    cwd = ROOT if "pytest" in line else None
    process = subprocess.Popen(line, cwd=cwd)
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code  # ended by a signal: what a shell would report
        except KeyboardInterrupt:  # Ctrl-C reaches the command as well: let it stop in its own way
            continue


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
