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
        memory_mb: Its memory in MiB; 0 where unknown.
        precision: The precision of `auto`.
    """

    kind: str
    index: int
    name: str
    memory_mb: int
    precision: Precision


def list_devices() -> tuple[Device, ...]:
    """Return every device of torch, the fastest kind first; the CPU is always last."""
    import torch

    devices = [_cuda(index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append(Device(kind="mps", index=0, name=Message("Apple GPU"), memory_mb=0, precision="fp32"))
    return (*devices, _cpu())


def likely_device_kinds() -> tuple[DeviceKind, ...]:
    """Return the kinds of device this computer seems to have, the fastest first, without loading torch."""
    import platform

    is_apple = (platform.system(), platform.machine()) == ("Darwin", "arm64")
    gpus: list[DeviceKind] = [*(["cuda"] if has_nvidia_gpu() else []), *(["mps"] if is_apple else [])]
    return (*gpus, "cpu")


def _cuda(index: int) -> Device:
    import torch

    properties = torch.cuda.get_device_properties(index)
    precision: Precision = "bf16" if properties.major >= 8 else "fp16"  # emulated bf16 on older ones is slow
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
    """Return bf16 for a CPU with bf16 instructions, to halve a training step or better; emulated, it is slow.

    Args:
        cpu: `torch.cpu`; its capability functions are not public yet, and a missing one counts as False.
    """
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return "bf16" if any(getattr(cpu, question, bool)() for question in questions) else "fp32"


def pick_device(kind: str = "auto") -> Device:
    """Return the first device of `kind`, or the fastest for `auto` (ConfigError: this computer has no such device)."""
    devices = list_devices()
    for device in devices:
        if kind in ("auto", device.kind):
            return device
    kinds = ", ".join(sorted({device.kind for device in devices}))
    hint = Message("Choose auto or {kinds}; a check of the computer says why a GPU is missing.", kinds=kinds)
    message = Message("this computer has no {kind} device that torch can use", kind=kind)
    raise ConfigError((Problem("device", message, hint, NextStep("diagnose")),))


def nvidia_gpus() -> tuple[str, ...]:
    """Return the names of the NVIDIA driver's GPUs, without loading torch or starting CUDA."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(str(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
    except Exception:  # as in `has_nvidia_gpu`
        return ()


def has_nvidia_gpu() -> bool:
    """Tell whether the NVIDIA driver sees a GPU, without loading torch or starting CUDA."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetCount() > 0
    except Exception:  # no driver, no library, no permission: all mean that CUDA cannot be used
        return False


def free_gpu_mb() -> int | None:
    """Return the free memory of the first NVIDIA GPU in MiB; None without one. Loads no torch, starts no CUDA."""
    try:
        import pynvml

        pynvml.nvmlInit()
        free = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).free
        return int(free) >> 20
    except Exception:  # no driver, no library, no permission: all mean that CUDA cannot be used
        return None
