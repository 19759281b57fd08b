"""Contents of a wheel: all runtime files and no build-only ones; it runs far from any source."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import check_wheel
import pytest
from hatchling.builders.wheel import WheelBuilder

from models.catalog import BACKBONES
from resources.photographs import PHOTOGRAPHS

ROOT = Path(__file__).parents[2]
PACKAGES = ("visionft", "gui", "models", "resources")


def wheel_files() -> set[str]:
    builder = WheelBuilder(str(ROOT))
    return {Path(file.distribution_path).as_posix() for file in builder.recurse_included_files()}


def test_the_wheel_has_all_sources_and_files_of_its_packages_alone() -> None:
    files = wheel_files()
    for package in PACKAGES:
        assert {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")} <= files
    assert {path.partition("/")[0] for path in files} == set(PACKAGES)
    assert not [
        path for path in files if "test" in path.rpartition("/")[0] or path.endswith((".jsonl", ".log", ".pyc"))
    ]
    assert {f"models/{row.bundled}" for row in BACKBONES.values() if row.bundled} <= files
    assert "models/timm_index.json" in files
    pictures = ("photographs.zip", "photographs.jpg")
    assert {f"resources/pictures/{name}" for name in pictures} <= files
    read = ("translations/de/LC_MESSAGES/visionft.mo", "manual/label.md", "manual/de/label.md", "screenshots/label.png")
    assert {f"resources/{name}" for name in read} <= files


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
    assert "MB  models/bundled" in done.stdout
    assert check_wheel.sha256(check_wheel.build(tmp_path)) in done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the wheel is installed, without its libraries."""
    folder, wheel = tmp_path_factory.mktemp("installed"), check_wheel.build(tmp_path_factory.mktemp("wheel"))
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run([*line, "--disable-pip-version-check", "--no-compile"], check=True)
    return folder


def run_installed(installed: Path, *arguments: str) -> str:
    """Return what Python prints with the installed wheel on the path."""
    libraries = [folder for folder in sys.path if Path(folder).name == "site-packages"]
    path = os.pathsep.join(map(str, (installed, *libraries)))
    environment = os.environ | {"PYTHONPATH": path, "QT_QPA_PLATFORM": "offscreen"}
    # -S: the .pth file of an editable installation would add the sources.
    line = [sys.executable, "-S", *arguments]
    done = subprocess.run(line, env=environment, cwd=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_every_module_and_entry_point_of_the_wheel_loads(installed: Path) -> None:
    code = f"""
import importlib, importlib.metadata, pkgutil
for name in {PACKAGES!r}:
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        if module.name != "resources.predict":  # a program
            importlib.import_module(module.name)
about = importlib.metadata.distribution("visionft")
assert all(entry.load() for entry in about.entry_points)
print(*[entry.value for entry in about.entry_points])
"""
    assert sorted(run_installed(installed, "-c", code).split()) == ["gui.app:main", "visionft.__main__:main"]
    assert "resnet18" in run_installed(installed, "-m", "visionft", "weights", "list", "--json")
