"""`visionft doctor`: installed libraries, devices, and problems with advice.

Reads only; heavy libraries load inside the functions, and a broken one becomes a fault, never a crash. An ONNX Runtime
provider is usable only after a session has started on it: ONNX Runtime silently replaces some listed providers by the
CPU.

The support report has versions, devices and the log's newest lines. The user reads it before it is sent.
"""

import contextlib
import ctypes.util
import logging
import os
import platform
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

import visionft
from visionft import __version__
from visionft.core.amounts import memory_text, size_text
from visionft.core.devices import nvidia_gpus
from visionft.core.errors import NextStep
from visionft.core.foreign_text import without_secrets
from visionft.core.installation import has_small_runtime, is_frozen, refusal, requirements, version_of
from visionft.core.log import last_lines, log_file
from visionft.core.messages import Message

if TYPE_CHECKING:
    from visionft.core.devices import Device


logger = logging.getLogger(__name__)

Severity = Literal["error", "warning", "note"]
Version = tuple[int, ...]

_MIN_FREE_GB = 5.0
_OTHER_BUILD = "Use a program that was built with CUDA, or VisionFT installed with Python, and a current NVIDIA driver."
# System libraries that Qt and its X11 plugin load, with their Debian packages (a test compares). The window
# aborts if one is missing.
QT_LIBRARIES = {
    "EGL": "libegl1",
    "GL": "libgl1",
    "X11": "libx11-6",
    "X11-xcb": "libx11-xcb1",
    "atomic": "libatomic1",
    "dbus-1": "libdbus-1-3",
    "fontconfig": "libfontconfig1",
    "freetype": "libfreetype6",
    "glib-2.0": "libglib2.0-0",
    "xcb": "libxcb1",
    "xcb-cursor": "libxcb-cursor0",
    "xcb-icccm": "libxcb-icccm4",
    "xcb-image": "libxcb-image0",
    "xcb-keysyms": "libxcb-keysyms1",
    "xcb-randr": "libxcb-randr0",
    "xcb-render": "libxcb-render0",
    "xcb-render-util": "libxcb-render-util0",
    "xcb-shape": "libxcb-shape0",
    "xcb-shm": "libxcb-shm0",
    "xcb-sync": "libxcb-sync1",
    "xcb-util": "libxcb-util1",
    "xcb-xfixes": "libxcb-xfixes0",
    "xcb-xkb": "libxcb-xkb1",
    "xkbcommon": "libxkbcommon0",
    "xkbcommon-x11": "libxkbcommon-x11-0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A problem or note with its suggested action."""

    severity: Severity
    message: str
    advice: str
    next_step: NextStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The result of `diagnose`.

    Attributes:
        libraries: Version of each required library; None where it is not installed.
        providers: ONNX Runtime's providers, and whether a session starts on each.
        free_disk_gb: Free space of the current folder's disk.
        log: The log file of window and command line.
    """

    visionft: str
    python: str
    system: str
    libraries: dict[str, str | None]
    devices: tuple["Device", ...]
    providers: dict[str, bool]
    sqlite: str
    free_disk_gb: float
    log: Path
    problems: tuple[Fault, ...]


def diagnose() -> Diagnosis:
    """Look at everything; takes some seconds, because torch and ONNX Runtime have to load."""
    libraries = library_versions()
    faults = [*library_faults(libraries), *sqlite_faults(sqlite3.sqlite_version), *qt_faults()]
    devices: tuple[Device, ...] = ()
    try:
        from visionft.core.devices import list_devices

        devices = list_devices()
    except Exception as error:  # a broken torch fails in many ways, and to find out is what this is for
        faults.append(_broken("PyTorch", error))
    providers: dict[str, bool] = {}
    try:
        import onnxruntime

        providers = {name: provider_works(name) for name in onnxruntime.get_available_providers()}
    except Exception as error:  # as above
        faults.append(_broken("ONNX Runtime", error))
    faults += gpu_faults(devices, providers)
    free_disk_gb = round(shutil.disk_usage(Path.cwd()).free / 1e9, 1)
    faults += disk_faults(free_disk_gb) + offline_faults()
    order: list[Severity] = ["error", "warning", "note"]
    return Diagnosis(
        visionft=__version__,
        python=platform.python_version(),
        system=platform.platform(),
        libraries=libraries,
        devices=devices,
        providers=providers,
        sqlite=sqlite3.sqlite_version,
        free_disk_gb=free_disk_gb,
        log=log_file(),
        problems=tuple(sorted(faults, key=lambda fault: order.index(fault.severity))),
    )


def describe(diagnosis: Diagnosis, *, word_step: Callable[[NextStep], str] | None = None) -> str:
    """Return the diagnosis as text for a person, the faults last; `word_step` words the next step of each."""

    def fault_text(fault: Fault) -> str:
        lines = [f"  {fault.severity}: {fault.message}", f"    {fault.advice}"]
        if word_step is not None and fault.next_step is not None:
            lines.append(f"    {word_step(fault.next_step)}")
        return "\n".join(lines)

    versions = [f"  {name:<26}{version or 'not installed'}" for name, version in diagnosis.libraries.items()]
    devices = [f"  {d.kind}:{d.index}  {d.name}, {memory_text(d.memory_mb)}, {d.precision}" for d in diagnosis.devices]
    providers = [f"  {name:<26}{'usable' if ok else 'not usable'}" for name, ok in diagnosis.providers.items()]
    faults = [fault_text(fault) for fault in diagnosis.problems] or ["  none"]
    lines = [
        f"VisionFT {diagnosis.visionft}, Python {diagnosis.python}, {diagnosis.system}",
        f"SQLite {diagnosis.sqlite}, {size_text(diagnosis.free_disk_gb * 1e9)} free here",
        *("Libraries", *versions, "Devices", *devices, "ONNX Runtime providers", *providers),
        *("Log", f"  {diagnosis.log}", "Problems", *faults),
    ]
    return "\n".join(lines)


# --- Libraries -----------------------------------------------------------------------------------------------------


def library_versions() -> dict[str, str | None]:
    """Return the version of every required library on this system."""
    return {_name(line): version_of(_name(line)) for line in requirements()}


def library_faults(libraries: dict[str, str | None]) -> list[Fault]:
    """Return missing and outdated libraries and conflicting wheels."""
    faults: list[Fault] = []
    if version_of("onnxruntime") and version_of("onnxruntime-gpu"):  # in one folder, the last has overwritten the other
        message = Message("Both onnxruntime and onnxruntime-gpu are installed; they overwrite each other.")
        advice = "Uninstall both with pip, then install one: onnxruntime-gpu for an NVIDIA GPU, else onnxruntime."
        faults.append(Fault(severity="error", message=message, advice=advice))
    for name in ("opencv-python", "opencv-contrib-python"):
        if version_of(name):
            message = Message("{name} is installed; its own Qt plugins can keep the window from opening.", name=name)
            advice = f"Run: pip uninstall {name} opencv-python-headless, then: pip install opencv-python-headless"
            faults.append(Fault(severity="warning", message=message, advice=advice))
    for line in requirements():
        name = _name(line)
        floor = re.search(r">=([\d.]+)", line)
        found = libraries.get(name)
        if found is None:
            faults.append(_library_fault(f"{name} is not installed.", line))
        elif floor and _parts(found) < _parts(floor[1]):
            faults.append(_library_fault(f"{name} {found} is older than {floor[1]}, the oldest that works.", line))
    return faults


def _library_fault(message: str, requirement: str) -> Fault:
    if refused := refusal(requirement):
        return Fault(severity="error", message=message, advice=refused.hint)
    step = NextStep("install", requirement=requirement)
    return Fault(severity="error", message=message, advice=f"Install {requirement} with pip.", next_step=step)


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _parts(version: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))[:3]


# --- System --------------------------------------------------------------------------------------------------------


def sqlite_faults(version: str) -> list[Fault]:
    """Return a note where SQLite has the WAL-reset bug (sqlite.org/wal.html#walresetbug)."""
    number = _parts(version)
    fixed = number >= (3, 51, 3) or (3, 50, 7) <= number < (3, 51) or (3, 44, 6) <= number < (3, 45)
    if fixed:
        return []
    message = f"SQLite {version} has the WAL-reset bug. VisionFT avoids it: one connection does all writing."
    advice = (
        "Do not write to a project's database with another program while it is open; 3.51.3 or newer is free of it."
    )
    return [Fault(severity="note", message=message, advice=advice)]


def disk_faults(free_gb: float) -> list[Fault]:
    """Return a warning where checkpoints and exports may not fit."""
    if free_gb >= _MIN_FREE_GB:
        return []
    message = f"Only {free_gb:.1f} GB are free here; runs and exports need room for several copies of a model."
    return [Fault(severity="warning", message=message, advice="Free some space or keep the project on another disk.")]


def offline_faults() -> list[Fault]:
    """Return a note on offline mode: missing weights cannot be downloaded."""
    from visionft.core.offline import offline_reason

    if not (reason := offline_reason()):
        return []
    advice = "Nothing is wrong with that; weights can be imported as files."
    return [Fault(severity="note", message=reason, advice=advice, next_step=NextStep("import_weights"))]


def qt_faults() -> list[Fault]:
    """Return the window's missing system libraries on a minimal Linux."""
    if sys.platform != "linux":
        return []
    brought = {file.name.partition(".so")[0] for file in Path(sys.prefix).glob("lib*.so*")} if is_frozen() else set()
    missing = [
        package
        for name, package in QT_LIBRARIES.items()
        if f"lib{name}" not in brought and ctypes.util.find_library(name) is None
    ]
    if not missing:
        return []
    message = f"The window may not open: the system lacks {', '.join(missing)}."
    return [Fault(severity="warning", message=message, advice=f"Run: sudo apt install {' '.join(missing)}")]


# --- What can compute ----------------------------------------------------------------------------------------------


def provider_works(name: str) -> bool:
    """Start a session of one tiny model on a provider and see whether ONNX Runtime kept it there.

    The CUDA libraries of torch's wheels are loaded before. ONNX Runtime prints messages on missing ones to stdout,
    which is reserved for results.
    """
    import onnxruntime
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [1, 4]) for each in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnxruntime.set_default_logger_severity(4)
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            onnxruntime.preload_dlls()
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=[name])
    except Exception as error:
        logger.debug("%s: %s", name, error)
        return False
    finally:
        onnxruntime.set_default_logger_severity(2)
    return name in session.get_providers()


def gpu_faults(devices: tuple["Device", ...], providers: dict[str, bool]) -> list[Fault]:
    """Return a fault for each library that leaves an NVIDIA GPU unused; `providers` come from ONNX Runtime."""
    from visionft.core.devices import has_nvidia_gpu

    if not has_nvidia_gpu():
        return []
    faults: list[Fault] = []
    if devices and not any(device.kind == "cuda" for device in devices):
        message = f"There is an NVIDIA GPU, but PyTorch {version_of('torch')} cannot use it."
        advice = "Install a CUDA build of torch and torchvision (pytorch.org says which) and a current NVIDIA driver."
        faults.append(Fault(severity="warning", message=message, advice=_OTHER_BUILD if is_frozen() else advice))
    if providers and not providers.get("CUDAExecutionProvider"):
        message = "There is an NVIDIA GPU, but ONNX Runtime predicts on the CPU."
        advice = (
            "It needs the CUDA and cuDNN libraries of its own major version: pip install onnxruntime-gpu[cuda,cudnn]"
        )
        if has_small_runtime():
            advice = "Run: pip uninstall onnxruntime, then: pip install onnxruntime-gpu[cuda,cudnn]"
        faults.append(Fault(severity="warning", message=message, advice=_OTHER_BUILD if is_frozen() else advice))
    return faults


def _broken(library: str, error: Exception) -> Fault:
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    afresh = "Delete the .venv folder and run packaging/start.py again, which installs everything afresh."
    advice = Message("Install VisionFT again.") if is_frozen() else afresh
    message = Message("{name} cannot be used here: {reason}", name=library, reason=text)
    return Fault(severity="error", message=message, advice=advice)


LOG_LINE_COUNT, MAX_LOG_LINE_CHARACTERS = 200, 2000


def report_text(trace: str = "", *, toolkit: str = "") -> str:
    """Return the report, with `~` for the user's folder.

    Args:
        trace: The traceback of the reported bug; empty for none.
        toolkit: The window's toolkit with its version.
    """
    told = [trace.rstrip(), ""] if trace else []
    words = [
        *_facts(toolkit),
        "",
        *told,
        "Log",
        *(f"  {line[:MAX_LOG_LINE_CHARACTERS]}" for line in last_lines(LOG_LINE_COUNT)),
    ]
    return without_secrets("\n".join(words)).replace(str(Path.home()), "~")


def _facts(toolkit: str) -> list[str]:
    memory = f"{size_text(psutil.virtual_memory().total)} memory"
    processor = f"{platform.processor() or platform.machine()}, {psutil.cpu_count() or 1} cores"
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in library_versions().items())
    program = f"VisionFT {visionft.__version__}, Python {platform.python_version()}"
    return [
        ", ".join([program, *([toolkit] if toolkit else []), platform.platform()]),
        f"Computer: {processor}, {memory}; GPU: {', '.join(nvidia_gpus()) or 'none of NVIDIA'}",
        f"Libraries: {versions}",
    ]
