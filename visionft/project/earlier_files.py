"""Files in which projects before schema 8 kept what is a setting of the database now; they are read once.

They stay where they are: a backup of an older schema that is restored reads them again. A project of this schema never
looks at them.
"""

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from visionft.core.events import Notice
from visionft.core.files import read_json
from visionft.core.messages import Message
from visionft.project.image_window import parsed_window, stored_window

logger = logging.getLogger(__name__)

WINDOW_SETTING, FRAMING_SETTING = "window", "framing"  # keys of the settings
WINDOW_FILE: Final = "window.json"
FRAMING_FILE: Final = "framing.json"  # only of the user's own choice; a measured one stays in its file
RECOMMENDATION_FILE: Final = "recommendation.json"  # of versions before 0.3.0; nothing reads it
RETRIEVAL_FOLDER: Final = "retrieval"  # as above
UNREADABLE_SETTING: Final = ""  # the setting of a damaged file: each opening says so, until the user chooses again


def settings_in_files(folder: Path) -> dict[str, str]:
    """Return {key: value} of the settings that the files of an older project hold."""
    found = dict[str, str]()
    try:
        found[WINDOW_SETTING] = stored_window(parsed_window(read_json(folder / WINDOW_FILE)))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        logger.warning("%s of %s cannot be read: %s", WINDOW_FILE, folder, error)
        found[WINDOW_SETTING] = UNREADABLE_SETTING
    with suppress(OSError, ValueError):  # see `file_notices`
        if (framing := _own_framing(folder)) is not None:
            found[FRAMING_SETTING] = json.dumps(framing)
    return found


def file_notices(folder: Path) -> list[Notice]:
    """Return what the user is told of files that cannot be read, when an older project is opened."""
    try:
        _own_framing(folder)
    except (OSError, ValueError):
        words = Message("{file} cannot be read: what the network sees is measured again.", file=FRAMING_FILE)
        return [Notice(message=words, level="warning")]
    return []


def _own_framing(folder: Path) -> dict[str, Any] | None:
    """Return the fields of a framing that the user chose, without trials, or None.

    Raises:
        OSError, ValueError: The file cannot be read, or the user's choice in it is damaged.
    """
    try:
        stored: Any = read_json(folder / FRAMING_FILE)
    except FileNotFoundError:
        return None
    if not isinstance(stored, dict):
        raise ValueError("it is no framing of a project")
    values = cast("dict[str, Any]", stored)
    if values.get("trials") != []:
        return None
    if not isinstance(values.get("framing"), dict):
        raise ValueError("its framing is none")
    return values["framing"]
