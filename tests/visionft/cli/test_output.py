"""What the command line prints where: terminals, pipes that close, names that steer a terminal or are no UTF-8."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from visionft.cli.output import NO_READER
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

COMMAND = [sys.executable, "-m", "visionft"]
ON_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere names are Unicode, or have no terminal of ours"
)
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def project(tmp_path: Path, picture_folder: Path) -> Path:
    """Return a project of pictures."""
    with Project.create(tmp_path / "project") as project:
        import_source(project, picture_folder)
        return project.path


def closed_pipe(*arguments: object, also_stderr: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command whose output nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)], stdout=writing, stderr=writing if also_stderr else subprocess.PIPE,
            text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
@pytest.mark.parametrize("arguments", [["info"], ["info", "--json"], ["history"], ["--help"], ["--version"]])
def test_nobody_reads_the_output(arguments: list[str], project: Path) -> None:
    words = arguments if arguments[0].startswith("--") else [arguments[0], str(project), *arguments[1:]]
    done = closed_pipe(*words)
    assert (done.returncode, done.stderr) == (NO_READER, "")


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
def test_nobody_reads_the_messages_and_the_work_is_done(project: Path, tmp_path: Path, picture_folder: Path) -> None:
    extra = tmp_path / "extra" / "red"
    extra.mkdir(parents=True)
    Image.open(picture_folder / "red" / "00.png").rotate(90, expand=True).save(extra / "new.png")
    assert closed_pipe("import", project, extra.parent, also_stderr=True).returncode == NO_READER
    with Project.open(project, read_only=True) as opened:
        assert opened.summary().images == 49
    assert closed_pipe("info", tmp_path / "nowhere", also_stderr=True).returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")  # noqa: PTH110
def test_a_full_disk_behind_stdout_is_an_expected_error(project: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "info", project], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert done.returncode == 2 and "disk is full" in done.stderr and "Exception" not in done.stderr


def on_a_terminal(*arguments: object, columns: int) -> str:
    """Run a command on a terminal of its own and return what it gets."""
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    got = b""
    try:
        while part := os.read(master, 1 << 16):
            got += part
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(master)
    assert process.wait(60) == 0, got
    return got.decode()


@ON_LINUX
def test_a_result_starts_on_a_line_of_its_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    said = on_a_terminal("check", project, "--contents", columns=24)
    assert "48/48" in said and "\r\x1b[2KEverything is in order. " in said
    running = said.partition("Everything")[0].split("\r\x1b[2K")
    assert len(running) > 2 and all(len(line) < 24 for line in running)  # a line that wraps could not be cleared


@ON_LINUX
def test_names_do_not_steer_the_terminal(run, project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more" / "red"
    folder.mkdir(parents=True)
    hostile = "\x1b]0;owned\x07\x9b2J\r\x1b[1A"
    Image.new("RGB", (40, 40), (9, 9, 9)).save(folder / f"a{hostile}.png")
    (folder / f"b{hostile}.png").write_bytes(b"no picture")
    outputs = [
        run("import", project, folder.parent),
        run("import", project, folder.parent, "--json"),
        run("label", project, f"x{hostile}", folder / "none.png"),
        run("info", f"{project}{hostile}"),
        run(f"info{hostile}"),
        run("label", project, "x", f"{folder}/c{hostile}.png"),
    ]
    for _, stdout, stderr in outputs:
        assert not STEERING.search(stdout + stderr), (stdout, stderr)
    (folder / f"a{hostile}.png").unlink()
    code, stdout, stderr = run("check", project)
    assert code == 0 and "Missing" in stdout and not STEERING.search(stdout + stderr)


@ON_LINUX
def test_names_that_are_no_utf8_are_named_and_refused(run, project: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    for command in (("new",), ("info",), ("restore",)):
        code, _, stderr = run(*command, odd)
        assert code == 2 and "caf\\xe9 is not valid Unicode" in stderr, (command, stderr)
    assert not odd.exists()
    picture = tmp_path / os.fsdecode(b"caf\xe9.png")
    code, _, stderr = run("label", project, "red", picture)
    assert code == 2 and "caf\\xe9.png does not exist" in stderr
    Image.new("RGB", (40, 40), (9, 9, 9)).save(picture)
    code, _, stderr = run("label", project, "red", picture)
    assert code == 2 and "caf\\xe9.png is not in the project" in stderr
    with Project.open(project, read_only=True) as opened:
        assert opened.summary().classes["red"] == 16


def test_half_a_pair_in_a_label_file_costs_its_line_only(run, tmp_path: Path, picture_folder: Path) -> None:
    lines = [{"file_name": "\udfff.jpg", "label": "x"}]
    lines += [{"file_name": str(picture_folder / "red" / f"{number:02d}.png"), "label": "x"} for number in range(5)]
    lines[2]["label"], lines[3]["note"], lines[4]["split"] = "\udfff", "\udfff", "\udfff"
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "list.classes.json").write_text(json.dumps([{"name": "x", "color": "\udfff"}, {"name": "a\nb"}]))
    run("new", tmp_path / "p")
    code, stdout, stderr = run("import", tmp_path / "p", tmp_path / "list.jsonl", "--json")
    assert code == 0, stderr
    report = json.loads(stdout)
    assert report["added"] == 2 and len(report["unreadable"]) == 4
    assert report["unreadable"][0]["reason"] == "the file name is not valid Unicode"


def test_a_class_name_that_is_none_costs_itself_only(run, tmp_path: Path, picture_folder: Path) -> None:
    line = {"file_name": str(picture_folder / "red" / "00.png"), "label": "x"}
    (tmp_path / "list.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "list.classes.json").write_text(json.dumps([{"name": "a\nb"}, {"name": "empty"}, {"name": "x"}]))
    run("new", tmp_path / "p")
    assert run("import", tmp_path / "p", tmp_path / "list.jsonl")[0] == 0
    assert list(json.loads(run("info", tmp_path / "p", "--json")[1])["classes"]) == ["empty", "x"]
