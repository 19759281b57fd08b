"""Putting the settings about places, network and language into force, for the window and for the jobs in its process.

What the environment says is stronger: a variable that was not set here is left as it is.
"""

import os
from pathlib import Path

from gui.i18n import use_language
from gui.settings import Settings
from gui.thumbnail_cache import keep_thumbnails
from visionft.weights import offline_reason, set_offline

WEIGHTS_VARIABLE = "VISIONFT_WEIGHTS"


class _Ours:
    """What was put into the environment here."""

    weights: str = ""
    offline: bool = False


def weights_are_given() -> bool:
    """Whether the environment names the weights folder, so that the setting has no say."""
    return os.environ.get(WEIGHTS_VARIABLE, "") not in ("", _Ours.weights)


def offline_is_given() -> bool:
    """Whether the environment forbids the network, so that the setting has no say."""
    return not _Ours.offline and bool(offline_reason())


def put_into_force(settings: Settings) -> None:
    """Take over what the settings say; safe to call again at any time."""
    use_language(settings.language)
    keep_thumbnails(Path(settings.cache_folder) if settings.cache_folder else None, limit_mb=settings.cache_mb)
    if not offline_is_given():
        set_offline(settings.is_offline)
        _Ours.offline = settings.is_offline
    if not weights_are_given():
        _Ours.weights = settings.weights_folder
        os.environ.pop(WEIGHTS_VARIABLE, None)
        os.environ |= {WEIGHTS_VARIABLE: settings.weights_folder} if settings.weights_folder else {}
