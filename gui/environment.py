"""Putting the settings about places, network, memory and language into force, for the window and its jobs.

What the environment says is stronger: a variable that was not set here is left as it is.
"""

import os
from pathlib import Path

from gui.kit.i18n import use_language
from gui.kit.thumbnail_cache import keep_thumbnails
from gui.preferences import Settings
from visionft.data import cache_space
from visionft.data.limits import DEFAULT_LIMIT_MB, LIMIT_VARIABLE
from visionft.weights import offline_reason, set_offline

WEIGHTS_VARIABLE = "VISIONFT_WEIGHTS"


class _Ours:
    """What was put into the environment here."""

    weights: str = ""
    offline: bool = False
    picture_mb: str = ""
    decoded_mb: str = ""


def weights_are_given() -> bool:
    """Whether the environment names the weights folder, so that the setting has no say."""
    return os.environ.get(WEIGHTS_VARIABLE, "") not in ("", _Ours.weights)


def offline_is_given() -> bool:
    """Whether the environment forbids the network, so that the setting has no say."""
    return not _Ours.offline and bool(offline_reason())


def picture_limit_is_given() -> bool:
    """Whether the environment says what memory a picture may take, so that the setting has no say."""
    return os.environ.get(LIMIT_VARIABLE, "") not in ("", _Ours.picture_mb)


def decoded_limit_is_given() -> bool:
    """Whether the environment says what decoded pictures may take on disk, so that the setting has no say."""
    return os.environ.get(cache_space.LIMIT_VARIABLE, "") not in ("", _Ours.decoded_mb)


def put_into_force(settings: Settings) -> None:
    """Take over what the settings say; safe to call again at any time."""
    use_language(settings.language)
    keep_thumbnails(Path(settings.cache_folder) if settings.cache_folder else None, limit_mb=settings.cache_mb)
    if not offline_is_given():
        set_offline(settings.is_offline)
        _Ours.offline = settings.is_offline
    if not weights_are_given():
        _Ours.weights = _set_variable(WEIGHTS_VARIABLE, settings.weights_folder)
    if not picture_limit_is_given():
        is_usual = settings.picture_mb == DEFAULT_LIMIT_MB
        _Ours.picture_mb = _set_variable(LIMIT_VARIABLE, "" if is_usual else str(settings.picture_mb))
    if not decoded_limit_is_given():
        is_usual = settings.decoded_mb == cache_space.DEFAULT_LIMIT_MB
        _Ours.decoded_mb = _set_variable(cache_space.LIMIT_VARIABLE, "" if is_usual else str(settings.decoded_mb))


def _set_variable(name: str, value: str) -> str:
    """Put a value into the environment, "" for none, and return it."""
    os.environ.pop(name, None)
    os.environ |= {name: value} if value else {}
    return value
