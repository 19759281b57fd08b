"""Show folders in the file manager. A project may come from a stranger, so its files are never started."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

# Suffixes of folders that macOS would start or install.
_BUNDLE_SUFFIXES: Final = frozenset(
    f".{kind}"
    for kind in (
        "action", "app", "appex", "bundle", "kext", "mdimporter", "mpkg", "pkg", "plugin", "prefpane", "qlgenerator",
        "saver", "service", "workflow", "xpc",
    )
)  # fmt: skip


def show_folder(folder: Path) -> None:
    """Show a folder in the file manager; for a file, or a folder that the system would start, its parent folder.

    The address ends with a slash: otherwise Windows would start `runs/1.exe` instead of opening the folder `runs/1`.
    """
    target = folder.resolve()
    while (not target.is_dir() or target.suffix.casefold() in _BUNDLE_SUFFIXES) and target != target.parent:
        target = target.parent
    QDesktopServices.openUrl(QUrl.fromLocalFile(f"{target.as_posix().rstrip('/')}/"))
