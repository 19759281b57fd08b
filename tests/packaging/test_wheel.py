"""What a wheel holds: all that runs, and nothing that only made what runs."""

from pathlib import Path

import grimp
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
PACKAGES = ("visionft", "gui", "models", "resources")
PRETRAINING = {
    f"models/starter/{name}.py" for name in ("augment", "distiller", "muon", "pretrain", "targets", "views")
} | {f"models/starter/logs/{name}.jsonl" for name in ("starter_resnet", "starter_vit")}


def wheel_files() -> set[str]:
    builder = WheelBuilder(str(ROOT))
    return {Path(file.distribution_path).as_posix() for file in builder.recurse_included_files()}


def test_the_wheel_leaves_out_how_the_starters_were_made() -> None:
    files = wheel_files()
    sources = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert {path for path in PRETRAINING if not (ROOT / path).is_file()} == set()
    assert sources - files == {path for path in PRETRAINING if path.endswith(".py")}
    assert not files & PRETRAINING
    assert {f"models/starter/{name}.safetensors" for name in ("starter_resnet", "starter_vit")} <= files
    assert "resources/translations/de.json" in files and not any("screenshots" in path for path in files)


def test_nothing_in_the_wheel_imports_what_was_left_out() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    left_out = {path.removesuffix(".py").replace("/", ".") for path in PRETRAINING if path.endswith(".py")}
    importers = {importer for module in left_out for importer in graph.find_modules_that_directly_import(module)}
    assert importers <= left_out
