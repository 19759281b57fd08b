"""The settings stored between sessions: theme, font size, recent projects, the window's geometry.

They are a small JSON file in the user's configuration folder, written atomically. A damaged file is replaced by
defaults. Environment variables set by the user take precedence over the settings and are never changed.
"""

import logging
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from gui.kit.translation import use_language
from visionft.core import files
from visionft.core.errors import VisionFTError
from visionft.core.files import read_json
from visionft.core.offline import offline_reason, set_offline
from visionft.data.limits import CACHE_LIMIT_VARIABLE, DEFAULT_CACHE_MB, DEFAULT_LIMIT_MB, LIMIT_VARIABLE

logger = logging.getLogger(__name__)
WEIGHTS_VARIABLE = "VISIONFT_WEIGHTS"
MAX_RECENT = 8
FONT_SCALES = (0.9, 1.0, 1.15, 1.3, 1.5)
_applied: dict[str, str] = {}  # values of the environment variables set by this module, and of `offline`


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The user's preferences, with defaults."""

    theme: str = "system"
    font_scale: float = 1.0
    device: str = "auto"
    recent_projects: tuple[str, ...] = ()
    geometry: str = ""
    auto_advance: bool = True
    thumbnail_px: int = 116
    language: str = "en"
    image_mb: int = DEFAULT_LIMIT_MB  # memory limit of one image
    decoded_mb: int = DEFAULT_CACHE_MB  # disk limit of the cache of decoded images; 0 disables the cache
    weights_folder: str = ""  # empty for the data folder of the program
    is_offline: bool = False
    shows_more_choices: bool = False  # shows further choices in the setup of a run


def settings_path() -> Path:
    return platformdirs.user_config_path("visionft", appauthor=False) / "window.json"


def load_settings() -> Settings:
    """Read the settings; entries of a wrong type or an unknown value fall back to their defaults."""
    try:
        stored = read_json(settings_path())
    except (OSError, ValueError):
        return Settings()
    usable: dict[str, Any] = {}
    for field in fields(Settings) if isinstance(stored, dict) else ():
        value = stored.get(field.name)
        default = getattr(Settings(), field.name)
        if field.name == "recent_projects" and isinstance(value, list):
            value = tuple(entry for entry in value if isinstance(entry, str))
        if type(value) is type(default) and (field.name != "theme" or value in ("system", "light", "dark")):
            usable[field.name] = value
    return Settings(**usable)


def save_settings(settings: Settings) -> None:
    """Write the settings; a failure, such as a full disk, is only logged."""
    target = settings_path()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(target, asdict(settings))
    except (OSError, VisionFTError) as error:
        logger.warning("Settings were not saved: %s", error)


def with_recent(settings: Settings, project: Path) -> Settings:
    """Return the settings with `project` first in the list of recent projects."""
    name = str(project.resolve())
    others = tuple(entry for entry in settings.recent_projects if entry != name)
    return replace(settings, recent_projects=(name, *others)[:MAX_RECENT])


def without_recent(settings: Settings, project: Path) -> Settings:
    """Return the settings with `project` removed from the list of recent projects."""
    kept = tuple(entry for entry in settings.recent_projects if Path(entry) != project)
    return replace(settings, recent_projects=kept)


def is_set_in_environment(variable: str) -> bool:
    """Return whether the user's environment sets a variable, which overrides the setting."""
    return os.environ.get(variable, "") not in ("", _applied.get(variable, ""))


def is_offline_in_environment() -> bool:
    """Return whether the user's environment disables the network, which overrides the setting."""
    return not _applied.get("offline") and bool(offline_reason())


def apply_settings(settings: Settings) -> None:
    """Apply the language, the network setting and the environment variables; may be called repeatedly."""
    use_language(settings.language)
    if not is_offline_in_environment():
        set_offline(settings.is_offline)
        _applied["offline"] = "1" if settings.is_offline else ""
    for variable, value, default in (
        (WEIGHTS_VARIABLE, settings.weights_folder, ""),
        (LIMIT_VARIABLE, settings.image_mb, DEFAULT_LIMIT_MB),
        (CACHE_LIMIT_VARIABLE, settings.decoded_mb, DEFAULT_CACHE_MB),
    ):
        if not is_set_in_environment(variable):
            _applied[variable] = "" if value == default else str(value)
            os.environ.pop(variable, None)
            if _applied[variable]:
                os.environ[variable] = _applied[variable]
