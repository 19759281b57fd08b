"""Compute devices with name, memory and default precision. Loads torch on request."""

from dataclasses import dataclass
from typing import Any, Literal

from visionft.core.errors import ConfigError, NextStep, Problem
from visionft.core.messages import Message

Precision = Literal["fp32", "bf16", "fp16"]
DeviceKind = Literal["cuda", "mps", "cpu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A compute device.

    Attributes:
        kind: Name for `torch.device`: cpu, cuda or mps.
        memory_mb: Its memory in MiB; 0 if unknown.
        precision: The precision chosen by `auto`.
    """

    kind: str
    index: int
    name: str
    memory_mb: int
    precision: Precision


def list_devices() -> tuple[Device, ...]:
    """Return all devices that torch can use, fastest kind first; the CPU is always last."""
    import torch

    devices = [_cuda(index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append(Device(kind="mps", index=0, name=Message("Apple GPU"), memory_mb=0, precision="fp32"))
    return (*devices, _cpu())


def likely_device_kinds() -> tuple[DeviceKind, ...]:
    """Return the kinds of device that this computer seems to have, fastest first, without importing torch."""
    import platform

    is_apple = (platform.system(), platform.machine()) == ("Darwin", "arm64")
    gpus: list[DeviceKind] = [*(["cuda"] if has_nvidia_gpu() else []), *(["mps"] if is_apple else [])]
    return (*gpus, "cpu")


def _cuda(index: int) -> Device:
    import torch

    properties = torch.cuda.get_device_properties(index)
    precision: Precision = "bf16" if properties.major >= 8 else "fp16"  # older GPUs emulate bf16, which is slow
    memory_mb = properties.total_memory >> 20
    return Device(kind="cuda", index=index, name=properties.name, memory_mb=memory_mb, precision=precision)


def _cpu() -> Device:
    import platform

    import psutil
    import torch

    name = platform.processor() or platform.machine()
    memory_mb = psutil.virtual_memory().total >> 20
    return Device(kind="cpu", index=0, name=f"CPU ({name})", memory_mb=memory_mb, precision=_cpu_precision(torch.cpu))


def _cpu_precision(cpu: Any) -> Precision:
    """Return bf16 for a CPU with bf16 instructions, where a training step takes at most half the time, else fp32.

    Args:
        cpu: `torch.cpu`; its capability functions are not public yet, and a missing one counts as False.
    """
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return "bf16" if any(getattr(cpu, check, bool)() for check in checks) else "fp32"


def pick_device(kind: str = "auto") -> Device:
    """Return the first device of `kind`, or the fastest for `auto`; raises `ConfigError` without a match."""
    devices = list_devices()
    for device in devices:
        if kind in ("auto", device.kind):
            return device
    kinds = ", ".join(sorted({device.kind for device in devices}))
    hint = Message("Choose auto or {kinds}; a check of the computer says why a GPU is missing.", kinds=kinds)
    message = Message("this computer has no {kind} device that torch can use", kind=kind)
    raise ConfigError((Problem("device", message, hint, NextStep("diagnose")),))


def nvidia_gpus() -> tuple[str, ...]:
    """Return the names of the NVIDIA driver's GPUs, without importing torch or initialising CUDA."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(str(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
    except Exception:  # as in `has_nvidia_gpu`
        return ()


def has_nvidia_gpu() -> bool:
    """Return whether the NVIDIA driver sees a GPU, without importing torch or initialising CUDA."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetCount() > 0
    except Exception:  # no driver, no library or no permission: no usable GPU
        return False


def free_gpu_mb() -> int | None:
    """Return the free memory of the first NVIDIA GPU in MiB, or None without a usable GPU.

    Does not import torch or initialise CUDA.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        free = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).free
        return int(free) >> 20
    except Exception:  # no driver, no library or no permission: no usable GPU
        return None
