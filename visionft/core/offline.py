"""Offline mode: the environment variables that forbid every connection. Quick to import, for the window's start."""

import os

from visionft.core.messages import Message

OFFLINE_VARIABLE = "VISIONFT_OFFLINE"


def offline_reason() -> str:
    """Return a sentence on the offline setting in force; empty without one."""
    name = offline_variable()
    return Message("VisionFT works offline ({name} is set).", name=name) if name else ""


def offline_variable() -> str:
    """Return the environment variable of offline mode; empty when none is set."""
    return next(filter(is_set, (OFFLINE_VARIABLE, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")), "")


def is_set(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in ("1", "on", "yes", "true")


def set_offline(is_offline: bool) -> None:
    """Forbid or allow the network for this process and those it starts; `HF_HUB_OFFLINE` set outside still forbids."""
    if is_offline:
        os.environ[OFFLINE_VARIABLE] = "1"
    else:
        os.environ.pop(OFFLINE_VARIABLE, None)
