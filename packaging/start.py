"""Set VisionFT up in `.venv` and run it; everything it needs is Python 3.11 or newer.

    python3 packaging/start.py demo [ARGUMENTS]    run the main job on sample pictures (arguments of `visionft demo`)
    python3 packaging/start.py app [PROJECT]       open the window
    python3 packaging/start.py test [ARGUMENTS]    run the tests (arguments of pytest)

The first call installs; later ones start at once unless pyproject.toml or Python changed, or an NVIDIA GPU came in. A
computer without one gets the CPU builds of PyTorch and ONNX Runtime, which are gigabytes smaller (docs/install.md).
Works on Linux, Windows and macOS, with the standard library only, so it must not import anything of VisionFT.
"""

from __future__ import annotations  # so that an older Python still reaches the message in main()

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "visionft-setup.json"
OLDEST_PYTHON = (3, 11)
COMMANDS = ("demo", "app", "test")
# The two wheels of ONNX Runtime hold the same module: whichever came last would overwrite parts of the other.
DEPEND_ON_GPU = ("torch", "torchvision", "onnxruntime", "onnxruntime-gpu")


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
    elif installed.get("cuda", True) != wanted["cuda"]:
        pip("uninstall", "--yes", *DEPEND_ON_GPU)
    print("Installing VisionFT and what it needs (a few minutes the first time) ...", file=sys.stderr)
    pip("install", "pip>=25.1")  # the first that knows --group
    write_stamp(
        {"cuda": wanted["cuda"]}
    )  # unfinished, so that a call after a failure installs, and only what is missing
    install(cuda=bool(wanted["cuda"]), with_tests=bool(wanted["dev"]))
    write_stamp(wanted)


def install(*, cuda: bool, with_tests: bool) -> None:
    """Install VisionFT and what it needs on a computer with or without an NVIDIA GPU."""
    tools = ["--group", "dev"] if with_tests else []
    install_torch(cuda=cuda)
    if cuda:
        pip("install", "--editable", ".", *tools)
    else:  # pip can leave out no requirement of a package, so they are given one by one
        pip("install", *cpu_requirements(), *tools)
        pip("install", "--editable", ".", "--no-deps")


def state(*, with_tests: bool) -> dict[str, object]:
    """Describe the environment that the command needs; the stamp holds what was installed last.

    Development tools, once there, stay: `test` then `demo` must not ask for another installation. So do CUDA builds: a
    driver that is being updated, or a GPU that is switched off, must not cost gigabytes.
    """
    installed = read_stamp()
    project = (ROOT / "pyproject.toml").read_bytes()
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "pyproject": hashlib.sha256(project).hexdigest(),
        "root": str(ROOT),
        "dev": with_tests or installed.get("dev", False),
        "cuda": installed.get("cuda") is True or has_nvidia_gpu(),
    }


def read_stamp() -> dict[str, object]:
    """Return what was installed last; empty where nothing was or the note is damaged."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, object]) -> None:
    """Note what is installed."""
    STAMP.write_text(json.dumps(stamp, indent=2), encoding="utf-8")


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


def has_nvidia_gpu() -> bool:
    """Ask the NVIDIA driver, where there is one, whether it sees a GPU; starts no CUDA."""
    try:
        driver = ctypes.CDLL("nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1")
        count = ctypes.c_uint()
        is_known = driver.nvmlInit_v2() == 0 and driver.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0
    except (OSError, AttributeError):  # no driver, or a very old one
        return False
    return is_known and count.value > 0


def requirements() -> list[str]:
    """Return what pyproject.toml asks for."""
    import tomllib  # of Python 3.11: an older one still has to read this file

    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"].get("dependencies", [])


def cpu_requirements() -> list[str]:
    """Return the same for a computer without an NVIDIA GPU: ONNX Runtime without CUDA."""
    return [line.replace("onnxruntime-gpu", "onnxruntime") for line in requirements()]


def install_torch(*, cuda: bool) -> None:
    """Install the build of PyTorch that this computer needs where pip alone would take another; a failure is no end."""
    backend = torch_backend(cuda=cuda)
    if backend is None:
        return
    print(f"Fetching PyTorch for this computer ({backend}) ...", file=sys.stderr)
    try:
        uv("pip", "install", "--torch-backend", backend, *[line for line in requirements() if line.startswith("torch")])
    except (OSError, subprocess.CalledProcessError):
        print(
            "That did not work; PyTorch as pip offers it is taken instead. It may be larger, or know", file=sys.stderr
        )
        print("no GPU; everything else is the same.", file=sys.stderr)


def torch_backend(*, cuda: bool) -> str | None:
    """Return which build of PyTorch uv must find; None where pip finds the right one.

    By itself pip finds CUDA builds for Linux, CPU builds for Windows and the one build for macOS. Where pip was told of
    other places to look (a company's server, a folder of wheels), these decide: uv would not know them.
    """
    if chosen := os.environ.get("UV_TORCH_BACKEND"):
        return chosen
    needed = {("linux", False): "cpu", ("win32", True): "auto"}.get((sys.platform, cuda))
    return None if needed and pip_has_other_sources() else needed


def pip_has_other_sources() -> bool:
    """Tell whether pip's settings, in files or the environment, name other places to look for packages."""
    line = [*safe_python(), "-m", "pip", "config", "list"]
    settings = subprocess.run(line, capture_output=True, text=True, check=False).stdout
    names = {setting.partition("=")[0].rpartition(".")[2] for setting in settings.splitlines()}
    return not names.isdisjoint({"index-url", "extra-index-url", "find-links", "no-index"})


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


def uv(*arguments: str) -> None:
    """Run uv, which knows where PyTorch keeps its builds: the user's own, or one that is there only meanwhile."""
    own = shutil.which("uv")
    if own is None:
        pip("install", "uv")
    try:
        line = [own] if own else [*safe_python(), "-m", "uv"]
        environment = {**os.environ, "VIRTUAL_ENV": str(ENVIRONMENT)}
        subprocess.run([*line, *arguments, "--quiet"], check=True, stdout=sys.stderr, cwd=ROOT, env=environment)
    finally:
        if own is None:
            pip("uninstall", "--yes", "uv")


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
