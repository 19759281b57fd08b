"""Zips of images: taken when they are good, refused whole when they could do harm."""

import zipfile
from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.importing.importer import import_source
from visionft.project.importing.relinking import find_missing
from visionft.project.store import Project


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_a_zip_of_class_folders(empty: Project, tmp_path: Path, images: Path) -> None:
    entries = {f"set/{path.relative_to(images)}": path.read_bytes() for path in images.rglob("*.png")}
    archive = make_zip(tmp_path / "set.zip", entries | {"set/readme.txt": b"hi"})
    report = import_source(empty, archive)
    assert (report.added, report.classes) == (12, {"cat": 6, "dog": 6})
    assert report.skipped[0].path == str(archive / "set" / "readme.txt")
    assert not find_missing(empty)
    assert not list(empty.path.glob(".unpacked*"))


@pytest.mark.parametrize(
    "name",
    [
        "x" * 300 + ".png", "line\nbreak.png", "A.PNG", "../out.png", "/abs.png", "a/../../out.png", "C:/x.png",
        "a\\..\\x.png", "CON.png", "a/nul", "a//b.png", "b /x.png",
    ],
)  # fmt: skip
def test_a_zip_that_could_do_harm_is_refused_whole(empty: Project, tmp_path: Path, images: Path, name: str) -> None:
    data = (images / "cat" / "0.png").read_bytes()
    archive = make_zip(tmp_path / "set.zip", {"cat/good.png": data, "a.png": data, name: data})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ProjectError) as caught:
        import_source(empty, archive)
    assert caught.value.hint and not empty.history()
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


def test_zip_links_bombs_lies_and_damage_are_refused(empty: Project, tmp_path: Path, images: Path) -> None:
    data = (images / "cat" / "0.png").read_bytes()
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    make_zip(tmp_path / "bomb.zip", {"a.png": bytes(300 << 20)})
    whole = make_zip(tmp_path / "whole.zip", {"a.png": data * 50}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flip.zip").write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    (tmp_path / "text.zip").write_text("no zip")
    for name in ("link", "bomb", "cut", "flip", "text"):
        with pytest.raises(ProjectError) as caught:
            import_source(empty, tmp_path / f"{name}.zip")
        assert caught.value.hint, name
        assert not list(empty.path.glob(".unpacked*")), name
    assert not empty.history()


def test_a_label_file_in_a_zip_cannot_name_files_outside(empty: Project, tmp_path: Path, images: Path) -> None:
    rows = f"file_name,label\n{images}/cat/0.png,x\n../../../images/cat/1.png,x\nin.png,x\n"
    data = (images / "dog" / "7.png").read_bytes()
    report = import_source(empty, make_zip(tmp_path / "set.zip", {"metadata.csv": rows.encode(), "in.png": data}))
    assert (report.added, len(report.unreadable)) == (1, 2)
