"""What a wheel holds: all that runs, and nothing that only made what runs; and that it runs where no source is near."""

import subprocess
import sys
import zipfile
from pathlib import Path

import grimp
import pytest
from hatchling.builders.wheel import WheelBuilder

from models.catalog import BACKBONES
from resources.photographs import PHOTOGRAPHS

ROOT = Path(__file__).parents[2]
PACKAGES = ("visionft", "gui", "models", "resources")
PRETRAINING = {
    f"models/starter/{name}.py"
    for name in (
        *("augment", "distiller", "muon", "pretrain", "targets", "views"),
        *("hybrid_distiller", "hybrid_pretrain", "hybrid_targets"),
    )
} | {f"models/starter/logs/{name}.jsonl" for name in ("starter_resnet", "starter_vit", "hybrid_vit")}


def wheel_files() -> set[str]:
    builder = WheelBuilder(str(ROOT))
    return {Path(file.distribution_path).as_posix() for file in builder.recurse_included_files()}


def test_the_wheel_leaves_out_how_the_starters_were_made() -> None:
    files = wheel_files()
    sources = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert {path for path in PRETRAINING if not (ROOT / path).is_file()} == set()
    assert sources - files == {path for path in PRETRAINING if path.endswith(".py")}
    assert not files & PRETRAINING
    assert {path.partition("/")[0] for path in files} == set(PACKAGES)
    assert not [
        path for path in files if "test" in path.rpartition("/")[0] or path.endswith((".jsonl", ".log", ".pyc"))
    ]
    assert {f"models/{row.bundled}" for row in BACKBONES.values() if row.bundled} <= files
    assert "models/timm_index.json" in files
    assert {f"resources/pictures/{name}" for name in ("photographs.zip", "photographs.jpg", "drawn.jpg")} <= files
    assert "resources/translations/de.json" in files and not any("screenshots" in path for path in files)


def test_the_wheel_brings_the_licences_of_what_others_made() -> None:
    files = WheelBuilder(str(ROOT)).metadata.core.license_files
    assert files == ["LICENSE", "THIRD_PARTY_NOTICES.md"]
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    for row in BACKBONES.values():
        theirs = {each for each in row.licence.split(" and ") if row.bundled and each != "Apache-2.0"}
        assert not theirs or f"models/{row.bundled}" in notices
        assert all(f"The {licence} License" in notices for licence in theirs)
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        licence = archive.comment.decode()
    assert "`resources/pictures/photographs.zip`" in notices
    assert " ".join(licence.split()) in " ".join(word for word in notices.split() if word != ">")


def test_nothing_in_the_wheel_imports_what_was_left_out() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    left_out = {path.removesuffix(".py").replace("/", ".") for path in PRETRAINING if path.endswith(".py")}
    importers = {importer for module in left_out for importer in graph.find_modules_that_directly_import(module)}
    assert importers <= left_out


@pytest.mark.slow
def test_an_installed_wheel_loads_nothing_from_the_sources() -> None:
    """The whole of it, a training run included, is `packaging/check_wheel.py` without `--quick`: minutes."""
    line = [sys.executable, "-P", str(ROOT / "packaging" / "check_wheel.py"), "--quick"]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", timeout=250, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MB  models/bundled" in done.stdout
