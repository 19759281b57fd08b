"""Files in the current folder never run, whatever their names: at the start and in loader processes."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from visionft.export.sample_programs import PYTHON

ROOT = Path(__file__).parents[2]
NAMES = ("multiprocessing", "torch", "models", "gui", "resources", "typer", "logging", "pathlib", "json", "numpy",
         "PIL", "cv2", "pickle", "subprocess", "albumentations", "onnxruntime", "psutil")  # fmt: skip
TINY = ("--backbone", "test_resnet", "--method", "full", "--epochs", "1", "--device", "cpu", "--set", "weights=random",
        "--set", "image_size=32", "--set", "workers=1")  # fmt: skip


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a folder of modules; each leaves a mark beside it when run."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'a').write({name!r} + ' ')\n")
    return folder


@pytest.fixture
def project(tmp_path: Path, image_folder: Path) -> Path:
    """Return a project of images with splits."""
    from visionft.project.importing.importer import import_source
    from visionft.project.splits import assign_splits
    from visionft.project.store import ProjectStore

    with ProjectStore.create(tmp_path / "project") as project:
        import_source(project, image_folder)
        assign_splits(project, val=0.2, test=0.1, seed=0)
        return project.path


def run(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command as from a user's shell: without the environment set by importing `visionft` here."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={**inherited, **env}, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip


def ran(folder: Path) -> str:
    """Return the executed modules of `hostile`."""
    return (folder / "ran").read_text() if (folder / "ran").exists() else ""


@pytest.mark.slow
@pytest.mark.parametrize("is_script", [False, True])  # a script as pip writes it
def test_the_start_runs_nothing_of_it(hostile: Path, project: Path, tmp_path: Path, is_script: bool) -> None:
    script = tmp_path / "visionft"
    script.write_text("import sys\nfrom visionft.__main__ import main\nsys.exit(main())\n")
    start = [script] if is_script else ["-m", "visionft"]
    env = {"PYTHONPATH": f"{os.pathsep}/nowhere"} if is_script else {}  # it names the current folder
    done = run(sys.executable, *start, "project", "info", project, cwd=hostile, **env)
    assert (done.returncode, ran(hostile)) == (0, ""), done.stderr
    assert "48 images" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no folder can be deleted there while it is somebody's current one")
def test_the_start_from_a_deleted_folder(project: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = 'rmdir "$PWD" && exec "$0" -m visionft project info "$1"'
    done = run("sh", "-c", line, sys.executable, project, cwd=gone)
    assert done.returncode == 0 and "48 images" in done.stdout, done.stderr


@pytest.mark.slow
def test_loader_processes_run_nothing_of_it(hostile: Path, project: Path) -> None:
    done = run(sys.executable, "-m", "visionft", "train", project, *TINY, cwd=hostile)
    assert (done.returncode, ran(hostile)) == (0, ""), done.stderr


def test_the_script_beside_a_model_runs_none_of_its_neighbours(hostile: Path) -> None:
    (hostile / "predict.py").write_bytes(PYTHON.content)
    done = run(sys.executable, hostile / "predict.py", "image.png", cwd=ROOT)
    assert ran(hostile) == ""
    assert "model.onnx" in done.stderr  # it came as far as looking for its model


def test_the_set_up_script_starts_the_program_itself(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (hostile / "visionft.py").write_text("raise SystemExit('not the program')\n")
    spec = importlib.util.spec_from_file_location("start_under_test", ROOT / "packaging" / "start.py")
    assert spec is not None and spec.loader is not None
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    monkeypatch.setattr(start, "python_in_venv", lambda: Path(sys.executable))
    done = run(*start.command_line("demo", ["--help"]), cwd=hostile)
    assert (done.returncode, ran(hostile)) == (0, ""), done.stderr
    assert "sample images" in done.stdout
