"""The set-up script: installs once, again only when something changed, and passes arguments and exit codes through."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import start as start_script
from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[2] / "packaging" / "start.py"
PROJECT = """[project]
name = 'a'
dependencies = ["onnxruntime-gpu>=1.28; sys_platform != 'darwin'", "torch>=2.10", "torchvision>=0.25", "timm"]
"""
GPU_PARTS = ("torch", "torchvision", "onnxruntime", "onnxruntime-gpu")
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
    monkeypatch.setattr(start, "is_usable", lambda _installed, _wanted: start.python_in_venv().exists())
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


def test_small_builds_without_a_gpu_give_way_to_one_that_comes_in_and_never_return(plan: Callable[..., Log]) -> None:
    small = ("onnxruntime>=1.28; sys_platform != 'darwin'", "torch>=2.10", "torchvision>=0.25", "timm")
    assert plan(with_tests=True, has_gpu=False)[2:] == [
        ("uv", "pip", "install", "--torch-backend", "cpu", "torch>=2.10", "torchvision>=0.25"),
        ("install", *small, "--group", "dev"),
        (*INSTALL, "--no-deps"),
    ]
    assert plan(has_gpu=False) == []
    steps = plan()
    assert steps[0] == ("uninstall", "--yes", "--quiet", *GPU_PARTS)
    assert steps[-1] == (*INSTALL, "--group", "dev")
    assert plan(has_gpu=False) == []


@pytest.mark.parametrize(
    ("platform", "cuda", "other_sources", "chosen", "backend"),
    [
        ("linux", False, False, "", "cpu"),  # PyPI has CUDA builds for Linux
        ("linux", True, False, "", None),
        ("win32", False, False, "", None),  # and CPU builds for Windows
        ("win32", True, False, "", "auto"),
        ("darwin", False, False, "", None),
        ("linux", False, True, "", None),  # pip's own settings decide, unless requested otherwise
        ("linux", False, True, "rocm6.4", "rocm6.4"),
    ],
)
def test_uv_is_asked_only_where_pip_would_take_the_wrong_build(
    start: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    cuda: bool,
    other_sources: bool,
    chosen: str,
    backend: str | None,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(start, "pip_has_other_sources", lambda: other_sources)
    monkeypatch.setenv("UV_TORCH_BACKEND", chosen)
    assert start.torch_backend(cuda=cuda) == backend


def test_where_uv_fails_pip_goes_on(
    start: ModuleType, plan: Callable[..., Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "uv", failing(subprocess.CalledProcessError(2, ["uv"])))
    assert plan(has_gpu=False)[-1] == (*INSTALL, "--no-deps")
    assert start.is_current(start.read_stamp(), start.state(with_tests=False))


def test_uv_is_there_only_meanwhile(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[list[str]] = []
    monkeypatch.setattr(start.subprocess, "run", lambda line, **_options: log.append(line))
    start.uv("pip", "install", "torch")
    python = str(start.python_in_venv())
    assert [line[4:] for line in (log[0], log[2])] == [
        ["--disable-pip-version-check", "install", "uv", "--quiet"],
        ["--disable-pip-version-check", "uninstall", "--yes", "uv", "--quiet"],
    ]
    assert log[1] == [python, "-I", "-m", "uv", "pip", "install", "torch", "--python", python] and len(log) == 3


@pytest.mark.parametrize(
    ("settings", "has_other"),
    [
        ("global.find-links='/opt/wheels'", True),
        (":env:.index-url='https://example.com/simple'", True),
        ("install.extra-index-url='https://example.com/a.b'", True),
        ("global.timeout='60'\nglobal.cert='/a/find-links'", False),
        ("", False),
    ],
)
def test_other_sources_are_read_from_pips_settings(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, settings: str, has_other: bool
) -> None:
    answer = subprocess.CompletedProcess([], 0, stdout=settings)
    monkeypatch.setattr(start.subprocess, "run", lambda _line, **_options: answer)
    assert start.pip_has_other_sources() is has_other


@pytest.mark.parametrize(("error", "count", "has_gpu"), [(0, 2, True), (0, 0, False), (9, 0, False), (None, 0, False)])
def test_nvidias_driver_is_asked_for_gpus_where_there_is_one(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, error: int | None, count: int, has_gpu: bool
) -> None:
    class Driver:
        def nvmlInit_v2(self) -> int | None:
            return error

        def nvmlDeviceGetCount_v2(self, pointer) -> int:
            pointer._obj.value = count
            return 0

    absent = failing(OSError("libnvidia-ml.so.1: cannot open shared object file"))
    monkeypatch.setattr(start.ctypes, "CDLL", absent if error is None else lambda _name: Driver())
    assert start.has_nvidia_gpu() is has_gpu


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
    assert not start.is_current(start.read_stamp(), start.state(with_tests=False))
    steps = plan()
    assert steps[-1] == INSTALL and ("venv",) not in steps


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "C:/VisionFT/.venv"), "'C:/VisionFT/.venv'.\n"),
        (ValueError("Refusing to create a venv in a:b."), "in a:b.\n"),
        (subprocess.CalledProcessError(1, ["ensurepip"], output=b"no pip here\n"), ": no pip here.\n"),
        (subprocess.CalledProcessError(1, ["pip"]), "\n"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_an_error_is_told_with_advice_and_no_traceback(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, error: Exception, words: str
) -> None:
    monkeypatch.setattr(start.venv, "create", failing(error))
    assert start.main(["demo"]) == 1
    said = capsys.readouterr().err
    assert str(start.ENVIRONMENT) in said and words in said and "Traceback" not in said
    assert ("GB" in said) is not isinstance(error, OSError)  # no place to write: the room is not the reason


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
    wanted = start.state(with_tests=False)
    assert not start.is_usable({}, wanted)
    start.python_in_venv().parent.mkdir(parents=True)
    start.python_in_venv().symlink_to(sys.executable)
    assert not start.is_usable({"root": "/elsewhere"}, wanted)
    assert not start.is_usable({}, wanted | {"python": "2.7"})
    start.python_in_venv().unlink()
    start.python_in_venv().write_text("not a program of this computer")
    start.python_in_venv().chmod(0o755)
    assert not start.is_usable({}, wanted)


@pytest.mark.parametrize(
    ("answer", "is_usable"), [("3.12 macosx-11.0-arm64", True), ("3.12 macosx-11.0-x86_64", False), ("", False)]
)
def test_an_environment_of_another_processor_or_without_pip_is_not_used(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, answer: str, is_usable: bool
) -> None:
    """A Mac runs programs for Intel too, and pip would mix the libraries of both."""
    start.python_in_venv().parent.mkdir(parents=True)
    start.python_in_venv().touch()
    said = subprocess.CompletedProcess([], 0, stdout=f"{answer}\n")
    monkeypatch.setattr(start.subprocess, "run", lambda _line, **_options: said)
    wanted = start.state(with_tests=False) | {"python": "3.12", "platform": "macosx-11.0-arm64"}
    assert start.is_usable({}, wanted) is is_usable


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


@pytest.mark.parametrize(("room", "own", "in_memory"), [(2**33, "", True), (2**30, "", False), (2**33, "x", False)])
def test_tests_run_with_temporary_files_in_memory_where_there_is_room_and_pass_their_exit_code_on(
    start: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, own: str, in_memory: bool
) -> None:
    monkeypatch.setattr(start, "IN_MEMORY", tmp_path)
    monkeypatch.setattr(start.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=room))
    if own:
        monkeypatch.setenv("TMPDIR", own)
    write = "import os, sys; open('where', 'w').write(os.environ.get('TMPDIR', '')); sys.exit(5)"
    assert start.run([sys.executable, "-c", write, "pytest"]) == 5
    where = (start.ROOT / "where").read_text()
    assert (Path(where).parent == tmp_path and not Path(where).exists()) if in_memory else where == own


def test_an_old_python_is_refused_with_the_version_needed(
    start: ModuleType, installed: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert start.main(["demo"]) == 2
    message = capsys.readouterr().err
    assert "3.11" in message and "3.9.18" in message and installed == []


@pytest.mark.parametrize("arguments", [[], ["deom"]])
def test_an_unknown_command_shows_the_usage(
    start: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert start.main(arguments) == 2
    assert start.__doc__ in capsys.readouterr().err


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
