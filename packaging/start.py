r"""Set VisionFT up in `.venv` and run it; everything it needs is Python 3.11 or newer.

    python3 packaging/start.py demo [ARGUMENTS]    run the main job on sample images (arguments of `visionft demo`)
    python3 packaging/start.py app [PROJECT]       open the window
    python3 packaging/start.py test                run the tests, without the long proofs, on every core
    python3 packaging/start.py test ARGUMENTS      run pytest with these arguments: `tests` runs all, one after another

On Windows: py packaging\start.py. The first call installs; later ones start at once unless pyproject.toml or Python
changed, or an NVIDIA GPU came in. A computer without one gets the CPU builds of PyTorch and ONNX Runtime, which are
gigabytes smaller (docs/install.md). Works on Linux, Windows and macOS, with the standard library only, so it must not
import anything of VisionFT.
"""

from __future__ import annotations  # so an older Python still reaches the message in main()

import ctypes
import errno
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "visionft-setup.json"
OLDEST_PYTHON, NEWEST_TRIED = (3, 11), (3, 14)
COMMANDS = ("demo", "app", "test")
IN_MEMORY = Path("/dev/shm")  # Linux's folder in memory
# Each process takes about a GiB.
QUICK_TESTS = ("-m", "not slow", "-n", "logical", "--maxprocesses", "4", "--dist", "worksteal")
# The two wheels of ONNX Runtime hold the same module: whichever came last would overwrite parts of the other.
DEPEND_ON_GPU = ("torch", "torchvision", "onnxruntime", "onnxruntime-gpu")


class CannotSetUpError(Exception):
    """VisionFT cannot be installed on this computer or Python; the text says what is needed."""


def main(arguments: list[str]) -> int:
    """Install the requirements of the command, run it, and return its exit code."""
    try:
        require_suitable_python()
        if not arguments or arguments[0] not in COMMANDS:
            say(str(__doc__))
            return 2
        command, *rest = arguments
        prepare(with_tests=command == "test")
        compile_translations()
    except CannotSetUpError as error:
        say(str(error))
        return 2
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        say(explanation(error))
        return getattr(error, "returncode", 0) or 1
    except KeyboardInterrupt:
        say("Stopped. The same command goes on with it.")
        return 130
    return run(command_line(command, rest))


def say(text: str) -> None:
    """Tell the person; stdout is the command's own."""
    print(text, file=sys.stderr)


def require_suitable_python() -> None:
    """Check that VisionFT and its libraries exist for this Python.

    Raises:
        CannotSetUpError: It is too old, or made for another system than those libraries.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise CannotSetUpError(
            f"VisionFT needs Python {dotted(OLDEST_PYTHON)} or newer; this is {dotted(sys.version_info[:3])}.\n"
            "Install a newer one from python.org and start this file with it."
        )
    made_for = sysconfig.get_platform()
    if sys.platform == "win32" and made_for != "win-amd64":  # 32 bits, ARM, MSYS2
        raise CannotSetUpError(
            f"VisionFT needs a Python for 64-bit Windows on x86-64; this one is for {made_for}.\n"
            "Install that one from python.org, also on a computer with an ARM processor, and start this file with it."
        )
    if sys.platform == "darwin" and platform.machine() != "arm64":
        raise CannotSetUpError(
            "VisionFT needs a Mac with a processor of Apple's own, and a Python for it: this one is for Intel's,\n"
            "for which PyTorch is no longer made. Install Python from python.org and start this file with it."
        )


def dotted(version: tuple[int, ...]) -> str:
    """Return a version with dots between its numbers."""
    return ".".join(map(str, version))


def explanation(error: Exception) -> str:
    """Return the known reason for a failed setup, and possible remedies."""
    return "\n".join([f"Setting up {ENVIRONMENT} failed: {reason_of(error).rstrip('.')}.", *advice(error)])


def reason_of(error: Exception) -> str:
    """Return the text of an error; for the silent process in which venv installs pip, pip's own output."""
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    said = (error.output or b"").decode(errors="replace").strip().splitlines()
    return "\n".join([line for line in said if line.startswith("ERROR")] or said) or "see the messages above"


def advice(error: Exception) -> list[str]:
    """Return possible problems on this computer."""
    if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS) and os.name != "nt":
        return ["Put the folder of VisionFT where you may write, such as your home, on a disk that can hold links."]
    free = f"{shutil.disk_usage(ROOT).free / 1e9:.1f} GB are free there"
    lines = [
        "Check the network and the free disk space, then run the same command again: it goes on where it ended.",
        f"{free}; VisionFT takes 2 GB, with CUDA 7 GB, and as much in {tempfile.gettempdir()} meanwhile.",
    ]
    if os.name == "nt":
        lines.append(
            r"Close VisionFT where it is open, and put its folder where the path is short, such as C:\VisionFT."
        )
    if sys.version_info[:2] > NEWEST_TRIED:
        lines.append(f"Python {dotted(sys.version_info[:2])} may be too new for PyTorch: {dotted(NEWEST_TRIED)} works.")
    if sys.platform == "linux" and platform.machine() != "x86_64":
        lines.append("On this processor openTSNE is compiled: sudo apt install build-essential python3-dev")
    return lines


def prepare(*, with_tests: bool) -> None:
    """Make `.venv` hold VisionFT, and its development tools for the tests; quick when nothing changed."""
    required = required_environment(with_tests=with_tests)
    installed = read_stamp()
    if is_current(installed, required):
        return
    if not is_usable(installed, required):
        make_environment()
    elif installed.get("cuda", True) != required["cuda"]:
        pip("uninstall", "--yes", "--quiet", *DEPEND_ON_GPU)
    say("Installing VisionFT and what it needs (a few minutes the first time) ...")
    pip("install", "pip>=25.1")  # the first with --group
    write_stamp({"cuda": required["cuda"]})  # unfinished: a call after a failure installs only the missing packages
    install(cuda=bool(required["cuda"]), with_tests=bool(required["dev"]))
    write_stamp(required)


def compile_translations() -> None:
    """Compile the translations of the window that changed since the last call."""
    sys.path.insert(0, str(ROOT / "packaging"))
    from translations import compile_stale  # of Python 3.11

    compile_stale()


def make_environment() -> None:
    """Make `.venv` with this Python, replacing an existing one.

    Raises:
        CannotSetUpError: venv is missing: Debian and Ubuntu have it in a separate package.
    """
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python{dotted(sys.version_info[:2])}-venv"
        raise CannotSetUpError(f"This Python cannot make environments yet. Run: sudo apt install {package}")
    say(f"Making {ENVIRONMENT} {'anew ' if ENVIRONMENT.exists() else ''}...")
    venv.create(ENVIRONMENT, with_pip=True, clear=True, symlinks=os.name != "nt")


def install(*, cuda: bool, with_tests: bool) -> None:
    """Install VisionFT and its requirements on a computer with or without an NVIDIA GPU."""
    tools = ["--group", "dev"] if with_tests else []
    install_torch(cuda=cuda)
    if cuda:
        pip("install", "--editable", ".", *tools)
    else:  # pip cannot exclude single requirements of a package, so they are listed
        pip("install", *cpu_requirements(), *tools)
        pip("install", "--editable", ".", "--no-deps")


def required_environment(*, with_tests: bool) -> dict[str, object]:
    """Describe the environment that `test` or `demo` needs; the stamp describes the installed one.

    Installed development tools are kept, so that `test` followed by `demo` does not install anything. CUDA builds are
    kept too, so that a driver update or a GPU that is switched off does not cause a download of gigabytes.
    """
    installed = read_stamp()
    project = (ROOT / "pyproject.toml").read_bytes()
    return {
        "python": dotted(sys.version_info[:2]),
        "platform": sysconfig.get_platform(),  # a home may be shared by computers of several kinds
        "pyproject": hashlib.sha256(project).hexdigest(),
        "root": str(ROOT),
        "dev": with_tests or installed.get("dev", False),
        "cuda": installed.get("cuda") is True or has_nvidia_gpu(),
    }


def read_stamp() -> dict[str, object]:
    """Return the state of the last installation; empty if its file is missing or damaged."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, object]) -> None:
    """Save the installed state."""
    STAMP.write_text(json.dumps(stamp, indent=2), encoding="utf-8")


def is_current(installed: dict[str, object], required: dict[str, object]) -> bool:
    """Return whether the environment needs no installation for the command."""
    return installed == required and os.access(python_in_venv(), os.X_OK)


def is_usable(installed: dict[str, object], required: dict[str, object]) -> bool:
    """Return whether an existing environment can be reused: same location, Python version and platform, with pip."""
    if installed.get("root", required["root"]) != required["root"] or not python_in_venv().exists():
        return False
    probe = "import pip, sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_platform())"
    try:
        result = subprocess.run([*isolated_python(), "-c", probe], capture_output=True, text=True, check=False)
    except OSError:  # created on another computer, so that its Python cannot run
        return False
    return result.stdout.strip() == f"{required['python']} {required['platform']}"


def has_nvidia_gpu() -> bool:
    """Return whether the NVIDIA driver sees a GPU, without initialising CUDA."""
    try:
        driver = ctypes.CDLL("nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1")
        count = ctypes.c_uint()
        is_known = driver.nvmlInit_v2() == 0 and driver.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0
    except (OSError, AttributeError):  # no driver, or a very old one
        return False
    return is_known and count.value > 0


def requirements() -> list[str]:
    """Return the requirements in pyproject.toml."""
    import tomllib  # new in Python 3.11; older versions must still be able to load this file

    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"].get("dependencies", [])


def cpu_requirements() -> list[str]:
    """Return the requirements for a computer without an NVIDIA GPU, with ONNX Runtime for the CPU."""
    return [line.replace("onnxruntime-gpu", "onnxruntime") for line in requirements()]


def install_torch(*, cuda: bool) -> None:
    """Install the PyTorch build for this computer if pip alone would choose another one; a failure is not fatal."""
    backend = torch_backend(cuda=cuda)
    if backend is None:
        return
    say(f"Fetching PyTorch for this computer ({backend}) ...")
    try:
        uv("pip", "install", "--torch-backend", backend, *[line for line in requirements() if line.startswith("torch")])
    except (OSError, subprocess.CalledProcessError):
        say("That did not work; PyTorch as pip offers it is taken instead. It may be larger, or know no GPU;")
        say("everything else is the same.")


def torch_backend(*, cuda: bool) -> str | None:
    """Return the torch backend to pass to uv, or None if pip alone installs the right build.

    By default pip installs CUDA builds on Linux, CPU builds on Windows and the only build on macOS. If pip's settings
    name other package sources (a company's server, a folder of wheels), pip is used, because uv does not read these
    settings. The environment variable UV_TORCH_BACKEND takes precedence.
    """
    chosen = os.environ.get("UV_TORCH_BACKEND")
    if chosen:
        return chosen
    backend = {("linux", False): "cpu", ("win32", True): "auto"}.get((sys.platform, cuda))
    return None if backend and pip_has_other_sources() else backend


def pip_has_other_sources() -> bool:
    """Return whether pip's settings, in files or the environment, name other package sources."""
    line = [*isolated_python(), "-m", "pip", "config", "list"]
    settings = subprocess.run(line, capture_output=True, text=True, check=False, cwd=ROOT).stdout
    names = {setting.partition("=")[0].rpartition(".")[2] for setting in settings.splitlines()}
    return not names.isdisjoint({"index-url", "extra-index-url", "find-links", "no-index"})


def python_in_venv() -> Path:
    """Return the path of the environment's interpreter."""
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def isolated_python() -> list[str]:
    """Return the command of the environment's interpreter in isolated mode.

    It ignores files in the current folder, PYTHONPATH and the user's site-packages.
    """
    return [str(python_in_venv()), "-I"]


def pip(*arguments: str) -> None:
    """Run pip in the environment; its messages go to stderr, because stdout belongs to the command."""
    line = [*isolated_python(), "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet"]
    into_environment = {**os.environ, "PIP_USER": "0"}  # some systems are configured to install for the user
    subprocess.run(line, check=True, stdout=sys.stderr, cwd=ROOT, env=into_environment)


def uv(*arguments: str) -> None:
    """Run the newest uv, which knows PyTorch's package indexes; it is installed only for this call."""
    pip("install", "uv")
    try:
        line = [*isolated_python(), "-m", "uv", *arguments, "--python", str(python_in_venv())]
        subprocess.run(line, check=True, stdout=sys.stderr, cwd=ROOT)
    finally:
        pip("uninstall", "--yes", "uv")


def command_line(command: str, rest: list[str]) -> list[str]:
    """Return the command to run in the environment; only `test` reads Python's environment variables."""
    if command == "test":
        return [str(python_in_venv()), "-P", *utf8(), "-m", "pytest", *(rest or QUICK_TESTS)]
    return [*isolated_python(), *utf8(), "-m", "visionft", command, *rest]


def utf8() -> list[str]:
    """Return the option for Windows to find the program in a folder with a non-ASCII name.

    The editable installation stores the folder in UTF-8; Python before 3.13 reads it in the encoding of the system.
    """
    return ["-X", "utf8"] if os.name == "nt" else []


def run(line: list[str]) -> int:
    """Run the command and return its exit code; tests run at the project's root, everything else where the user is."""
    if "pytest" not in line:
        return wait_for(subprocess.Popen(line))
    with environment_of_tests() as environment:
        return wait_for(subprocess.Popen(line, cwd=ROOT, env=environment))


def wait_for(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a command once it has ended."""
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code  # ended by a signal: the code of a shell
        except KeyboardInterrupt:  # Ctrl-C reaches the command as well: let it stop in its own way
            continue


@contextmanager
def environment_of_tests() -> Iterator[dict[str, str]]:
    """Yield the environment variables for the tests: temporary files lie in memory where there is room.

    Most of the time of a store's test is spent waiting for a disk to sync. No test can see the difference (a kill loses
    no written data; power cuts are simulated).
    """
    has_room = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free >= 4 * 2**30
    if "TMPDIR" in os.environ or not has_room:
        yield {**os.environ}
        return
    with tempfile.TemporaryDirectory(prefix="visionft-tests-", dir=IN_MEMORY, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # some tests work in it as a user without rights
        yield {**os.environ, "TMPDIR": folder}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
