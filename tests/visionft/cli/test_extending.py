"""docs/extending.md: the package on the page is installed as it stands there, and each of its rows is used."""

import json
import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "extending.md"
RUN = "001-tiny-centroid"


def install(folder: Path) -> None:
    """Write the blocks of the page as an installed package."""
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    files = dict(blocks)
    about = tomllib.loads(files.pop("pyproject.toml"))["project"]
    package, metadata = folder / about["name"], folder / f"{about['name']}-{about['version']}.dist-info"
    for made in (package, metadata):
        made.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, text in files.items():
        (package / name).write_text(text, encoding="utf-8")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    lines = []
    for group, rows in about["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in rows.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@pytest.mark.slow
def test_each_row_of_the_page_is_used(run_elsewhere, image_folder: Path, tmp_path: Path) -> None:
    install(tmp_path / "installed")
    project, out, folder = tmp_path / "project", tmp_path / "out", tmp_path / "images"
    shutil.copytree(image_folder, folder)
    images = sorted(folder.rglob("*.png"))
    lines = [f"{image.relative_to(folder).as_posix()} = {image.parent.name}" for image in images]
    (folder / "labels.pairs").write_text("\n".join(lines))
    settings = [
        word
        for text in ("weights=random", "image_size=32", "workers=0", "centroid.shrink=0.1")
        for word in ("--set", text)
    ]
    commands = (
        ("doctor",),
        ("project", "new", project),
        ("import", project, folder / "labels.pairs", "--format", "pairs"),
        ("label", "count", project),
        ("label", "export", project, tmp_path / "again.pairs"),
        ("curate", "check", project, "small", "--threshold", 0),
        ("split", project),
        ("train", project, "--backbone", "tiny", "--method", "centroid", "--device", "cpu", *settings),
        ("evaluate", project, RUN),
        ("model", "export", project, RUN, out, "--class-list"),
    )
    path = os.pathsep.join([str(tmp_path / "installed"), *filter(None, [os.environ.get("PYTHONPATH")])])
    answers = run_elsewhere(*((*command, "--json") for command in commands), PYTHONPATH=path)
    assert all(code == 0 for code, *_ in answers), answers
    diagnosis, _, imported, counted, _, found, _, trained, evaluated, exported = (
        json.loads(stdout) for _, stdout, _ in answers
    )
    found = found["small"]["issues"]
    rows = {(each["group"].partition(".")[2], each["name"]): each["error"] for each in diagnosis["extensions"]}
    assert rows == dict.fromkeys(
        [("backbones", "tiny"), ("methods", "centroid"), ("formats", "pairs"), ("checks", "small"),
         ("exporters", "class-list"), ("commands", "label.count")], ""
    )  # fmt: skip
    assert imported["added"] == len(images) and counted == {"labelled": len(images)}
    assert len((tmp_path / "again.pairs").read_text().splitlines()) == len(images)
    assert len(found) == len(images) and {each["kind"] for each in found} == {"small"}
    assert all(each["score"] > 0 for each in found)
    assert trained["run"] == evaluated["run"] == RUN
    assert "classes.json" in exported["files"]
    assert json.loads((out / "classes.json").read_text()) == ["blue", "green", "red"]
