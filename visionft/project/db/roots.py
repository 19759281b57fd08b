"""The root folders of a project's images, resolvable after the project was moved or copied.

An image is stored as a root folder and a path below it. A root is kept both as an absolute path and relative to the
project folder: the second finds images moved together with the project, the first those left in place.
"""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

IMAGES_FOLDER = "images"


class Roots:
    """The root folders of one project, resolved for the project's current location."""

    def __init__(self, connection: sqlite3.Connection, project_folder: Path) -> None:
        """Resolve the roots in `connection`, relative to `project_folder` (absolute)."""
        self._project_folder = project_folder
        self._places: dict[str, tuple[int, str] | None] = {}
        self._folders = {
            root_id: _locate(connection, root_id, Path(path), relative, project_folder)
            for root_id, path, relative in connection.execute("SELECT id, path, relative FROM root")
        }

    def path_of(self, root_id: int, path: str) -> Path:
        return self._folders.get(root_id, self._project_folder) / path  # `check` repairs a lost root

    def ids(self) -> dict[Path, int]:
        return {folder: root_id for root_id, folder in self._folders.items()}

    def locate(self, path: Path) -> tuple[int, str] | None:
        """Return the deepest known root of `path` (absolute) and the POSIX path below it."""
        text = str(path)
        start = text.rfind(os.sep) + 1
        if (key := text[:start]) not in self._places:
            known = self.ids()
            folder = path.parent
            above = next((each for each in (folder, *folder.parents) if each in known), None)
            prefix = "".join(f"{part}/" for part in folder.relative_to(above).parts) if above else ""
            self._places[key] = (known[above], prefix) if above else None
        place = self._places[key]
        return (place[0], f"{place[1]}{text[start:]}") if place else None


def ensure_roots(connection: sqlite3.Connection, folders: Iterable[Path]) -> dict[Path, int]:
    """Return the root ids of absolute folders; new folders are added."""
    project_folder = folder_of(connection)
    known = Roots(connection, project_folder).ids()
    for folder in sorted(set(folders) - set(known)):
        try:
            relative = Path(os.path.relpath(folder, project_folder)).as_posix()
        except ValueError:  # on another drive
            relative = None
        statement = "INSERT INTO root (path, relative) VALUES (?, ?) RETURNING id"
        known[folder] = int(connection.execute(statement, (folder.as_posix(), relative)).fetchall()[0][0])
    return known


def remember_folder(connection: sqlite3.Connection, project_folder: Path) -> None:
    """Record the project folder in the writer's connection, as named by the user (SQLite itself resolves links)."""
    connection.execute("CREATE TEMP TABLE session (project_folder TEXT NOT NULL)")
    connection.execute("INSERT INTO session VALUES (?)", (str(project_folder),))


def folder_of(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("SELECT project_folder FROM temp.session").fetchone()[0])


def _locate(
    connection: sqlite3.Connection, root_id: int, last_seen: Path, relative: str | None, project_folder: Path
) -> Path:
    """Return a root's current folder: beside the project when its images are there, else the last known one."""
    if relative is None:
        return last_seen
    beside = Path(os.path.normpath(project_folder / relative))
    if beside == last_seen or not last_seen.is_dir() or relative == IMAGES_FOLDER:
        return beside if beside.is_dir() or relative == IMAGES_FOLDER else last_seen
    # Both exist: a sample of the root's images decides, by the recorded sizes.
    rows = connection.execute("SELECT path, bytes FROM image WHERE root_id = ? LIMIT 3", (root_id,)).fetchall()
    try:
        is_there = bool(rows) and all((beside / path).stat().st_size == size for path, size in rows)
    except OSError:
        is_there = False
    return beside if is_there else last_seen
