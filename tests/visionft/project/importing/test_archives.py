"""Archives: class folders and archives of archives become labels; harmful ones are refused whole."""

import io
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from visionft.core.errors import ProjectError
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

Files = dict[str, bytes]


def image(number: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 40, 90)).save(content, "PNG")
    return content.getvalue()


def zipped(path: Path, files: Files) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def folders(*classes: str, start: int = 0) -> Files:
    return {f"{name}/{n}.png": image(start + 4 * k + n) for k, name in enumerate(classes) for n in range(4)}


def images(start: int) -> Files:
    return {f"{number:06}.png": image(number) for number in range(start, start + 6)}


SOURCES: dict[str, tuple[Callable[[Path], object], dict[str, int]]] = {
    "class zips": (
        lambda p: [zipped(p / f"{name}-samples.zip", images(9 * n)) for n, name in enumerate(("cat", "dog"))],
        {"cat": 6, "dog": 6},
    ),
    "project.tm": (
        lambda p: zipped(p, {f"C {n % 2}-!-{n}.png": image(n) for n in range(4)} | {"manifest.json": b"{}"}),
        {"C 0": 2, "C 1": 2},
    ),
    "nested.zip": (
        lambda p: zipped(p, {"in.zip": zipped(p, folders("cat", "dog")).read_bytes()}),
        {"cat": 4, "dog": 4},
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_archives_become_classes(empty: ProjectStore, tmp_path: Path, name: str) -> None:
    make, classes = SOURCES[name]
    source = tmp_path / name
    make(source)
    report = import_source(empty, source)
    assert report.classes == classes and not report.unreadable
    assert not list(empty.path.glob(".unpacked*"))


def parquet(path: Path, start: int, *, card: str = "") -> None:
    """Write eight images and their classes, with the names of the classes in the schema, or in a card."""
    arrow, tables = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = [image(start + number) for number in range(8)]
    images = [{"bytes": each, "path": f"{n}.png"} for n, each in enumerate(contents)]
    table = arrow.table({"image": images, "label": [number % 2 for number in range(8)], "text": ["x" * 999] * 8})
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    about = {} if card else {"huggingface": json.dumps({"info": {"features": features}})}
    tables.write_table(table.replace_schema_metadata(about), path, row_group_size=3)
    if card:
        (path.parents[1] / "README.md").write_text(card)


CARD = """---
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': cat
          '1': dog
---
"""


@pytest.mark.parametrize("kind", ["file", "zip with a card"])
def test_images_in_parquet_are_written_into_the_project(empty: ProjectStore, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "set"
    if kind == "file":
        source = tmp_path / "train.parquet"
        parquet(source, 0)
    for number, name in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        if kind != "file":
            parquet(source / "data" / f"{name}.parquet", 8 * number, card=CARD)
    if kind != "file":
        source = Path(shutil.make_archive(str(tmp_path / "set"), "zip", source))
    report = import_source(empty, source)
    images = empty.snapshot().images
    count = 4 if kind == "file" else 12
    assert report.classes == {"cat": count, "dog": count} and not report.unreadable
    assert [image.split for image in images].count("test") == (0 if kind == "file" else 8)
    assert all(image.path.is_relative_to(empty.path / "images") for image in images)
    assert import_source(empty, source).added == 0


def test_a_zip_entry_of_an_empty_name_is_refused(empty: ProjectStore, tmp_path: Path) -> None:
    source = zipped(tmp_path / "set.zip", {"a.png": image(0)})
    source.write_bytes(source.read_bytes().replace(b"a.png", b"\0.png"))
    with pytest.raises(ProjectError, match="name"):
        import_source(empty, source)
    assert not empty.history()


HOSTILE: dict[str, Files] = {
    "out.zip": {"../out.png": image(1)},
    "twice.zip": {"CAT/0.PNG": image(1)},
    "bomb.zip": {"a.png": bytes(101 << 20)},
}


@pytest.mark.parametrize("name", [*HOSTILE, "link.zip", "text.zip", "cut.zip"])
def test_a_zip_that_could_do_harm_is_refused_whole(empty: ProjectStore, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/0.png", image(0))
        for path, content in HOSTILE.get(name, {}).items():
            archive.writestr(path, content)
        if name == "link.zip":
            entry = zipfile.ZipInfo("link.png")
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
    if name == "text.zip":
        source.write_bytes(b"no zip " * 200)
    if name == "cut.zip":
        source.write_bytes(source.read_bytes()[:-40])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ProjectError) as caught:
        import_source(empty, source)
    assert caught.value.hint and not empty.history()
    assert sorted(tmp_path.rglob("*")) == before
