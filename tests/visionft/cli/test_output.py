"""Streams of the command line: terminals, closing pipes, names with terminal codes or invalid UTF-8."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from visionft.cli.output import NO_READER, json_text, plain
from visionft.project.store import ProjectStore

COMMAND = [sys.executable, "-m", "visionft"]
ON_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere names are Unicode, or have no terminal of ours"
)
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def closed_pipe(*arguments: object, also_stderr: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command with a closed output pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            stdout=writing,
            stderr=writing if also_stderr else subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writing)


@pytest.mark.slow
@ON_POSIX
@pytest.mark.parametrize("arguments", ["project info", "project info --json", "project history", "--help", "--version"])
def test_nobody_reads_the_output(arguments: str, project: Path) -> None:
    given = arguments.split()
    words = given if given[0].startswith("--") else [*given[:2], str(project), *given[2:]]
    done = closed_pipe(*words)
    assert (done.returncode, done.stderr) == (NO_READER, "")


def test_numbers_that_are_none_are_null_in_json() -> None:
    """JSON of other programs knows no NaN, and none that is infinite."""

    @dataclasses.dataclass
    class Found:
        loss: float
        image_ids: tuple[int, ...] = ()

    value = {"a": float("nan"), "b": [float("inf"), 1.5], "c": Found(float("-inf")), "d": np.float64("nan")}

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    found = json.loads(json_text(value), parse_constant=refuse)
    assert found == {"a": None, "b": [None, 1.5], "c": {"loss": None, "images": []}, "d": None}


@dataclasses.dataclass
class Held:
    COMPUTED_FIELDS: ClassVar = ("is_large",)
    HIDDEN: ClassVar = ("secret",)

    pair: tuple[str, float]
    more: dict[str, list[Path]]
    secret: str = ""
    image_id: int = 7
    image_ids: tuple[int, ...] = (7, 8)

    @property
    def is_large(self) -> bool:
        return False


def test_images_are_printed_by_their_paths_and_properties_under_their_names() -> None:
    assert plain(Held(("y", 0.5), {"z": [Path("/p")]}), {7: Path("/7.png")}) == {
        "pair": ["y", 0.5],
        "more": {"z": ["/p"]},
        "is_large": False,
        "path": "/7.png",
        "images": ["/7.png"],
    }


def test_an_error_is_json_where_json_is_wanted(refused, tmp_path: Path) -> None:
    value = json.loads(refused("project", "info", tmp_path / "none", "--json").splitlines()[-1])
    assert "none" in value["error"]["message"] and value["error"]["next"].startswith("visionft ")
    assert refused("project", "info", tmp_path / "none").startswith("visionft: ")


@pytest.mark.slow
@ON_POSIX
@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_a_command_does_its_work_where_its_streams_are_closed(project, image_folder, closed: tuple[int, ...]) -> None:
    """An opened file must not replace a closed stream: the output would be written into it."""
    ends = " ".join(f"{number}>&-" for number in closed)
    words = ["label", "set", str(project), "blue", str(image_folder / "red" / "00.png"), "--json"]
    shell = ["sh", "-c", f'exec "$0" "$@" {ends}', *COMMAND, *words]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (NO_READER, "")
    with ProjectStore.open(project, read_only=True) as opened:
        assert opened.summary().classes["blue"] == 17


@pytest.mark.slow
@ON_POSIX
def test_nobody_reads_the_messages_and_the_work_is_done(project: Path, tmp_path: Path, image_folder: Path) -> None:
    extra = tmp_path / "extra" / "red"
    extra.mkdir(parents=True)
    Image.open(image_folder / "red" / "00.png").rotate(90, expand=True).save(extra / "new.png")
    assert closed_pipe("import", project, extra.parent, also_stderr=True).returncode == NO_READER
    with ProjectStore.open(project, read_only=True) as opened:
        assert opened.summary().images == 49
    assert closed_pipe("project", "info", tmp_path / "nowhere", also_stderr=True).returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")  # noqa: PTH110
def test_a_full_disk_behind_stdout_is_an_expected_error(project: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "project", "info", project]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stderr.startswith("visionft: ") and "Exception" not in done.stderr


def on_a_terminal(*arguments: object, columns: int) -> str:
    """Run a command on a terminal of its own and return its output there."""
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
    said = on_a_terminal("project", "check", project, "--contents", columns=24)
    *running, result, _ = said.split("\r\x1b[2K")
    assert "48/48" in said and result.endswith("\n")
    assert len(running) > 1 and all(len(line) < 24 for line in running)  # a wrapped line could not be cleared


@ON_LINUX
def test_names_do_not_steer_the_terminal(run, project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more" / "red"
    folder.mkdir(parents=True)
    hostile = "\x1b]0;owned\x07\x9b2J\r\x1b[1A"
    Image.new("RGB", (40, 40), (9, 9, 9)).save(folder / f"a{hostile}.png")
    (folder / f"b{hostile}.png").write_bytes(b"no image")
    inputs = (
        ("import", project, folder.parent),
        ("import", project, folder.parent, "--json"),
        (f"info{hostile}",),
        ("label", "set", project, f"x{hostile}", folder / "none.png"),
        ("project", "info", f"{project}{hostile}"),
        ("label", "set", project, "x", f"{folder}/c{hostile}.png"),
    )
    for _, stdout, stderr in [run(*words) for words in inputs]:
        assert not STEERING.search(stdout + stderr), (stdout, stderr)
    (folder / f"a{hostile}.png").unlink()
    code, stdout, stderr = run("project", "check", project)
    assert code == 0 and "Missing" in stdout and not STEERING.search(stdout + stderr)


@ON_LINUX
def test_names_that_are_no_utf8_are_named_and_refused(refused, project: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    for command in ("new", "info", "restore"):
        assert "caf\\xe9 " in refused("project", command, odd)
    assert not odd.exists()
    image = tmp_path / os.fsdecode(b"caf\xe9.png")
    assert "caf\\xe9.png " in refused("label", "set", project, "red", image)
    Image.new("RGB", (40, 40), (9, 9, 9)).save(image)
    assert "caf\\xe9.png " in refused("label", "set", project, "red", image)
    with ProjectStore.open(project, read_only=True) as opened:
        assert opened.summary().classes["red"] == 16
