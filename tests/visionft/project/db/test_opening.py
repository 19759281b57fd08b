"""Opening old, foreign and damaged projects: never made worse, and with a clear message; root folders of images."""

import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from altered_database import alter

from visionft.core.errors import ProjectError, VisionFTError
from visionft.core.files import sha256_file
from visionft.project.db import schema
from visionft.project.db.database import DATABASE, seal_of, write_seal
from visionft.project.edits.changes import AddClass, LabelImages, UnlabelImages
from visionft.project.queries import find_conflicts
from visionft.project.safety.backups import list_backups
from visionft.project.store import ProjectStore

FIXTURES = Path(__file__).parents[3] / "fixtures"
VERSIONS = range(1, schema.SCHEMA_VERSION + 1)


def lay_out(tmp_path: Path, version: int) -> Path:
    folder = tmp_path / f"project v{version}"
    folder.mkdir()
    shutil.copy(FIXTURES / f"project_v{version}.db", folder / "project.db")
    return folder


def facts(project: ProjectStore) -> dict[str, object]:
    snapshot = project.snapshot()
    return {
        "class_names": list(snapshot.class_names),
        "images": [[image.image_id, image.sha256, list(image.labels), image.split] for image in snapshot.images],
        "conflicts": [
            [conflict.image_id, [[each.class_name, each.origin] for each in conflict.candidates]]
            for conflict in find_conflicts(project)
        ],
        "undo_title": project.undo_title,
        "redo_title": project.redo_title,
        "steps": len(project.history()),
        "prompts": [list(lines) for lines in snapshot.prompts],
        "groups": [image.group for image in snapshot.images],
    }


def layout(folder: Path) -> set[tuple[object, ...]]:
    """Return the columns of all tables, and the other objects of a project's database."""
    with contextlib.closing(sqlite3.connect(folder / "project.db")) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {(name, *row[1:]) for name in tables for row in connection.execute(f"PRAGMA table_info({name})")}
        return found | set(connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE type != 'table'"))


@pytest.mark.parametrize("version", VERSIONS)
def test_each_schema_version_opens_with_everything_in_it(tmp_path: Path, version: int) -> None:
    folder = lay_out(tmp_path, version)
    noted = json.loads((FIXTURES / f"project_v{version}.json").read_text(encoding="utf-8"))
    expected = {"conflicts": [], "prompts": [], "groups": [None] * len(noted["images"])} | noted
    with ProjectStore.open(folder, read_only=True) as project:
        assert facts(project) == expected
    assert (folder / "project.db").read_bytes() == (FIXTURES / f"project_v{version}.db").read_bytes()
    with ProjectStore.open(folder) as project:
        assert facts(project) == expected
        assert len(list_backups(folder)) == (version < schema.SCHEMA_VERSION)  # before the update
        project.redo()
        while project.undo_title:
            project.undo()
        assert not project.snapshot().images
        while project.redo_title:
            project.redo()
        assert project.summary().images == 7 and project.summary().labelled == 6
    ProjectStore.create(tmp_path / "new").close()
    assert layout(folder) == layout(tmp_path / "new")


def test_audits_of_older_versions_stay_and_change_nothing(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, 7)
    with contextlib.closing(sqlite3.connect(folder / "project.db", isolation_level=None)) as connection:
        connection.execute(
            """INSERT INTO audit (id, at, source, threshold, accepted, sample, wrong, allowed, rightness, planned,
                confidence, most_wrong, number, seed, is_passed, is_finished)
                VALUES (2, 5, 'features', 900000, 6, 4, 1, 1, 500000, 0.975, 925000, 2, 2, 3, 1, 1)"""
        )
        connection.execute(
            """INSERT INTO certified SELECT 2, image_id, json_group_array(class_id) FROM (
                SELECT image_id, class_id FROM label ORDER BY image_id, class_id) GROUP BY image_id"""
        )
    with ProjectStore.open(folder) as project:
        assert project.summary().labelled == 6
        project.apply(UnlabelImages((1,)))
        project.undo()
        assert project.summary().labelled == 6
        assert project.fetch("SELECT sample, wrong FROM audit WHERE id = 2") == [(4, 1)]
        assert len(project.fetch("SELECT * FROM certified WHERE audit_id = 2")) == 7


def test_a_migration_that_fails_leaves_the_old_project(tmp_path: Path, monkeypatch) -> None:
    folder = lay_out(tmp_path, schema.SCHEMA_VERSION)
    broken = (*schema.MIGRATIONS, ("CREATE TABLE half (x)", "NOT SQL"))
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", broken)
        patched.setattr(schema, "SCHEMA_VERSION", len(broken))
        with pytest.raises(sqlite3.OperationalError):
            ProjectStore.open(folder)
    with ProjectStore.open(folder) as project:
        assert project.summary().images == 7
        assert str(schema.SCHEMA_VERSION) in list_backups(folder)[0].reason


def test_a_newer_project_is_refused_and_untouched(project: ProjectStore) -> None:
    project.close()
    alter(project.path, f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    before = (project.path / "project.db").read_bytes()
    for read_only in (False, True):
        with pytest.raises(ProjectError, match=str(schema.SCHEMA_VERSION + 1)):
            ProjectStore.open(project.path, read_only=read_only)
    assert (project.path / "project.db").read_bytes() == before


def open_and_use(folder: Path, whole: object = None) -> str:
    """Open a possibly damaged project and use it; return the outcome. Only expected errors may be raised."""
    try:
        with ProjectStore.open(folder) as project:
            result = "whole" if (project.snapshot(), project.history()) == whole else "opened"
            project.summary()
            project.apply(LabelImages((1,), "after"))
            project.undo()
            return result
    except VisionFTError as error:
        assert error.hint
        return "refused"


def damaged_copies(folder: Path, page_size: int, generator: random.Random):
    """Yield (description, bytes): a flipped byte and a cut at every page of the database."""
    data = (folder / "project.db").read_bytes()
    for page in range(len(data) // page_size):
        for place in (page * page_size + generator.randrange(100), page * page_size + generator.randrange(page_size)):
            flipped = bytearray(data)
            flipped[place] ^= 1 << generator.randrange(8)
            yield f"flip at {place}", bytes(flipped)
        yield f"cut at page {page}", data[: page * page_size]
        yield f"cut in page {page}", data[: page * page_size + generator.randrange(1, page_size)]
        yield f"page {page} zeroed", data[: page * page_size] + bytes(page_size) + data[(page + 1) * page_size :]


@pytest.mark.slow
def test_flips_and_cuts_at_every_page_are_survived(project: ProjectStore, tmp_path: Path) -> None:
    project.apply(LabelImages((1, 2), "horse"))
    whole = project.snapshot(), project.history()
    project.close()
    results = {"whole": 0, "opened": 0, "refused": 0}
    target = tmp_path / "damaged"
    for what, data in damaged_copies(project.path, 4096, random.Random(0)):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (target / "project.db").write_bytes(data)
        result = open_and_use(target, whole)
        results[result] += 1
        if result == "refused":
            assert (target / "project.db").read_bytes() == data, what
        if what.startswith(("cut", "page")):  # only the unused end of a page may be missed
            assert result != "opened", what
    assert results["refused"] > 50, results


def other_database() -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE mine (x)")
        return connection.serialize()


@pytest.mark.parametrize(
    "data", [b"", b"not a database" * 1000, b"SQLite format 3\0" + bytes(4080), other_database()], ids=range(4)
)
def test_files_that_are_no_project_are_refused_and_untouched(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "project.db").write_bytes(data)
    with pytest.raises(ProjectError) as caught:
        ProjectStore.open(tmp_path)
    assert caught.value.hint and (tmp_path / "project.db").read_bytes() == data


def test_a_full_disk_loses_nothing(project: ProjectStore) -> None:
    before = project.snapshot(), project.history()
    with project.repairing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    project.apply(LabelImages((1,), "still fits"))
    project.undo()
    with pytest.raises(ProjectError) as caught:
        for number in range(100):
            project.apply(AddClass(f"{number} " + "x" * 280))
    assert caught.value.__cause__.sqlite_errorcode == sqlite3.SQLITE_FULL and caught.value.hint
    with project.repairing() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    while project.undo_title != before[1][0].title:
        project.undo()
    assert project.snapshot() == before[0]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    command = [sys.executable, "-X", "utf8", "-W", "error", "-c", script, *arguments]
    root = Path(__file__).parents[4]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=root, timeout=120, check=False)


READ_ONLY = """
import os, sys
from pathlib import Path
from visionft.core.errors import ProjectError
from visionft.project.edits.changes import AddClass
from visionft.project.store import ProjectStore
if os.geteuid() == 0:  # may write anywhere: become somebody who may not
    os.setegid(65534)
    os.seteuid(65534)
for name in sys.argv[1:]:
    with ProjectStore.open(Path(name)) as project:
        try:
            project.apply(AddClass("no"))
        except ProjectError as error:
            assert error.hint
            print(project.is_read_only, project.summary().images, len(project.summary().classes))
"""


@contextlib.contextmanager
def opened_to_all(folder: Path):
    """Let every user reach a folder under the temporary one, for a while."""
    root = Path(tempfile.gettempdir()).resolve()
    folder = folder.resolve()
    ours = [each for each in (folder, *folder.parents) if each.is_relative_to(root)]
    modes = {each: mode for each in ours if (mode := each.stat().st_mode) & 0o005 != 0o005}
    for each, mode in modes.items():
        each.chmod(mode | 0o055)
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_read_only_folder_is_read(project: ProjectStore, tmp_path: Path) -> None:
    project.apply(LabelImages((1,), "in the log"))
    logged = tmp_path / "with a log"
    shutil.copytree(project.path, logged)
    (logged / "project.db-shm").unlink()
    project.close()
    names = [project.path, logged, lay_out(tmp_path, 1)]
    everything = [path for folder in names for path in (folder, *folder.rglob("*"))]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with opened_to_all(tmp_path):
        result = run(READ_ONLY, *map(str, names))
    for path in everything:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["True 12 3", "True 12 3", "True 7 3"]


@pytest.mark.parametrize("way", ["removed", "moved", "replaced"])
def test_nothing_is_said_to_be_saved_once_the_folder_is_gone(project: ProjectStore, tmp_path: Path, way: str) -> None:
    project.apply(AddClass("kept"))
    if way == "removed":
        shutil.rmtree(project.path)
    else:
        project.path.rename(tmp_path / "moved")
    if way == "replaced":
        ProjectStore.create(project.path).close()
    with pytest.raises(ProjectError, match=str(project.path)):
        project.apply(AddClass("lost"))
    project.close()
    if way != "removed":
        with ProjectStore.open(tmp_path / "moved") as moved:
            assert "kept" in moved.snapshot().class_names and "lost" not in moved.snapshot().class_names


def beside(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("project.db-*")}


def test_reading_leaves_nothing_behind_once_nobody_has_the_project_open(project: ProjectStore) -> None:
    folder = project.path
    project.close()
    before = (folder / "project.db").read_bytes()
    with ProjectStore.open(folder, read_only=True) as last:
        with ProjectStore.open(folder, read_only=True) as first:
            first.snapshot()
        assert beside(folder) == {"project.db-wal", "project.db-shm"}  # the other one reads through them
        assert last.snapshot().class_names == last.snapshot().class_names
    assert not beside(folder) and (folder / "project.db").read_bytes() == before


SLOW = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000000)
    SELECT count(*) FROM n"""
FOREIGN = {
    "trigger": f"CREATE TRIGGER odd AFTER INSERT ON label BEGIN {SLOW}; END",
    "a trigger of our name": f"""CREATE TRIGGER label_added AFTER INSERT ON label BEGIN
        {SLOW}; UPDATE image SET label_count = label_count + 1 WHERE id = NEW.image_id; END""",
    "view": f"CREATE VIEW odd AS {SLOW}",
    "view in place of a table": f"CREATE VIEW class AS SELECT 1 AS id, 'a' AS name, 1 AS position FROM ({SLOW})",
    "index": "CREATE INDEX odd ON image (length(hex(zeroblob(100000000))))",
    "table": "CREATE TABLE odd (image_id REFERENCES image(id) ON DELETE CASCADE)",
}


@pytest.mark.parametrize("is_sealed", [False, True])
@pytest.mark.parametrize("name", FOREIGN)
def test_what_no_project_holds_is_refused_before_any_of_it_runs(tmp_path: Path, name: str, is_sealed: bool) -> None:
    folder = tmp_path / "project"
    ProjectStore.create(folder).close()
    drops = ["DROP TRIGGER label_added"] if "our name" in name else ["DROP TABLE class"] if "place" in name else []
    alter(folder, "PRAGMA foreign_keys = OFF", *drops, FOREIGN[name])
    seal_of(folder / DATABASE).unlink(missing_ok=True)
    if is_sealed:
        write_seal(folder / DATABASE, sha256_file(folder / DATABASE))
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name.startswith(DATABASE)}
    for read_only in (True, False):
        with pytest.raises(ProjectError) as caught:
            ProjectStore.open(folder, read_only=read_only)
        assert caught.value.hint
    left = {path: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name.startswith(DATABASE)}
    assert left.items() <= before.items() and folder / DATABASE in left


@pytest.mark.parametrize("version", [-(2**31), -3, 0, 1, 3, 6])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_version_that_is_not_that_of_the_tables_is_refused(tmp_path: Path, version: int, read_only: bool) -> None:
    folder = tmp_path / "project"
    ProjectStore.create(folder).close()
    alter(folder, f"PRAGMA user_version = {version}")
    content = (folder / DATABASE).read_bytes()
    with pytest.raises(ProjectError) as caught:
        ProjectStore.open(folder, read_only=read_only)
    assert caught.value.hint and (folder / DATABASE).read_bytes() == content
