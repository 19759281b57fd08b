"""The settings stored between sessions: theme, font size, recent projects, the window's geometry.

One small JSON file in the user's configuration folder, written atomically. A damaged file is replaced by defaults.
Environment variables take precedence over the settings in force: one not set by this module is left unchanged.
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
_own: dict[str, str] = {}  # the variables set by this module, and `offline`


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The user's preferences; every field has a usable default."""

    theme: str = "system"
    font_scale: float = 1.0
    device: str = "auto"
    recent_projects: tuple[str, ...] = ()
    geometry: str = ""
    auto_advance: bool = True
    thumbnail_px: int = 116
    language: str = "en"
    image_mb: int = DEFAULT_LIMIT_MB  # memory limit of one image
    decoded_mb: int = DEFAULT_CACHE_MB  # disk limit of decoded images; 0 keeps none
    weights_folder: str = ""  # empty: the program's data folder
    is_offline: bool = False
    shows_more_choices: bool = False  # in the setup of a run


def settings_path() -> Path:
    return platformdirs.user_config_path("visionft", appauthor=False) / "window.json"


def load_settings() -> Settings:
    """Read the settings; each unknown or ill-typed entry falls back to its default."""
    try:
        stored = read_json(settings_path())
    except (OSError, ValueError):
        return Settings()
    usable: dict[str, Any] = {}
    for each in fields(Settings) if isinstance(stored, dict) else ():
        value = stored.get(each.name)
        default = getattr(Settings(), each.name)
        if each.name == "recent_projects" and isinstance(value, list):
            value = tuple(entry for entry in value if isinstance(entry, str))
        if type(value) is type(default) and (each.name != "theme" or value in ("system", "light", "dark")):
            usable[each.name] = value
    return Settings(**usable)


def save_settings(settings: Settings) -> None:
    """Write the settings; on a full disk the preference is lost, the session continues."""
    target = settings_path()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(target, asdict(settings))
    except (OSError, VisionFTError) as error:
        logger.warning("Settings were not saved: %s", error)


def with_recent(settings: Settings, project: Path) -> Settings:
    name = str(project.resolve())
    others = tuple(entry for entry in settings.recent_projects if entry != name)
    return replace(settings, recent_projects=(name, *others)[:MAX_RECENT])


def without_recent(settings: Settings, project: Path) -> Settings:
    kept = tuple(entry for entry in settings.recent_projects if Path(entry) != project)
    return replace(settings, recent_projects=kept)


def is_set_in_environment(variable: str) -> bool:
    """Return whether the environment sets a variable, and thereby overrides the setting."""
    return os.environ.get(variable, "") not in ("", _own.get(variable, ""))


def is_offline_in_environment() -> bool:
    """Return whether the environment forbids the network, and thereby overrides the setting."""
    return not _own.get("offline") and bool(offline_reason())


def apply_settings(settings: Settings) -> None:
    """Apply the settings; may be called repeatedly."""
    use_language(settings.language)
    if not is_offline_in_environment():
        set_offline(settings.is_offline)
        _own["offline"] = "1" if settings.is_offline else ""
    for variable, value, default in (
        (WEIGHTS_VARIABLE, settings.weights_folder, ""),
        (LIMIT_VARIABLE, settings.image_mb, DEFAULT_LIMIT_MB),
        (CACHE_LIMIT_VARIABLE, settings.decoded_mb, DEFAULT_CACHE_MB),
    ):
        if not is_set_in_environment(variable):
            _own[variable] = "" if value == default else str(value)
            os.environ.pop(variable, None)
            if _own[variable]:
                os.environ[variable] = _own[variable]
