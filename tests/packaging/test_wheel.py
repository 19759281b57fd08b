"""Contents of a wheel: all runtime files and no build-only ones; it runs far from any source."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import check_wheel
import pytest
import wheel_imports
from hatchling.builders.wheel import WheelBuilder

from models.catalog import BACKBONES
from resources.photographs import PHOTOGRAPHS

ROOT = Path(__file__).parents[2]
INSIDE = ("gui", "models", "resources")  # of `visionft` in the wheel


def wheel_files() -> set[str]:
    builder = WheelBuilder(str(ROOT))
    return {Path(file.distribution_path).as_posix() for file in builder.recurse_included_files()}


def test_the_wheel_has_all_sources_and_files_of_its_packages_alone() -> None:
    files = wheel_files()
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "visionft").rglob("*.py")}
    for package in INSIDE:
        sources |= {f"visionft/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / package).rglob("*.py")}
    assert sources <= files
    assert {path.partition("/")[0] for path in files} == {"visionft"}
    assert not [
        path for path in files if "test" in path.rpartition("/")[0] or path.endswith((".jsonl", ".log", ".pyc"))
    ]
    assert {f"visionft/models/{row.bundled}" for row in BACKBONES.values() if row.bundled} <= files
    assert "visionft/models/timm_index.json" in files
    pictures = ("photographs.zip", "photographs.jpg", "drawn.jpg")
    assert {f"visionft/resources/pictures/{name}" for name in pictures} <= files
    read = ("translations/de/LC_MESSAGES/visionft.mo", "manual/label.md", "manual/de/label.md", "screenshots/label.png")
    assert {f"visionft/resources/{name}" for name in read} <= files


def test_the_wheel_brings_the_licences_of_what_others_made() -> None:
    files = WheelBuilder(str(ROOT)).metadata.core.license_files
    assert files == ["LICENSE", "THIRD_PARTY_NOTICES.md"]
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    for row in BACKBONES.values():
        theirs = {each for each in row.licence.split(" AND ") if row.bundled and each != "Apache-2.0"}
        assert not theirs or f"models/{row.bundled}" in notices
        assert all(f"The {licence} License" in notices for licence in theirs)
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        licence = archive.comment.decode()
    assert "`resources/pictures/photographs.zip`" in notices
    assert " ".join(licence.split()) in " ".join(word for word in notices.split() if word != ">")


@pytest.mark.slow
def test_an_installed_wheel_loads_nothing_from_the_sources_and_is_always_the_same(tmp_path: Path) -> None:
    """The whole of it, a training run included, is `packaging/check_wheel.py` without `--quick`: minutes."""
    line = [sys.executable, "-P", str(ROOT / "packaging" / "check_wheel.py"), "--quick"]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", timeout=250, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MB  visionft/models/bundled" in done.stdout
    assert check_wheel.sha256(check_wheel.build(tmp_path)) in done.stdout


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from models import pins\n", "from visionft.models import pins\n"),
        ("if x:\n    from gui.app import main  # models\n", "if x:\n    from visionft.gui.app import main  # models\n"),
        ("import models\n", "import visionft.models as models\n"),
        ("import json, resources as r\n", "import json, visionft.resources as r\n"),
        ("a = 'ä', \"gui.app:main\", 'models.json x'\n", "a = 'ä', \"visionft.gui.app:main\", 'models.json x'\n"),
        ("from .models import a\nfrom modelsx import b\nimport guide\nx = {'models': 1}\n", ""),
    ],
)
def test_imports_have_the_names_of_the_wheel(source: str, found: str) -> None:
    assert wheel_imports.with_wheel_imports(source) == (found or source)


def test_an_import_without_such_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2"):
        wheel_imports.with_wheel_imports("import json\nimport models.errors\n")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the wheel is installed, without its libraries."""
    folder, wheel = tmp_path_factory.mktemp("installed"), check_wheel.build(tmp_path_factory.mktemp("wheel"))
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run([*line, "--disable-pip-version-check", "--no-compile"], check=True)
    return folder


def run_installed(installed: Path, *arguments: str, beside: Path | None = None) -> str:
    """Return what Python prints with the installed wheel, and a folder before it, on the path."""
    libraries = [folder for folder in sys.path if Path(folder).name == "site-packages"]
    path = os.pathsep.join(map(str, filter(None, (beside, installed, *libraries))))
    environment = os.environ | {"PYTHONPATH": path, "QT_QPA_PLATFORM": "offscreen"}
    # -S: the .pth file of an editable installation would add the sources.
    line = [sys.executable, "-S", *arguments]
    done = subprocess.run(line, env=environment, cwd=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_project_of_the_user_has_the_names_models_gui_and_resources(installed: Path, tmp_path: Path) -> None:
    """Folders without `__init__.py` lose against any package of their name, wherever it is on the path."""
    for name in INSIDE:
        (tmp_path / name).mkdir()
        (tmp_path / name / "unet.py").write_text(f"OWN = {name!r}\n")
    code = "import visionft.project.store, visionft.models.catalog\n"
    code += "".join(f"from {name}.unet import OWN\nprint(OWN)\n" for name in INSIDE)
    assert run_installed(installed, "-c", code, beside=tmp_path).split() == list(INSIDE)


@pytest.mark.slow
def test_a_file_models_py_beside_a_notebook_changes_nothing(installed: Path, tmp_path: Path) -> None:
    for name in INSIDE:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the file of the user was imported')\n")
    code = "import visionft.project.store, visionft.api, visionft.gui.kit.theme; print(visionft.project.store.__file__)"
    assert Path(run_installed(installed, "-c", code, beside=tmp_path)).is_relative_to(installed)


@pytest.mark.slow
def test_every_module_and_entry_point_of_the_wheel_loads_by_its_name_there(installed: Path) -> None:
    names: set[str] = set()
    for path in sorted((installed / "visionft").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and str(node.value).startswith(
                tuple(f"visionft.{each}." for each in INSIDE)
            ):
                names.add(node.value)  # a name in a text, of a page or a table
    assert {"visionft.models.catalog", "visionft.gui.train.train_page:TrainPage"} <= names
    code = f"""
import importlib.metadata, pkgutil, sys, visionft
for module in pkgutil.walk_packages(visionft.__path__, "visionft."):
    if module.name != "visionft.resources.predict":  # a program
        __import__(module.name)
for name in {sorted(names)!r}:
    pkgutil.resolve_name(name)
about = importlib.metadata.distribution("visionft")
assert all(entry.load() for entry in about.entry_points)
print(*[entry.value for entry in about.entry_points], *[name for name in {INSIDE!r} if name in sys.modules])
"""
    assert sorted(run_installed(installed, "-c", code).split()) == ["visionft.__main__:main", "visionft.gui.app:main"]
    assert "resnet18" in run_installed(installed, "-m", "visionft", "weights", "list", "--json")
