"""The log: one rotating file for window and command line; it never fails the program and has no names at INFO."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from visionft.cli import main
from visionft.core.errors import ProjectError, VisionFTError
from visionft.core.log import SharedFileHandler, last_lines, log_file, log_visionft_error, start_log
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

WRITER = """
import logging, sys
from pathlib import Path
from visionft.core.log import SharedFileHandler
root = logging.getLogger()
root.setLevel(logging.INFO)
root.addHandler(SharedFileHandler(Path(sys.argv[1]), max_bytes=20_000, older_files=50))
for number in range(600):
    logging.getLogger("visionft.test").info("%s line %d %s", sys.argv[2], number, "x" * 60)
"""


@pytest.fixture
def log(tmp_path: Path):
    """Return a function to start this test's log and return its text; the root logger is restored."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    start_log("test")
    yield lambda: log_file().read_text(encoding="utf-8")
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log):
    """Return a function: arguments -> exit code, in this process."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        return main()

    return run


def test_a_session_leaves_its_steps_without_a_name(run, log, tmp_path: Path, image_folder: Path) -> None:
    project = tmp_path / "secret holiday"
    assert run("project", "new", project) == 0
    assert run("import", project, image_folder) == 0
    assert run("split", project) == 0
    told = log()
    assert told.count("project opened") == told.count("project closed") == told.count("ends with 0") == 3
    assert re.search(r" 48 files: 48 \D+ 3 \D+ 0 \D+ 0 \D+ 0 ", told)
    lines = [line for line in told.splitlines() if " INFO " in line]
    for name in ("secret holiday", str(tmp_path), image_folder.name, "00.png", "blue"):
        assert not [line for line in lines if name in line]


def test_a_refusal_is_logged_with_where_it_arose(run, log, tmp_path: Path) -> None:
    assert run("project", "info", tmp_path / "nowhere") == 2
    (line,) = [line for line in log().splitlines() if "WARNING" in line]
    assert "refused: ProjectError: " in line and "store.py:" in line and " open)" in line
    assert "ends with 2" in log()


def test_what_the_system_refuses_is_logged_with_its_traceback(log) -> None:
    try:
        raise MemoryError
    except MemoryError as error:
        log_visionft_error(logging.getLogger("visionft.test"), error)
    log_visionft_error(logging.getLogger("visionft.test"), VisionFTError("unraised"))
    assert "Traceback" in log() and "MemoryError" in log() and "unraised" in log()


def test_a_bug_is_logged_with_its_traceback(run, log, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("lost_key")

    monkeypatch.setattr(ProjectStore, "open", broken)
    assert run("project", "info", tmp_path) == 1
    assert "lost_key" in log() and "Traceback" in log()


def test_libraries_are_heard_only_when_they_warn(log) -> None:
    logging.getLogger("somelibrary").info("chatter")
    logging.getLogger("somelibrary").warning("heed this")
    assert "chatter" not in log() and "heed this" in log()


def test_a_name_cannot_steer_the_terminal_that_shows_the_log(log) -> None:
    logging.getLogger("visionft.test").warning("%s", "\x1b[2Jname")
    assert "\x1b" not in log() and "\\x1b[2Jname" in log()


def test_processes_share_the_file_and_rotate_it_without_losing_a_line(tmp_path: Path) -> None:
    file = tmp_path / "shared.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(file), name]) for name in ("first", "second")]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    parts = [part for part in tmp_path.iterdir() if not part.name.endswith(".lock")]
    lines = [line for part in parts for line in part.read_text().splitlines()]
    assert len(parts) > 3 and max(part.stat().st_size for part in parts) < 25_000
    for name in ("first", "second"):
        numbers = sorted(int(line.split(" line ")[1].split()[0]) for line in lines if f" {name} line " in line)
        assert numbers == list(range(600))


def test_a_rotation_by_another_process_costs_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shared.log"
    file.write_text("full enough\n" * 10)
    stat, rotated = Path.stat, list[Path]()

    def rotate_after_stat(path: Path, **options: bool) -> os.stat_result:
        found = stat(path, **options)
        if path == file and not rotated:
            rotated.append(file.replace(tmp_path / "shared.log.1"))
        return found

    monkeypatch.setattr(Path, "stat", rotate_after_stat)
    SharedFileHandler(file, max_bytes=100).emit(logging.LogRecord("visionft", logging.INFO, "", 0, "kept", (), None))
    assert rotated and "kept" in file.read_text()


def test_the_oldest_file_goes(tmp_path: Path) -> None:
    handler = SharedFileHandler(tmp_path / "small.log", max_bytes=100, older_files=2)
    for number in range(20):
        handler.emit(logging.LogRecord("visionft", logging.INFO, "", 0, "record %d", (number,), None))
    names = sorted(part.name for part in tmp_path.iterdir())
    assert names == ["small.log", "small.log.1", "small.log.2", "small.log.lock"]
    assert "record 19" in (tmp_path / "small.log").read_text()


@pytest.mark.parametrize("kind", ["a file in place of the folder", "a folder in place of the file"])
def test_a_log_that_cannot_be_written_costs_nothing(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder = log_file().parent
    if kind.startswith("a file"):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "taken"))
        monkeypatch.setenv("HOME", str(tmp_path / "taken"))
        (tmp_path / "taken").write_text("")
    else:
        folder.joinpath("visionft.log").unlink()
        folder.joinpath("visionft.log").mkdir()
    assert run("project", "new", tmp_path / "project") == 0
    assert "Logging error" not in capsys.readouterr().err


@pytest.mark.slow
def test_the_next_start_takes_a_crash_into_the_log(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}
    crash = "import faulthandler; from visionft.core.log import start_log; start_log('test'); faulthandler._sigsegv()"
    done = subprocess.run([sys.executable, "-c", crash], env=env, check=False, capture_output=True, timeout=60)
    assert done.returncode != 0
    again = subprocess.run([sys.executable, "-m", "visionft", "doctor"], env=env, check=False, timeout=120)
    assert again.returncode == 0
    told = "\n".join(last_lines(100))
    assert "Segmentation fault" in told
    assert not log_file().with_name("crash.log").read_text()


def test_a_closed_project_is_told_once(log, tmp_path: Path, image_folder: Path) -> None:
    with ProjectStore.create(tmp_path / "project") as project:
        import_source(project, image_folder)
        project.close()
    with pytest.raises(ProjectError):
        ProjectStore.open(tmp_path / "nowhere")
    assert log().count("project closed") == 1
