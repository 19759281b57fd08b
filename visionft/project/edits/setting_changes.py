"""Changes of what a project decides for all its images: the values that they are read by, the part that is seen."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from visionft.core.messages import Message
from visionft.project.earlier_files import FRAMING_SETTING, WINDOW_SETTING
from visionft.project.edits.changes import Edit, write_setting
from visionft.project.image_window import WindowChoice, stored_window


@dataclass(frozen=True, slots=True)
class ChooseWindow(Edit):
    """Read the images by a window, plane and channels; None: as they are stored."""

    TITLE = Message("Change the image values")
    choice: WindowChoice | None

    def write(self, connection: sqlite3.Connection) -> None:
        write_setting(connection, WINDOW_SETTING, stored_window(self.choice) if self.choice is not None else None)


@dataclass(frozen=True, slots=True)
class ChooseFraming(Edit):
    """Let the networks see a part of the images: the fields of a `Framing`; None: it is measured."""

    TITLE = Message("Choose what the network sees")
    framing: Mapping[str, object] | None

    def write(self, connection: sqlite3.Connection) -> None:
        write_setting(connection, FRAMING_SETTING, json.dumps(dict(self.framing)) if self.framing is not None else None)
