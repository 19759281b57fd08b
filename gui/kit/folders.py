"""Folders shown in the file manager of the system. A project may come from others, so nothing of it must start."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

# Folders that macOS opens as programs or installs.
_BUNDLES: Final = frozenset(
    f".{kind}"
    for kind in (
        "action", "app", "appex", "bundle", "kext", "mdimporter", "mpkg", "pkg", "plugin", "prefpane", "qlgenerator",
        "saver", "service", "workflow", "xpc",
    )
)  # fmt: skip


def show_folder(folder: Path) -> None:
    """Show a folder in the file manager; of one that the system would start, or of a file, the folder that holds it.

    The address ends with a slash: without one, Windows starts `runs/1.exe` in place of the folder `runs/1`.
    """
    place = folder.resolve()
    while (not place.is_dir() or place.suffix.casefold() in _BUNDLES) and place != place.parent:
        place = place.parent
    QDesktopServices.openUrl(QUrl.fromLocalFile(f"{place.as_posix().rstrip('/')}/"))
