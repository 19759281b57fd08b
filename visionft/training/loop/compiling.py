"""torch.compile, where it works: it needs a C++ compiler for a CPU and Triton for a GPU, which many computers lack."""

from dataclasses import replace

import torch  # noqa: TID253

from visionft.events import Notice, OnEvent
from visionft.training.config.train_config import TrainConfig


def settings_that_compile(config: TrainConfig, device: torch.device, on_event: OnEvent) -> TrainConfig:
    """Return the settings, without `compile` and with a warning where torch.compile does not work."""
    fault = compile_fault(device) if config.compile else ""
    if not fault:
        return config
    message = f"torch.compile does not work on this computer, so training goes on without it: {fault}"
    on_event(Notice(message=message, level="warning"))
    return replace(config, compile=False)


def compile_fault(device: torch.device) -> str:
    """Return why torch.compile does not work on a device, in a line; empty where it does.

    Found out by compiling a small function: what that needs, a network needs as well.
    """
    small = torch.compile(lambda values: values.sin() + 1)
    try:
        small(torch.zeros(8, device=device))
    except (RuntimeError, ImportError, OSError) as error:  # torch's own kinds are all RuntimeErrors
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""
