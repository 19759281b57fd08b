"""The doctor: true about this computer; each known problem is found and comes with advice."""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import pytest

from visionft.core import doctor, installation
from visionft.core.devices import Device
from visionft.core.doctor import describe, diagnose


def test_the_diagnosis_is_true_and_fits_into_json(capfd: pytest.CaptureFixture[str]) -> None:
    diagnosis = diagnose()

    assert capfd.readouterr().out == ""
    assert diagnosis.libraries["torch"] == metadata.version("torch")
    assert diagnosis.libraries["pillow"] == metadata.version("pillow")
    assert diagnosis.devices[-1].kind == "cpu"
    assert diagnosis.devices[-1].memory_mb > 0
    assert diagnosis.providers["CPUExecutionProvider"] is True
    assert diagnosis.free_disk_gb > 0
    assert all(fault.message and fault.advice for fault in diagnosis.problems)
    assert json.loads(json.dumps(asdict(diagnosis), default=str))["sqlite"] == diagnosis.sqlite
    text = describe(diagnosis)
    assert metadata.version("timm") in text
    assert all(fault.advice in text for fault in diagnosis.problems)


def test_a_provider_that_is_listed_but_does_not_start_is_not_usable(capfd: pytest.CaptureFixture[str]) -> None:
    import onnxruntime

    assert doctor.provider_works("CPUExecutionProvider")
    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        assert not doctor.provider_works("TensorrtExecutionProvider")  # its libraries are no dependency of ours
    assert not doctor.provider_works("NoSuchExecutionProvider")
    assert capfd.readouterr().out == ""


def test_sqlite_with_the_wal_reset_bug_is_noted() -> None:
    for version in ("3.7.0", "3.44.5", "3.45.0", "3.46.1", "3.50.4", "3.50.6", "3.51.0", "3.51.2"):
        (fault,) = doctor.sqlite_faults(version)
        assert version in fault.message and "3.51.3" in fault.advice
    for version in ("3.44.6", "3.44.9", "3.50.7", "3.51.3", "3.53.0", "4.0.0"):
        assert doctor.sqlite_faults(version) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Qt brings all that it needs")
def test_every_library_that_the_window_loads_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Path(
        str(metadata.distribution("PySide6_Essentials").locate_file("PySide6/Qt/plugins/platforms/libqxcb.so"))
    )
    listed = subprocess.run(["ldd", str(plugin)], capture_output=True, text=True, check=True).stdout
    loaded = set(re.findall(r"^\s*(lib(?:xcb|xkb|X11)[\w-]*)\.so", listed, re.MULTILINE))
    assert {"libxcb-icccm", "libxcb-keysyms", "libxkbcommon-x11"} <= loaded
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    (fault,) = doctor.qt_faults()
    packages = fault.advice.removeprefix("Run: sudo apt install ").split()
    named = {name for name in loaded if any(re.fullmatch(rf"{name.lower()}-?\d+", package) for package in packages)}
    assert named == loaded
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    for name in set(doctor.QT_LIBRARIES) - {"GL"}:
        (tmp_path / f"lib{name}.so.0").touch()
    (fault,) = doctor.qt_faults()
    assert fault.advice.split()[-1] == doctor.QT_LIBRARIES["GL"]


def installed(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    """Pretend other versions of some libraries, or their absence."""
    real = installation.version_of
    renamed = {name.replace("_", "-"): version for name, version in changes.items()}
    for module in (installation, doctor):
        monkeypatch.setattr(module, "version_of", lambda name: renamed[name] if name in renamed else real(name))


def test_missing_and_outdated_libraries_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, timm=None, pillow="9.5.0")
    faults = {fault.message.split()[0]: fault for fault in doctor.library_faults(doctor.library_versions())}
    assert "9.5.0" in faults["pillow"].message
    assert all(fault.severity == "error" for fault in faults.values())
    steps = [faults[name].next_step for name in ("timm", "pillow")]
    assert [step and step.requirement.partition(">")[0] for step in steps] == ["timm", "pillow"]


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnxruntime-gpu"])
def test_a_sound_installation_has_no_library_fault(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    absent: dict[str, str | None] = {"onnxruntime": None, "onnxruntime_gpu": None, "opencv_python": None}
    installed(monkeypatch, **absent | {runtime.replace("-", "_"): "1.31.1"})
    libraries = doctor.library_versions()
    assert doctor.library_faults(libraries) == []
    assert sys.platform == "darwin" or {name for name in libraries if name.startswith("onnxruntime")} == {runtime}


def test_an_old_runtime_without_cuda_is_named_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, onnxruntime="1.20.0", onnxruntime_gpu=None, opencv_python=None)
    (fault,) = doctor.library_faults(doctor.library_versions())
    assert fault.message.split()[:2] == ["onnxruntime", "1.20.0"] and "gpu" not in fault.advice


@pytest.mark.parametrize("package", ["onnxruntime-gpu", "opencv-python"])
def test_wheels_that_disturb_each_other_are_found(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    installed(monkeypatch, onnxruntime="1.31.1", **{package.replace("-", "_"): "4.13.0"})
    assert any(package in fault.message for fault in doctor.library_faults(doctor.library_versions()))


def test_a_gpu_that_nothing_uses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = Device(kind="cpu", index=0, name="CPU", memory_mb=1, precision="fp32")
    monkeypatch.setattr("visionft.core.devices.has_nvidia_gpu", lambda: True)
    faults = doctor.gpu_faults((cpu,), {"CPUExecutionProvider": True, "CUDAExecutionProvider": False})
    assert [fault.message.split(", but ")[1].split()[0] for fault in faults] == ["PyTorch", "ONNX"]
    installed(monkeypatch, onnxruntime="1.31.1", onnxruntime_gpu=None)
    advice = doctor.gpu_faults((cpu,), {"CPUExecutionProvider": True})[1].advice
    assert advice.index(" onnxruntime,") < advice.index(" onnxruntime-gpu")  # uninstalled first: never both
    monkeypatch.setattr("visionft.core.devices.has_nvidia_gpu", lambda: False)
    assert doctor.gpu_faults((cpu,), {}) == []


def broken_torch() -> tuple[Device, ...]:
    raise OSError("libc10.so")


def test_a_program_without_python_names_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = Device(kind="cpu", index=0, name="CPU", memory_mb=1, precision="fp32")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr("visionft.core.devices.has_nvidia_gpu", lambda: True)
    installed(monkeypatch, timm=None)
    faults = doctor.library_faults(doctor.library_versions())
    faults += doctor.gpu_faults((cpu,), {"CPUExecutionProvider": True})
    assert len(faults) >= 3
    monkeypatch.setattr("visionft.core.devices.list_devices", broken_torch)
    (broken,) = (fault for fault in diagnose().problems if "libc10.so" in fault.message)
    faults.append(broken)
    assert not [fault for fault in faults if "pip" in fault.advice or ".venv" in fault.advice or fault.next_step]


def test_a_broken_torch_is_a_fault_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr("visionft.core.devices.list_devices", fail)
    found = diagnose()
    assert found.devices == ()
    assert [fault for fault in found.problems if "libcudart" in fault.message and fault.severity == "error"]


def test_little_free_space_is_a_warning() -> None:
    assert doctor.disk_faults(200.0) == []
    assert doctor.disk_faults(0.4)[0].severity == "warning"


def test_working_offline_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert doctor.offline_faults() == []
    monkeypatch.setenv("VISIONFT_OFFLINE", "1")
    (fault,) = doctor.offline_faults()
    assert fault.severity == "note" and "VISIONFT_OFFLINE" in fault.message


def test_importing_the_doctor_loads_no_heavy_library() -> None:
    code = "import sys, visionft.core.doctor; print({'torch', 'onnxruntime', 'onnx', 'timm'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
