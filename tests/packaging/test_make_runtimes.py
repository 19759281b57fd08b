"""Installations by `packaging/make_runtimes.py`: pinned, and from the user's npm registry."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "packaging" / "runtimes"


def tried_packages() -> dict[str, str]:
    """Return {package: version} of the runtimes: the page's, and those for tests alone."""
    read = json.loads((PACKAGES / "package.json").read_text())
    return {**read["dependencies"], **read["devDependencies"]}


def test_the_lock_pins_every_package_by_its_content_and_names_no_place() -> None:
    lock = json.loads((PACKAGES / "package-lock.json").read_text())
    wanted = tried_packages()
    installed = {name: each for name, each in lock["packages"].items() if name}
    assert all(each["version"] and each["integrity"] and "resolved" not in each for each in installed.values())
    assert {name: installed[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_the_samples_take_what_was_tried() -> None:
    tried = tried_packages()
    for name in ("node", "web"):
        asked = json.loads((ROOT / "resources" / "samples" / name / "package.json").read_text())["dependencies"]
        for package, wanted in asked.items():
            least = wanted.lstrip("^>=").split(".")[:2]
            assert [*map(int, least)] <= [*map(int, tried[package].split(".")[:2])], package
