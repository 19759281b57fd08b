"""Next steps of errors: no message names a command, and every step is a runnable command."""

import ast
import importlib.util
import re
import shlex
import sys
from pathlib import Path
from typing import get_args

import pytest

from visionft.cli.next_steps import COMMANDS, command_for, own_command
from visionft.cli.output import error_value, print_error
from visionft.core.errors import Action, NextStep, VisionFTError

SOURCE = Path(__file__).parents[3]
COMMAND = re.compile(r"(?<![\w/.-])visionft [a-z]|(?<![\w-])--[a-z]|`[a-z]+")
OPTION = re.compile(r"--[a-z-]+")  # alone, the program's start command; no message is so short


def texts(file: Path) -> list[tuple[int, str]]:
    """Return all texts of a module but its docstrings, with their lines."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]  # type: ignore[attr-defined]
    docs = {id(line.value) for body in bodies for line in body if isinstance(line, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]
    return [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]


def test_no_message_of_the_engine_names_a_command() -> None:
    files = [file for folder in ("visionft", "models") for file in (SOURCE / folder).rglob("*.py")]
    engine = [file for file in files if SOURCE / "visionft" / "cli" not in file.parents]
    starts = ("sample_programs.py", "running.py")  # of programs: of an export, of a job
    starts = (*starts, "python_steps.py")  # where Python has no call
    engine = [file for file in engine if file.name not in starts]
    assert len(engine) > 100
    found = [(f"{file}:{line}", text) for file in engine for line, text in texts(file) if not OPTION.fullmatch(text)]
    assert not [f"{place}: {text}" for place, text in found if COMMAND.search(text)]


def test_every_action_is_a_command() -> None:
    assert set(COMMANDS) == set(get_args(Action))
    for action in get_args(Action):
        words = shlex.split(command_for(NextStep(action, requirement="timm>=1")))
        assert words[0] in ("visionft", "unset") or words[: words.index("--upgrade")][-2:] == ["pip", "install"], words


def test_an_environment_of_uv_has_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    step = NextStep("install", requirement="timm>=1")
    for has_pip, start in (True, [sys.executable, "-m", "pip"]), (False, ["uv", "pip"]):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name, spec=has_pip: spec or None)
        words = shlex.split(command_for(step))
        assert words[: len(start)] == start and words[-1] == "timm>=1" and sys.executable in words


def test_a_program_without_python_says_what_to_do_and_names_no_command(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    error = VisionFTError(
        "open_clip is not installed.", next_step=NextStep("install", requirement="visionft[zero-shot]")
    )
    assert command_for(NextStep("install", requirement="visionft[zero-shot]")) == ""
    assert error_value(error, {})["error"]["next"] is None
    print_error(error, {})
    told = capsys.readouterr().err
    assert "  Next: " in told and "pip" not in told


def test_facts_come_from_the_step_then_from_the_command_that_failed() -> None:
    step = NextStep("evaluate", run="003-lora", split="test")
    for made, given, place in (
        (step, {}, "PROJECT"),
        (step, {"project": Path("my birds")}, "my birds"),
        (step.on(Path("here")), {"project": "there"}, "here"),
    ):
        expected = ["visionft", "evaluate", place, "003-lora", "--split", "test"]
        assert shlex.split(command_for(made, given)) == expected
    assert "--as" not in command_for(NextStep("import_weights"))


@pytest.fixture
def step_of(run):
    """Return a function: arguments -> (exit code, the words of the next step at the end of stderr)."""

    def step_of(*arguments: object) -> tuple[int, list[str]]:
        code, _, stderr = run(*arguments)
        return code, shlex.split(stderr.rpartition("  Next: visionft ")[2]) if code else []

    return step_of


def test_the_commands_that_errors_print_run(step_of, image_folder: Path, tmp_path: Path, monkeypatch) -> None:
    """A project with a space in its name is made and restored by the printed steps, word for word."""
    monkeypatch.chdir(tmp_path)  # one of the steps writes a recipe where it runs
    project = tmp_path / "my birds"
    code, step = step_of("project", "info", project)
    assert code == 2 and step_of(*step) == (0, [])  # new
    assert step_of("import", project, image_folder)[0] == 0
    train = ("train", project, "--backbone", "test_resnet", "--method", "linear", "--set", "weights=random")
    assert step_of(*train, "--estimate")[0] == 0
    code, step = step_of("train", project, "--preset", "quick", "--set", "nonsense=1")
    assert code == 2 and step_of(*step) == (0, [])  # methods
    assert step_of("project", "backup", project)[0] == 0
    (project / "project.db").write_bytes(b"rubbish" * 1000)
    code, step = step_of("project", "info", project)
    assert code == 2 and step == ["project", "restore", str(project)] and step_of(*step) == (0, [])
    assert step_of("project", "info", project)[0] == 0


def test_a_command_of_the_program_works_where_it_is_not_on_the_path(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program, *words = shlex.split(own_command("app", "a project"))
    assert Path(program).samefile(sys.executable) and words == ["-m", "visionft", "app", "a project"]
    on_path = tmp_path / ("visionft.exe" if sys.platform == "win32" else "visionft")
    on_path.touch(mode=0o755)
    assert shlex.split(own_command("app", "a project")) == ["visionft", "app", "a project"]
