"""Where a project's pictures lie, so that a project that was moved or copied still finds them.

A picture is stored as a root folder and a path below it. A root is kept both as an absolute path and as seen from the
project folder: what was moved together is found by the second, what stayed behind by the first.
"""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

IMAGES_FOLDER = "images"


class Roots:
    """The root folders of one project, resolved for where the project lies now."""

    def __init__(self, connection: sqlite3.Connection, project_folder: Path) -> None:
        """Find the roots that `connection` lists, as seen from `project_folder` (absolute)."""
        self._project_folder = project_folder
        self._places: dict[Path, tuple[int, str] | None] = {}
        self._folders = {
            root_id: _locate(connection, root_id, path, relative, project_folder)
            for root_id, path, relative in connection.execute("SELECT id, path, relative FROM root")
        }

    def path_of(self, root_id: int, path: str) -> Path:
        """Return the absolute path of a picture."""
        return self._folders.get(root_id, self._project_folder) / path  # a lost root is what `check` repairs

    def ids(self) -> dict[Path, int]:
        """Return the root ids by folder."""
        return {folder: root_id for root_id, folder in self._folders.items()}

    def containing(self, path: Path) -> tuple[int, str] | None:
        """Return the deepest known root that holds `path` (absolute) and the POSIX path below it."""
        folder = path.parent
        if folder not in self._places:
            self._places[folder] = self._place_of(folder)
        found = self._places[folder]
        return (found[0], f"{found[1]}{path.name}") if found else None

    def _place_of(self, folder: Path) -> tuple[int, str] | None:
        """Return the deepest known root that is `folder` or holds it, and what stands before the names of its files."""
        known = self.ids()
        for parent in (folder, *folder.parents):
            if parent in known:
                return known[parent], "".join(f"{part}/" for part in folder.relative_to(parent).parts)
        return None


def ensure_roots(connection: sqlite3.Connection, folders: Iterable[Path]) -> dict[Path, int]:
    """Return the root ids of absolute folders, adding those that are new."""
    project_folder = folder_of(connection)
    known = Roots(connection, project_folder).ids()
    for folder in sorted(set(folders) - set(known)):
        cursor = connection.execute(
            "INSERT INTO root (path, relative) VALUES (?, ?) RETURNING id",
            (folder.as_posix(), relative_path(folder, project_folder)),
        )
        known[folder] = int(cursor.fetchall()[0][0])
    return known


def remember_folder(connection: sqlite3.Connection, project_folder: Path) -> None:
    """Tell the writer's connection where its project lies, as the user named it (SQLite itself resolves links)."""
    connection.execute("CREATE TEMP TABLE session (project_folder TEXT NOT NULL)")
    connection.execute("INSERT INTO session VALUES (?)", (str(project_folder),))


def folder_of(connection: sqlite3.Connection) -> Path:
    """Return the project folder that `remember_folder` was told."""
    return Path(connection.execute("SELECT project_folder FROM temp.session").fetchone()[0])


def relative_path(folder: Path, project_folder: Path) -> str | None:
    """Return `folder` as seen from the project, with `/`; None where no relative path exists (another drive)."""
    try:
        return Path(os.path.relpath(folder, project_folder)).as_posix()
    except ValueError:
        return None


def _locate(
    connection: sqlite3.Connection, root_id: int, path: str, relative: str | None, project_folder: Path
) -> Path:
    """Return where a root lies now: beside the project when its pictures are there, else where it was last seen."""
    last_seen = Path(path)
    if relative is None:
        return last_seen
    beside = Path(os.path.normpath(project_folder / relative))
    if beside == last_seen or not last_seen.is_dir() or relative == IMAGES_FOLDER:
        return beside if beside.is_dir() or relative == IMAGES_FOLDER else last_seen
    return beside if _holds_sample(connection, root_id, beside) else last_seen


def _holds_sample(connection: sqlite3.Connection, root_id: int, folder: Path) -> bool:
    """Say whether a few of the root's pictures lie in `folder` with their recorded sizes."""
    rows = connection.execute("SELECT path, bytes FROM image WHERE root_id = ? LIMIT 3", (root_id,)).fetchall()
    try:
        return bool(rows) and all((folder / path).stat().st_size == size for path, size in rows)
    except OSError:
        return False
