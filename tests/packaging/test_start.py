"""The set-up script: installs once, again only when something changed, and passes arguments and exit codes through."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import start as start_script
from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[2] / "packaging" / "start.py"
PROJECT = """[project]
name = 'a'
dependencies = ["onnxruntime-gpu>=1.28; sys_platform != 'darwin'", "torch>=2.10", "torchvision>=0.25", "timm"]
"""
INSTALL = ("install", "--editable", ".")
Log = list[tuple[str, ...]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script, over an empty project in a temporary folder, on Linux without settings of a developer."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    monkeypatch.setattr(start_script, "ROOT", tmp_path)
    monkeypatch.setattr(start_script, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(start_script, "STAMP", tmp_path / ".venv" / "visionft-setup.json")
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("UV_TORCH_BACKEND", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    return start_script


@pytest.fixture
def installed(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Log:
    """Record the planned environment and installations; leave an interpreter's file as a real run does."""
    log: Log = []

    def create(folder: Path, **_options: object) -> None:
        log.append(("venv",))
        start.python_in_venv().parent.mkdir(parents=True, exist_ok=True)
        start.python_in_venv().touch(0o755)

    monkeypatch.setattr(start.venv, "create", create)
    monkeypatch.setattr(start, "pip", lambda *arguments: log.append(arguments))
    monkeypatch.setattr(start, "uv", lambda *arguments: log.append(("uv", *arguments)))
    monkeypatch.setattr(start, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(start, "pip_has_other_sources", lambda: False)
    monkeypatch.setattr(start, "is_usable", lambda _installed, _required: start.python_in_venv().exists())
    return log


@pytest.fixture
def plan(start: ModuleType, installed: Log, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Log]:
    """Return a function to prepare an environment; it returns the steps of this call."""

    def plan(*, with_tests: bool = False, has_gpu: bool = True) -> Log:
        installed.clear()
        monkeypatch.setattr(start, "has_nvidia_gpu", lambda: has_gpu)
        start.prepare(with_tests=with_tests)
        return list(installed)

    return plan


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    return fail


def test_the_first_call_installs_the_tools_come_with_the_tests_and_stay(plan: Callable[..., Log]) -> None:
    assert plan() == [("venv",), ("install", "pip>=25.1"), INSTALL]
    assert plan() == []
    assert plan(with_tests=True)[1:] == [(*INSTALL, "--group", "dev")]
    assert plan() == []


@pytest.mark.parametrize("damage", ["project", "stamp", "interpreter", "rights", "moved", "processor"])
def test_a_change_installs_again(start: ModuleType, plan: Callable[..., Log], damage: str) -> None:
    plan()
    match damage:
        case "project":
            (start.ROOT / "pyproject.toml").write_text(PROJECT.replace("'a'", "'b'"))
        case "stamp":
            start.STAMP.write_text("{not json")
        case "interpreter":
            start.python_in_venv().unlink()
        case "rights":
            start.python_in_venv().chmod(0o644)
        case "moved":
            start.STAMP.write_text(json.dumps(start.read_stamp() | {"root": "/elsewhere"}))
        case "processor":
            start.STAMP.write_text(json.dumps(start.read_stamp() | {"platform": "linux-riscv64"}))
    steps = plan()
    assert INSTALL in steps
    assert (("venv",) in steps) == (damage == "interpreter")


@pytest.mark.parametrize(
    ("system", "processor", "plain"),
    [
        ("linux", "x86_64", "onnxruntime-gpu"),
        ("linux", "aarch64", "onnxruntime-gpu"),
        ("win32", "AMD64", "onnxruntime-gpu"),
        ("win32", "ARM64", "onnxruntime"),
        ("darwin", "arm64", "onnxruntime"),
    ],
)
def test_every_system_gets_one_onnx_runtime(start: ModuleType, system: str, processor: str, plain: str) -> None:
    """The project's own requirements decide; without a GPU it is always the small one."""
    (start.ROOT / "pyproject.toml").write_bytes((SOURCE.parents[1] / "pyproject.toml").read_bytes())
    there = {"sys_platform": system, "platform_machine": processor}

    def named(lines: list[str], prefix: str) -> list[str]:
        asked = [each for each in map(Requirement, lines) if each.name.startswith(prefix)]
        return [each.name for each in asked if each.marker is None or each.marker.evaluate(there)]

    assert named(start.requirements(), "onnxruntime") == [plain]
    assert named(start.cpu_requirements(), "onnxruntime") == ["onnxruntime"]
    assert named(start.requirements(), "torch") == ["torch", "torchvision"]


@pytest.mark.parametrize(
    ("error", "code"), [(subprocess.CalledProcessError(7, ["pip"]), 7), (KeyboardInterrupt(), 130)]
)
def test_a_failed_or_stopped_installation_is_not_taken_for_a_whole_one_and_goes_on_later(
    start: ModuleType, plan: Callable[..., Log], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(start, "pip", failing(error))
        assert start.main(["demo"]) == code
    assert not start.is_current(start.read_stamp(), start.required_environment(with_tests=False))
    steps = plan()
    assert steps[-1] == INSTALL and ("venv",) not in steps


def test_a_python_that_cannot_make_environments_is_told_which_package_it_lacks(
    start: ModuleType, installed: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    assert start.main(["demo"]) == 2
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert package in capsys.readouterr().err and installed == []


@pytest.mark.parametrize(
    ("system", "made_for", "processor", "is_suitable"),
    [
        ("win32", "win32", "AMD64", False),
        ("win32", "win-arm64", "ARM64", False),
        ("win32", "mingw_x86_64", "AMD64", False),
        ("darwin", "macosx-13-x86_64", "x86_64", False),
        ("darwin", "macosx-10.9-universal2", "x86_64", False),  # of an ARM Mac, translated
        ("darwin", "macosx-11.0-universal2", "arm64", True),
        ("win32", "win-amd64", "ARM64", True),  # x86-64 on ARM
        ("linux", "linux-aarch64", "aarch64", True),
    ],
)
def test_a_python_without_libraries_is_refused_before_anything_is_installed(
    start: ModuleType,
    installed: Log,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    made_for: str,
    processor: str,
    is_suitable: bool,
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(start.sysconfig, "get_platform", lambda: made_for)
    monkeypatch.setattr(start.platform, "machine", lambda: processor)
    if is_suitable:
        start.require_suitable_python()
    else:
        assert start.main(["demo"]) == 2 and installed == []


def test_an_environment_of_another_place_or_python_is_not_used(start: ModuleType) -> None:
    required = start.required_environment(with_tests=False)
    assert not start.is_usable({}, required)
    start.python_in_venv().parent.mkdir(parents=True)
    start.python_in_venv().symlink_to(sys.executable)
    assert not start.is_usable({"root": "/elsewhere"}, required)
    assert not start.is_usable({}, required | {"python": "2.7"})
    start.python_in_venv().unlink()
    start.python_in_venv().write_text("not a program of this computer")
    start.python_in_venv().chmod(0o755)
    assert not start.is_usable({}, required)


def test_arguments_reach_the_command_and_its_exit_code_returns(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start.command_line("test", ["-k", "decode", "-x"])[1:] == ["-P", "-m", "pytest", "-k", "decode", "-x"]
    assert start.command_line("test", [])[1:] == ["-P", "-m", "pytest", *start.QUICK_TESTS]
    assert start.command_line("demo", ["--out", "a b"])[1:] == ["-I", "-m", "visionft", "demo", "--out", "a b"]
    assert start.command_line("app", [])[1:] == ["-I", "-m", "visionft", "app"]
    monkeypatch.setattr(start, "prepare", lambda *, with_tests: None)
    monkeypatch.setattr(start, "command_line", lambda _command, rest: [sys.executable, "-c", *rest])
    assert start.main(["demo", "raise SystemExit(5)"]) == 5
    assert start.main(["demo", "pass"]) == 0


def test_windows_finds_the_program_in_a_folder_with_an_umlaut(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.13 the file with the folder's name is read in the system's encoding, unless configured."""
    monkeypatch.setattr(start, "python_in_venv", lambda: "python.exe")
    monkeypatch.setattr(start.os, "name", "nt")
    assert start.command_line("app", []) == ["python.exe", "-I", "-X", "utf8", "-m", "visionft", "app"]
    assert start.command_line("test", ["-x"]) == ["python.exe", "-P", "-X", "utf8", "-m", "pytest", "-x"]


def test_an_old_python_is_refused_with_the_version_needed(
    start: ModuleType, installed: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert start.main(["demo"]) == 2
    message = capsys.readouterr().err
    assert "3.11" in message and "3.9.18" in message and installed == []


def test_an_older_python_can_parse_the_file_and_it_needs_only_the_standard_library() -> None:
    def imported(nodes) -> set[str]:
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        return {name.split(".")[0] for name in names}

    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))
    assert imported(list(ast.walk(tree))) <= sys.stdlib_module_names | {"translations"}
    beside = ast.parse((SOURCE.parent / "translations.py").read_text(encoding="utf-8"))
    assert imported(beside.body) <= sys.stdlib_module_names
    assert not (SOURCE.parent / "__init__.py").exists()
