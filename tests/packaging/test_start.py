"""The set-up script: installs once, again only when something changed, and passes arguments and exit codes through."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "packaging" / "start.py"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script as a module, set up over an empty project in a temporary folder."""
    spec = importlib.util.spec_from_file_location("start_under_test", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "visionft-setup.json")
    return module


@pytest.fixture
def installed(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Record what would be made and installed, leaving an interpreter's file behind as the real thing does."""
    log: list[tuple[str, ...]] = []

    def create(folder: Path, **_options: object) -> None:
        log.append(("venv",))
        start.python_in_venv().parent.mkdir(parents=True, exist_ok=True)
        start.python_in_venv().touch()

    monkeypatch.setattr(start.venv, "create", create)
    monkeypatch.setattr(start, "pip", lambda *arguments: log.append(arguments))
    monkeypatch.setattr(start, "is_usable", lambda _installed, _wanted: start.python_in_venv().exists())
    return log


def test_the_first_call_installs_and_the_second_does_nothing(
    start: ModuleType, installed: list[tuple[str, ...]]
) -> None:
    start.prepare(with_tests=False)
    assert installed == [("venv",), ("install", "pip>=25.1"), ("install", "--editable", ".")]
    installed.clear()
    start.prepare(with_tests=False)
    assert installed == []


def test_tests_add_the_development_tools_and_a_demo_afterwards_keeps_them(
    start: ModuleType, installed: list[tuple[str, ...]]
) -> None:
    start.prepare(with_tests=False)
    installed.clear()
    start.prepare(with_tests=True)
    assert installed[-1] == ("install", "--editable", ".", "--group", "dev")
    assert ("venv",) not in installed
    installed.clear()
    start.prepare(with_tests=False)
    assert installed == []


@pytest.mark.parametrize("damage", ["project", "stamp", "interpreter", "moved"])
def test_a_change_installs_again(start: ModuleType, installed: list[tuple[str, ...]], damage: str) -> None:
    start.prepare(with_tests=False)
    installed.clear()
    match damage:
        case "project":
            (start.ROOT / "pyproject.toml").write_text("[project]\nname = 'b'\n")
        case "stamp":
            start.STAMP.write_text("{not json")
        case "interpreter":
            start.python_in_venv().unlink()
        case "moved":
            start.STAMP.write_text(json.dumps(start.read_stamp() | {"root": "/elsewhere"}))
    start.prepare(with_tests=False)
    assert ("install", "--editable", ".") in installed
    assert (("venv",) in installed) == (damage == "interpreter")


def test_a_failed_installation_leaves_no_stamp_and_says_what_to_do(
    start: ModuleType, installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*_arguments: str) -> None:
        raise subprocess.CalledProcessError(7, ["pip"])

    monkeypatch.setattr(start, "pip", fail)
    assert start.main(["demo"]) == 7
    assert not start.STAMP.exists()
    assert "run the same command again" in capsys.readouterr().err


def test_an_environment_of_another_place_or_python_is_not_used(start: ModuleType) -> None:
    wanted = start.state(with_tests=False)
    assert not start.is_usable({}, wanted)
    start.python_in_venv().parent.mkdir(parents=True)
    start.python_in_venv().symlink_to(sys.executable)
    assert not start.is_usable({"root": "/elsewhere"}, wanted)
    assert not start.is_usable({}, wanted | {"python": "2.7"})


def test_arguments_reach_the_command(start: ModuleType) -> None:
    assert start.command_line("test", ["-k", "decode", "-x"])[1:] == ["-P", "-m", "pytest", "-k", "decode", "-x"]
    assert start.command_line("demo", ["--out", "a b"])[1:] == ["-P", "-m", "visionft", "demo", "--out", "a b"]
    assert start.command_line("app", [])[1:] == ["-P", "-m", "visionft", "app"]


def test_the_exit_code_passes_through(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "prepare", lambda *, with_tests: None)
    monkeypatch.setattr(start, "command_line", lambda _command, rest: [sys.executable, "-c", *rest])
    assert start.main(["demo", "raise SystemExit(5)"]) == 5
    assert start.main(["demo", "pass"]) == 0


def test_an_old_python_is_refused_with_the_version_needed(
    start: ModuleType, installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(start.sys, "version_info", (3, 9, 18))
    assert start.main(["demo"]) == 2
    message = capsys.readouterr().err
    assert "3.11" in message
    assert "3.9.18" in message
    assert installed == []


@pytest.mark.parametrize("arguments", [[], ["deom"]])
def test_an_unknown_command_shows_the_usage(
    start: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert start.main(arguments) == 2
    assert "start.py demo" in capsys.readouterr().err


def test_an_older_python_can_parse_the_file_and_it_needs_only_the_standard_library() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
    assert not (SOURCE.parent / "__init__.py").exists()
