"""Senseless arguments to every command: numbers out of bounds, names of pipes and devices, endless names."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from PIL import Image
from typer.main import get_command

from visionft.cli import app
from visionft.cli.help_command import command_contexts
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

CONTEXTS = command_contexts(typer.Context(get_command(app)))
COMMANDS = {each.command_path.strip(): each.command for each in CONTEXTS}
NUMBERS = ("-1e30", "-1", "1" + "0" * 30, "9" * 5000, "nan", "inf", "-inf", "1e400", "", "ten")
WRITTEN = {"out", "out_dir", "output", "target", "csv_file", "save"}  # files and folders to be made
LONG = {"app", "demo", "curate check", "curate report", "recommend"}  # open a window, take minutes, or use the network


def kinds_of(parameter: Any) -> tuple[type, ...]:
    """Return the declared types of a parameter."""
    annotation = parameter.type_descriptor.annotation
    return get_args(annotation) or (annotation,)


def parameters_of(*kinds: type) -> Iterator[Any]:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if set(kinds_of(parameter)) & set(kinds):
                yield pytest.param(name, parameter, id=f"{name} {parameter.name}")


def words_of(name: str, **given: object) -> list[object]:
    """Return a command with its required arguments; the default for each is the name of a missing file."""
    required = [each for each in COMMANDS[name].params if each.param_type_name == "argument"]
    return [*name.split(), *(given.get(each.name, "x") for each in required if each.required or each.name in given)]


@pytest.mark.parametrize(("name", "parameter"), [*parameters_of(int, float)])
def test_a_number_has_bounds_and_nothing_else_is_taken(run, name: str, parameter: Any) -> None:
    assert parameter.min is not None and parameter.max is not None and math.isfinite(parameter.max)
    for value in NUMBERS:
        if value == "-1" and parameter.min <= -1:
            continue
        code, stdout, stderr = run(*words_of(name), f"{parameter.opts[-1]}={value}")
        assert (code, stdout) == (2, "") and "bug" not in stderr, value


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small project, a pipe, a link to an endless device and an empty folder."""
    folder = tmp_path_factory.mktemp("place")
    for number in range(6):
        path = folder / "images" / ("red" if number % 2 else "blue") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 24), (number, 90, 90)).save(path)
    with ProjectStore.create(folder / "project") as project:
        import_source(project, folder / "images")
    if os.name != "nt":
        os.mkfifo(folder / "pipe.png")
        (folder / "endless.png").symlink_to("/dev/zero")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither such pipes nor such devices")
@pytest.mark.parametrize(("name", "parameter"), [*parameters_of(Path)])
def test_a_name_that_leads_to_no_file_is_refused_without_waiting(run, place, name, parameter: Any, monkeypatch) -> None:
    if parameter.name in WRITTEN or name in (*LONG, "project new"):
        pytest.skip("it is written, or the command does more than to look at it")
    monkeypatch.chdir(place)
    for value in ("pipe.png", "endless.png", "empty", "x" * 5000, "a\nb"):
        given = {"project": place / "project", "class_name": "red"} | {parameter.name: value}
        more = [parameter.opts[-1], value] if parameter.param_type_name == "option" else []
        code, _, stderr = run(*words_of(name, **given), *more)
        assert code in (0, 2) and "Traceback" not in stderr, (value, stderr)


@pytest.mark.parametrize("number", ["9" * 5000, "²", "٣", "-1", ""])
def test_a_run_that_has_no_such_number_is_not_there(run, place: Path, number: str) -> None:
    assert run("evaluate", place / "project", "--", number)[0] == 2
