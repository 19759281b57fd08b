"""Applies the settings for folders, network, memory and language to the window and its jobs.

Environment variables take precedence: a variable not set by this module is left unchanged.
"""

import os
from pathlib import Path

from gui.kit.thumbnail_cache import keep_thumbnails
from gui.kit.translation import use_language
from gui.preferences import Settings
from visionft.data import cache_space
from visionft.data.limits import DEFAULT_LIMIT_MB, LIMIT_VARIABLE
from visionft.weights.offline import offline_reason, set_offline

WEIGHTS_VARIABLE = "VISIONFT_WEIGHTS"


_own: dict[str, str] = {}  # the variables set by this module, and `offline`


def is_given(variable: str) -> bool:
    """Return whether the environment sets a variable, and thereby overrides the setting."""
    return os.environ.get(variable, "") not in ("", _own.get(variable, ""))


def offline_is_given() -> bool:
    """Return whether the environment forbids the network, and thereby overrides the setting."""
    return not _own.get("offline") and bool(offline_reason())


def put_into_force(settings: Settings) -> None:
    """Apply the settings; may be called repeatedly."""
    use_language(settings.language)
    keep_thumbnails(Path(settings.cache_folder) if settings.cache_folder else None, limit_mb=settings.cache_mb)
    if not offline_is_given():
        set_offline(settings.is_offline)
        _own["offline"] = "1" if settings.is_offline else ""
    for variable, value, default in (
        (WEIGHTS_VARIABLE, settings.weights_folder, ""),
        (LIMIT_VARIABLE, settings.image_mb, DEFAULT_LIMIT_MB),
        (cache_space.LIMIT_VARIABLE, settings.decoded_mb, cache_space.DEFAULT_LIMIT_MB),
    ):
        if not is_given(variable):
            _own[variable] = "" if value == default else str(value)
            os.environ.pop(variable, None)
            if _own[variable]:
                os.environ[variable] = _own[variable]
