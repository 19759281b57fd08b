"""Power cuts, simulated: our real schema and code over a file system without its unsynced writes.

SQLite's own method (sqlite.org/testing.html, 3.2-3.3): a VFS separates synced data from merely written data. At the
n-th write, sync, cut or deletion the power goes; a random part of the unsynced writes survives, some of them torn; then
the project is opened as after a restart. The store uses `sqlite3`; here it uses `apsw`.
"""

import os
import random
import shutil
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest
from usual_work import usual_work

from visionft.core.errors import VisionFTError
from visionft.project.db import schema
from visionft.project.db.journal import JOURNALED_TABLES
from visionft.project.edits.import_changes import AddImages, ImportedImage
from visionft.project.formats.image_table import ImportRow
from visionft.project.importing.importer import import_source
from visionft.project.safety import backups
from visionft.project.store import ProjectStore

FIXTURES = Path(__file__).parents[3] / "fixtures"
SECTOR = 512


class Disk:
    """Contents written to each file, and the part certain to have reached the disk."""

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.files: dict[str, DiskFile] = {}
        self.operations = 0
        self.cut_at = 0
        self.is_off = False
        self.lock = threading.RLock()

    def tick(self) -> None:
        """Count an operation; at the chosen one, and ever after, the power is off."""
        self.operations += 1
        if self.is_off or self.operations == self.cut_at:
            self.is_off = True
            raise apsw.IOError("the power is off")

    def lose_what_was_not_synced(self) -> None:
        for file in self.files.values():
            file.settle(self.generator)


class DiskFile:
    """One file: its durable content, and the writes since the last sync."""

    def __init__(self, path: str) -> None:
        existed = Path(path).exists()
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        self.path = path
        self.durable = self.read() if existed else None
        self.pending: list[tuple[int, bytes | None]] = []

    def read(self) -> bytes:
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def settle(self, generator: random.Random) -> None:
        """Give the file a possible content after a power cut."""
        if self.pending or self.durable is None:
            content = bytearray(self.durable or b"")
            for offset, data in self.pending:
                if generator.random() < 0.5:
                    continue
                if data is None:
                    del content[offset:]
                    continue
                if generator.random() < 0.3:
                    data = data[: generator.randrange(0, len(data) + 1, SECTOR) or len(data)]
                content.extend(bytes(max(0, offset - len(content))))
                content[offset : offset + len(data)] = data
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, bytes(content), 0)
            if self.durable is None and not self.pending and Path(self.path).exists():
                Path(self.path).unlink()
        os.close(self.descriptor)


class CrashVFS(apsw.VFS):
    """The operating system's files, watched by a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        super().__init__("crash", "")

    def xOpen(self, name, flags):
        return CrashFile(self.disk, name, flags)

    def xDelete(self, name, sync):
        with self.disk.lock:
            self.disk.tick()
            self.disk.files.pop(name, None)
            super().xDelete(name, sync)


class CrashFile(apsw.VFSFile):
    """A file with its writes recorded until they are synced."""

    def __init__(self, disk: Disk, name, flags) -> None:
        self.disk = disk
        path = name if isinstance(name, str) else name.filename()
        with disk.lock:
            if path not in disk.files:
                disk.files[path] = DiskFile(path)
            self.file = disk.files[path]
        self.is_read_only = bool(flags[0] & apsw.SQLITE_OPEN_READONLY)
        super().__init__("", name, flags)

    def xLock(self, level):
        if self.is_read_only and level > apsw.SQLITE_LOCK_SHARED:
            raise apsw.BusyError("not for a reader")  # expected by SQLite; apsw would report the native EBADF
        super().xLock(level)

    def xWrite(self, data, offset):
        with self.disk.lock:
            self.disk.tick()
            self.file.pending.append((offset, bytes(data)))
            super().xWrite(data, offset)

    def xTruncate(self, size):
        with self.disk.lock:
            self.disk.tick()
            self.file.pending.append((size, None))
            super().xTruncate(size)

    def xSync(self, flags):
        with self.disk.lock:
            self.disk.tick()
            super().xSync(flags)
            self.file.durable = self.file.read()
            self.file.pending.clear()


class Cursor(list):
    """The part of `sqlite3.Cursor` used by the store: all rows."""

    def fetchone(self):
        return next(iter(self), None)

    def fetchall(self):
        return list(self)


class Connection:
    """The part of `sqlite3.Connection` used by the store, over `apsw`."""

    def __init__(self, database, *, uri: bool = False, **_options: object) -> None:
        flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        if "mode=ro" in str(database):
            flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READONLY
        self.apsw = self.guard(apsw.Connection, str(database), flags=flags, vfs="crash")
        self.apsw.set_busy_timeout(5000)

    @staticmethod
    def guard(function, *arguments, **options):
        try:
            return function(*arguments, **options)
        except apsw.ConstraintError as error:
            raise sqlite3.IntegrityError(str(error)) from error
        except (apsw.Error, SystemError) as error:  # apsw meets a second fault while it reports the first
            translated = sqlite3.OperationalError(str(error))
            translated.sqlite_errorcode = getattr(error, "result", None)
            raise translated from error

    def execute(self, statement, values=()):
        return Cursor(self.guard(lambda: list(self.apsw.execute(statement, values))))

    def executemany(self, statement, rows):
        return Cursor(self.guard(lambda: list(self.apsw.executemany(statement, rows))))

    @property
    def in_transaction(self) -> bool:
        return self.apsw.in_transaction

    def backup(self, target: "Connection") -> None:
        def copy() -> None:
            job = target.apsw.backup("main", self.apsw, "main")
            try:
                job.step()
            finally:
                job.close(True)

        self.guard(copy)

    def close(self) -> None:
        self.guard(self.apsw.close, True)


def script(generator: random.Random, images: Path):
    """Return a sequence of things to do to a project; the same generator gives the same sequence."""

    def ids() -> tuple[int, ...]:
        return tuple(generator.sample(range(1, 7), generator.randint(1, 4)))

    def make():
        chosen, name = ids(), generator.choice(["cat", "dog", "fox"])
        contradict = lambda project: project.apply(contradiction(project, chosen, name))  # noqa: E731
        return generator.choice([*usual_work(lambda: chosen, name, images), contradict])

    return [make() for _ in range(8)]


def contradiction(project: ProjectStore, image_ids: tuple[int, ...], name: str) -> AddImages:
    """Return an import with other labels for known images: conflicts, where their labels were imported."""
    contents = [image.sha256 for image in project.snapshot().images if image.image_id in image_ids]
    source = ImportRow(Path("list.csv"), "list.csv", (name,))
    return AddImages(known=[ImportedImage(sha256=each, source=source) for each in contents])


def rows(connection) -> dict[str, list[tuple[object, ...]]]:
    """Return every row the user could miss."""
    tables = (*JOURNALED_TABLES, "step")
    return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}


def contents(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows as they are after a restart; fail when the file is corrupt."""
    with closing(sqlite3.connect(folder / "project.db")) as connection:
        checks = [connection.execute(f"PRAGMA {kind}_check").fetchall() for kind in ("integrity", "foreign_key")]
        assert checks == [[("ok",)], []]
        return rows(connection)


class Trial:
    """One project, one script, run once to the end for the expected states, then cut again and again."""

    def __init__(self, tmp_path: Path, images: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tmp_path, self.images, self.seed, self.monkeypatch = tmp_path, images, seed, monkeypatch
        self.template = tmp_path / "template"
        if seed % 4 == 0:  # an old project: opening it is a migration
            self.template.mkdir()
            shutil.copy(FIXTURES / "project_v1.db", self.template / "project.db")
        else:
            with ProjectStore.create(self.template) as project:
                import_source(project, images / "first")

    def run(self, cut_at: int) -> tuple[str, int]:
        """Run the script until the power cut. Return the project's fate, and the number of operations."""
        generator = random.Random(self.seed * 1_000_003 + cut_at)
        disk, vfs = Disk(generator), None
        folder = self.tmp_path / f"cut {self.seed} {cut_at}"
        shutil.copytree(self.template, folder)
        clock = iter(range(1, 100_000))
        acknowledged = 0
        disk.cut_at = cut_at
        vfs = CrashVFS(disk)
        fake = SimpleNamespace(**{name: getattr(sqlite3, name) for name in dir(sqlite3)} | {"connect": Connection})
        with self.monkeypatch.context() as patched:
            patched.setattr(schema, "sqlite3", fake)
            patched.setattr("visionft.project.edits.changes.time.time_ns", lambda: next(clock) * 10**9)
            project = None
            try:
                project = ProjectStore.open(folder)
                for work in script(random.Random(self.seed), self.images):
                    try:
                        work(project)
                    except VisionFTError:
                        if disk.is_off:
                            raise
                    acknowledged += 1
                    if not cut_at:
                        with project.reading() as connection:
                            self.states.append(rows(connection))
            except (VisionFTError, sqlite3.Error, OSError):
                assert disk.is_off
            finally:
                if project is not None:
                    try:
                        project.close()
                    except (sqlite3.Error, VisionFTError):
                        assert disk.is_off
        del vfs
        return self.verdict(folder, disk, acknowledged), disk.operations

    def golden(self) -> int:
        """Run without a cut, record the state after each action, and return the number of operations."""
        self.states: list[dict[str, list[tuple[object, ...]]]] = []
        result, operations = self.run(0)
        assert result == "sound"
        return operations

    def verdict(self, folder: Path, disk: Disk, acknowledged: int) -> str:
        """Open the project as after a restart and compare it with the acknowledged state."""
        if disk.cut_at:
            disk.lose_what_was_not_synced()
            (folder / "project.db-shm").unlink(missing_ok=True)
        else:
            for file in disk.files.values():
                os.close(file.descriptor)
            return "sound"
        try:
            with ProjectStore.open(folder) as project:
                assert not project.is_read_only
            found = contents(folder)
        except (VisionFTError, sqlite3.DatabaseError, AssertionError):
            return "corrupt"
        if not all(backups.is_intact(folder, backup) for backup in backups.list_backups(folder)):
            return "backup damaged"
        shutil.rmtree(folder)
        allowed = [self.start if not acknowledged else self.states[acknowledged - 1]]
        if acknowledged < len(self.states):
            allowed.append(self.states[acknowledged])
        return "sound" if found in allowed else "lost"

    @property
    def start(self) -> dict[str, list[tuple[object, ...]]]:
        """Return the initial state: the template's, opened once."""
        folder = self.tmp_path / f"start {self.seed}"
        if not folder.exists():
            shutil.copytree(self.template, folder)
            ProjectStore.open(folder).close()
        return contents(folder)


def cut(tmp_path: Path, draw, monkeypatch, *, scripts: range, cuts: int) -> Counter[str]:
    """Run `cuts` power cuts for each script, spread over its operations, and count the outcomes."""
    for number in range(12):
        name = f"{'first' if number < 6 else 'second'}/{'cat' if number % 2 else 'dog'}/{number}.png"
        draw(tmp_path / "images" / name, number)
    results: Counter[str] = Counter()
    for seed in scripts:
        (tmp_path / str(seed)).mkdir()
        trial = Trial(tmp_path / str(seed), tmp_path / "images", seed, monkeypatch)
        total = trial.golden()
        generator = random.Random(seed)
        for place in generator.sample(range(1, total + 1), min(cuts, total)):
            results[trial.run(place)[0]] += 1
    return results


SLOW = pytest.param(range(100, 110), 20, marks=pytest.mark.slow)
LONG = pytest.param(range(100, 125), 20, marks=pytest.mark.long)


@pytest.mark.slow
@pytest.mark.parametrize(("scripts", "cuts"), [(range(4), 10), SLOW, LONG])
def test_no_power_cut_corrupts_or_loses_what_was_acknowledged(tmp_path: Path, draw, monkeypatch, scripts, cuts) -> None:
    results = cut(tmp_path, draw, monkeypatch, scripts=scripts, cuts=cuts)
    assert results == {"sound": len(scripts) * cuts}
