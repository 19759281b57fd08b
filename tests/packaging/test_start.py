"""The set-up script: installs once, again only when something changed, and passes arguments and exit codes through."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[2] / "packaging" / "start.py"
PROJECT = """[project]
name = 'a'
dependencies = ["onnxruntime-gpu>=1.28; sys_platform != 'darwin'", "torch>=2.10", "torchvision>=0.25", "timm"]
"""
GPU_PARTS = ("torch", "torchvision", "onnxruntime", "onnxruntime-gpu")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script as a module, set up over an empty project in a temporary folder."""
    spec = importlib.util.spec_from_file_location("start_under_test", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "visionft-setup.json")
    return module


@pytest.fixture
def installed(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Record the planned environment and installations; leave an interpreter's file as a real run does."""
    log: list[tuple[str, ...]] = []

    def create(folder: Path, **_options: object) -> None:
        log.append(("venv",))
        start.python_in_venv().parent.mkdir(parents=True, exist_ok=True)
        start.python_in_venv().touch(0o755)

    monkeypatch.setattr(start.venv, "create", create)
    monkeypatch.setattr(start, "pip", lambda *arguments: log.append(arguments))
    monkeypatch.setattr(start, "uv", lambda *arguments: log.append(("uv", *arguments)))
    monkeypatch.setattr(start, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(start, "pip_has_other_sources", lambda: False)
    monkeypatch.setattr(start.sys, "platform", "linux")
    monkeypatch.delenv("UV_TORCH_BACKEND", raising=False)
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


@pytest.mark.parametrize("damage", ["project", "stamp", "interpreter", "rights", "moved", "processor"])
def test_a_change_installs_again(start: ModuleType, installed: list[tuple[str, ...]], damage: str) -> None:
    start.prepare(with_tests=False)
    installed.clear()
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
    start.prepare(with_tests=False)
    assert ("install", "--editable", ".") in installed
    assert (("venv",) in installed) == (damage == "interpreter")


def test_without_a_gpu_the_small_builds_are_installed(
    start: ModuleType, installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "has_nvidia_gpu", lambda: False)
    start.prepare(with_tests=True)
    runtime = "onnxruntime>=1.28; sys_platform != 'darwin'"
    assert installed[2:] == [
        ("uv", "pip", "install", "--torch-backend", "cpu", "torch>=2.10", "torchvision>=0.25"),
        ("install", runtime, "torch>=2.10", "torchvision>=0.25", "timm", "--group", "dev"),
        ("install", "--editable", ".", "--no-deps"),
    ]
    installed.clear()
    start.prepare(with_tests=False)
    assert installed == []


def test_a_gpu_that_comes_in_changes_the_builds_and_one_that_is_away_does_not(
    start: ModuleType, installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "has_nvidia_gpu", lambda: False)
    start.prepare(with_tests=False)
    installed.clear()
    monkeypatch.setattr(start, "has_nvidia_gpu", lambda: True)
    start.prepare(with_tests=False)
    assert installed[0] == ("uninstall", "--yes", "--quiet", *GPU_PARTS)
    assert installed[-1] == ("install", "--editable", ".")
    installed.clear()
    monkeypatch.setattr(start, "has_nvidia_gpu", lambda: False)
    start.prepare(with_tests=False)
    assert installed == []


@pytest.mark.parametrize(
    ("platform", "cuda", "other_sources", "chosen", "backend"),
    [
        ("linux", False, False, None, "cpu"),  # PyPI has CUDA builds for Linux
        ("linux", True, False, None, None),
        ("win32", False, False, None, None),  # and CPU builds for Windows
        ("win32", True, False, None, "auto"),
        ("darwin", False, False, None, None),
        ("linux", False, True, None, None),  # pip's own settings decide, unless requested otherwise
        ("linux", False, True, "rocm6.4", "rocm6.4"),
    ],
)
def test_uv_is_asked_only_where_pip_would_take_the_wrong_build(
    start: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    cuda: bool,
    other_sources: bool,
    chosen: str | None,
    backend: str | None,
) -> None:
    monkeypatch.setattr(start.sys, "platform", platform)
    monkeypatch.setattr(start, "pip_has_other_sources", lambda: other_sources)
    monkeypatch.delenv("UV_TORCH_BACKEND", raising=False)
    if chosen:
        monkeypatch.setenv("UV_TORCH_BACKEND", chosen)
    assert start.torch_backend(cuda=cuda) == backend


def test_where_uv_fails_pip_goes_on_and_says_so(
    start: ModuleType,
    installed: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def fail(*_arguments: str) -> None:
        raise subprocess.CalledProcessError(2, ["uv"])

    monkeypatch.setattr(start, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(start, "uv", fail)
    start.prepare(with_tests=False)
    assert installed[-1] == ("install", "--editable", ".", "--no-deps")
    assert start.is_current(start.read_stamp(), start.state(with_tests=False))
    assert "as pip offers it" in capsys.readouterr().err


def test_uv_is_there_only_meanwhile(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    monkeypatch.setattr(start.subprocess, "run", lambda line, **_options: log.append(" ".join(line)))
    start.uv("pip", "install", "torch")
    python = str(start.python_in_venv())
    assert "pip" in log[0] and "install uv" in log[0]
    assert log[1] == f"{python} -I -m uv pip install torch --python {python}"
    assert "uninstall --yes uv" in log[2] and len(log) == 3


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


def test_a_computer_without_nvidias_driver_has_no_gpu(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_name: str) -> None:
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    monkeypatch.setattr(start.ctypes, "CDLL", absent)
    assert start.has_nvidia_gpu() is False


@pytest.mark.parametrize(("error", "count", "has_gpu"), [(0, 2, True), (0, 0, False), (9, 0, False)])
def test_the_driver_is_asked_for_gpus(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, error: int, count: int, has_gpu: bool
) -> None:
    class Driver:
        def nvmlInit_v2(self) -> int:
            return error

        def nvmlDeviceGetCount_v2(self, pointer) -> int:
            pointer._obj.value = count
            return 0

    monkeypatch.setattr(start.ctypes, "CDLL", lambda _name: Driver())
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

    def runtimes(lines: list[str]) -> list[str]:
        asked = [Requirement(line) for line in lines]
        return [
            each.name
            for each in asked
            if each.name.startswith("onnxruntime") and (each.marker is None or each.marker.evaluate(there))
        ]

    assert runtimes(start.requirements()) == [plain]
    assert runtimes(start.cpu_requirements()) == ["onnxruntime"]
    assert {line.partition(">")[0] for line in start.requirements() if line.startswith("torch")} == {
        "torch",
        "torchvision",
    }


def test_a_failed_installation_is_not_taken_for_a_whole_one_and_says_what_to_do(
    start: ModuleType, installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*_arguments: str) -> None:
        raise subprocess.CalledProcessError(7, ["pip"])

    monkeypatch.setattr(start, "pip", fail)
    assert start.main(["demo"]) == 7
    assert not start.is_current(start.read_stamp(), start.state(with_tests=False))
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(13, "Permission denied", "C:/VisionFT/.venv"),
            "[Errno 13] Permission denied: 'C:/VisionFT/.venv'.",
        ),
        (ValueError("Refusing to create a venv in a:b."), "Refusing to create a venv in a:b."),
        (subprocess.CalledProcessError(1, ["ensurepip"], output=b"no pip here\n"), "no pip here."),
        (subprocess.CalledProcessError(1, ["pip"]), "see the messages above."),
    ],
)
def test_what_went_wrong_is_said_and_no_traceback(
    start: ModuleType,
    installed: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    error: Exception,
    words: str,
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(start.venv, "create", fail)
    assert start.main(["demo"]) == 1
    said = capsys.readouterr().err
    assert f"failed: {words}\n" in said
    assert ("where you may write" if isinstance(error, OSError) else "GB are free there") in said


def test_stopping_it_while_it_installs_is_no_error_and_it_goes_on_later(
    start: ModuleType, installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(*_arguments: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(start, "pip", stop)
        assert start.main(["demo"]) == 130
    assert "Stopped" in capsys.readouterr().err
    installed.clear()
    start.prepare(with_tests=False)
    assert installed[-1] == ("install", "--editable", ".") and ("venv",) not in installed


def test_a_python_that_cannot_make_environments_is_told_which_package_it_lacks(
    start: ModuleType, installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    assert start.main(["demo"]) == 2
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert f"sudo apt install {package}" in capsys.readouterr().err and installed == []


@pytest.mark.parametrize(
    ("system", "made_for", "processor", "words"),
    [
        ("win32", "win32", "AMD64", "64-bit Windows on x86-64; this one is for win32"),
        ("win32", "win-arm64", "ARM64", "also on a computer with an ARM processor"),
        ("win32", "mingw_x86_64", "AMD64", "this one is for mingw_x86_64"),
        ("darwin", "macosx-13-x86_64", "x86_64", "a Mac with a processor of Apple's own"),
        ("darwin", "macosx-10.9-universal2", "x86_64", "a Python for it"),  # of an ARM Mac, translated
        ("darwin", "macosx-11.0-universal2", "arm64", ""),
        ("win32", "win-amd64", "ARM64", ""),  # x86-64 on ARM
        ("linux", "linux-aarch64", "aarch64", ""),
    ],
)
def test_a_python_without_libraries_is_refused_before_anything_is_installed(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str, made_for: str, processor: str, words: str
) -> None:
    monkeypatch.setattr(start.sys, "platform", system)
    monkeypatch.setattr(start.sysconfig, "get_platform", lambda: made_for)
    monkeypatch.setattr(start.platform, "machine", lambda: processor)
    if not words:
        start.require_suitable_python()
        return
    with pytest.raises(start.CannotSetUpError, match=words):
        start.require_suitable_python()


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


def test_arguments_reach_the_command(start: ModuleType) -> None:
    assert start.command_line("test", ["-k", "decode", "-x"])[1:] == ["-P", "-m", "pytest", "-k", "decode", "-x"]
    assert start.command_line("test", [])[1:] == ["-P", "-m", "pytest", *start.QUICK_TESTS]
    assert start.command_line("demo", ["--out", "a b"])[1:] == ["-I", "-m", "visionft", "demo", "--out", "a b"]
    assert start.command_line("app", [])[1:] == ["-I", "-m", "visionft", "app"]


def test_windows_finds_the_program_in_a_folder_with_an_umlaut(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.13 the file with the folder's name is read in the system's encoding, unless configured."""
    monkeypatch.setattr(start, "python_in_venv", lambda: "python.exe")
    monkeypatch.setattr(start.os, "name", "nt")
    assert start.command_line("app", []) == ["python.exe", "-I", "-X", "utf8", "-m", "visionft", "app"]
    assert start.command_line("test", ["-x"]) == ["python.exe", "-P", "-X", "utf8", "-m", "pytest", "-x"]


def test_the_exit_code_passes_through(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "prepare", lambda *, with_tests: None)
    monkeypatch.setattr(start, "command_line", lambda _command, rest: [sys.executable, "-c", *rest])
    assert start.main(["demo", "raise SystemExit(5)"]) == 5
    assert start.main(["demo", "pass"]) == 0


def test_tests_run_with_their_temporary_files_in_memory_and_pass_their_exit_code_on(
    start: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "IN_MEMORY", tmp_path)
    monkeypatch.setattr(start.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=2**33))
    monkeypatch.delenv("TMPDIR", raising=False)
    write = "import sys, tempfile; open('where', 'w').write(tempfile.gettempdir()); sys.exit(5)"
    assert start.run([sys.executable, "-c", write, "pytest"]) == 5
    where = Path((start.ROOT / "where").read_text())
    assert where.parent == tmp_path and not where.exists()


@pytest.mark.parametrize(("room", "own", "in_memory"), [(2**33, None, True), (2**30, None, False), (2**33, "x", False)])
def test_temporary_files_of_tests_lie_in_memory_where_there_is_room_and_go_at_the_end(
    start: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, own: str | None, in_memory: bool
) -> None:
    monkeypatch.setattr(start, "IN_MEMORY", tmp_path)
    monkeypatch.setattr(start.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=room))
    monkeypatch.delenv("TMPDIR", raising=False)
    if own:
        monkeypatch.setenv("TMPDIR", own)
    with start.environment_of_tests() as environment:
        folder = environment.get("TMPDIR")
        assert (folder is not None and Path(folder).parent == tmp_path) == in_memory
        assert in_memory or folder == own
    assert not in_memory or not Path(str(folder)).exists()


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
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names | {"translations"}
    beside = ast.parse((SOURCE.parent / "translations.py").read_text(encoding="utf-8"))
    loaded = {alias.name for node in beside.body if isinstance(node, ast.Import) for alias in node.names}
    loaded |= {str(node.module) for node in beside.body if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in loaded} <= sys.stdlib_module_names
    assert not (SOURCE.parent / "__init__.py").exists()
