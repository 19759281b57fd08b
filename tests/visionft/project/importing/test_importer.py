"""Imports: every file accounted for, twice is once, labels never overwrite, originals stay; harmful zips refused."""

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from visionft.core.errors import ProjectError
from visionft.core.events import Notice, Progress
from visionft.core.jobs import JobContext
from visionft.project.edits.changes import LabelImages, RemoveImages, UnlabelImages
from visionft.project.importing import import_filter
from visionft.project.importing.importer import import_source
from visionft.project.importing.relinking import find_missing
from visionft.project.queries import find_images, image_rows
from visionft.project.store import ProjectStore


def tree_hash(folder: Path) -> str:
    """Hash names, contents, modes and times of everything below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        digest.update(repr((str(path), stat.st_mode, stat.st_mtime_ns, stat.st_size)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def accounted(report) -> int:
    return report.added + len(report.duplicates) + len(report.unreadable) + len(report.skipped)


def test_class_folders_are_imported_once(empty: ProjectStore, images: Path) -> None:
    before = tree_hash(images)
    seen = []
    report = import_source(empty, images, job=JobContext(seen.append))
    assert (report.added, report.classes) == (12, {"cat": 6, "dog": 6})
    assert seen[-1] == Progress(stage="Import", done=12, total=12)
    assert tree_hash(images) == before
    assert all(image.path.is_relative_to(images) for image in empty.snapshot().images)
    before = empty.snapshot(), empty.history()
    report = import_source(empty, images)
    assert (report.added, len(report.duplicates)) == (0, 12)
    assert (empty.snapshot(), empty.history()) == before  # no step


def test_nothing_the_program_does_touches_an_original(tmp_path: Path, images: Path) -> None:
    from visionft.project.formats.exporting import export_labels
    from visionft.project.importing.relinking import relink_images
    from visionft.project.safety.backup_restore import restore_backup
    from visionft.project.safety.checking import check_project
    from visionft.project.splits import assign_splits

    (images / "cat" / "link.png").symlink_to(images / "dog" / "7.png")
    archive = make_zip(tmp_path / "set.zip", {"fox/a.png": (images / "cat" / "0.png").read_bytes()})
    before = tree_hash(images), archive.stat()
    with ProjectStore.create(tmp_path / "p") as project:
        for copy in (False, True):
            import_source(project, images, copy=copy)
            project.undo()
        project.redo()
        import_source(project, archive)
        ids = find_images(project)
        project.apply(LabelImages(ids[:2], "fox"))
        project.apply(RemoveImages(ids[2:4]))
        assign_splits(project, test=0)
        export_labels(project, tmp_path / "out")
        export_labels(project, tmp_path / "out.csv")
        relink_images(project, images)
        check_project(project, check_contents=True)
        while project.undo_title:
            project.undo()
        project.back_up()
    restore_backup(project.path)
    assert (tree_hash(images), archive.stat().st_mtime_ns) == (before[0], before[1].st_mtime_ns)


def test_every_file_is_accounted_for(empty: ProjectStore, tmp_path: Path, draw) -> None:
    source = tmp_path / "source"
    draw(source / "cat" / "good.png", 1)
    shutil.copy(source / "cat" / "good.png", source / "cat" / "same.png")
    (source / "cat" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (source / "cat" / "\x1b[2Jclear\nline.png").write_bytes(b"no image")
    (source / "cat" / "empty.png").touch()
    (source / "cat" / "notes.txt").write_text("hello")
    (source / "cat" / ".hidden.png").write_bytes(b"x")
    os.mkfifo(source / "cat" / "pipe.png")
    report = import_source(empty, source)
    assert report.added == 1
    assert [Path(path).name for path in report.duplicates] == ["same.png"]
    shown = r"\x1b[2Jclear\nline.png"  # escaped, because it would steer a terminal
    assert {Path(row.path).name for row in report.unreadable} == {"cut.jpg", "empty.png", shown}
    assert {Path(row.path).name for row in report.skipped} == {"notes.txt", ".hidden.png", "pipe.png"}
    assert all(row.reason for row in report.unreadable + report.skipped)
    assert accounted(report) == 8


def test_links_neither_loop_nor_lead_out(empty: ProjectStore, tmp_path: Path, draw) -> None:
    source = tmp_path / "source"
    draw(source / "cat" / "a.png", 1)
    draw(tmp_path / "elsewhere" / "b.png", 2)
    (source / "cat" / "loop").symlink_to(source)
    (source / "cat" / "self").symlink_to("self")
    (source / "cat" / "out").symlink_to(tmp_path / "elsewhere")
    (source / "cat" / "gone.png").symlink_to(tmp_path / "gone.png")
    (source / "cat" / "link.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    report = import_source(empty, source)
    assert report.added == 2
    assert {Path(row.path).name for row in report.skipped} == {"loop", "self", "out", "gone.png"}
    assert all("link" in row.reason for row in report.skipped)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_sources_without_images_are_refused(empty: ProjectStore, tmp_path: Path, make) -> None:
    make(tmp_path / "source")
    with pytest.raises(ProjectError) as caught:
        import_source(empty, tmp_path / "source")
    assert caught.value.hint and not empty.history()


def test_a_stopped_import_is_continued(empty: ProjectStore, images: Path, monkeypatch) -> None:
    monkeypatch.setattr("visionft.project.importing.import_filter.BATCH_FILES", 4)
    asked = iter([False] * 6 + [True] * 10)
    seen = []
    report = import_source(empty, images, job=JobContext(cancelled=lambda: next(asked), report=seen.append))
    assert (report.stopped, report.added) == (True, 6)
    assert any(isinstance(event, Notice) for event in seen)
    report = import_source(empty, images)
    assert (report.added, len(report.duplicates)) == (6, 6)
    assert [step.title.values["counted"].values["count"] for step in empty.history()] == [6, 6]


def test_copied_images_live_in_the_project(empty: ProjectStore, images: Path) -> None:
    import_source(empty, images, copy=True)
    shutil.rmtree(images)
    assert not find_missing(empty)
    assert all(image.path.is_relative_to(empty.path / "images") for image in empty.snapshot().images)
    assert hashlib.sha256(empty.snapshot().images[0].path.read_bytes()).hexdigest() == empty.snapshot().images[0].sha256


def test_what_a_person_decided_is_kept(project: ProjectStore, images: Path) -> None:
    project.apply(LabelImages((1,), "dog"))
    project.apply(UnlabelImages((2,)))
    project.apply(RemoveImages((3,)))
    seen = []
    report = import_source(project, images, job=JobContext(seen.append))
    labels = [row.labels for row in image_rows(project, (1, 2))]
    assert labels == [("dog",), ("cat",)]
    assert len(report.skipped) == 1 and any(isinstance(event, Notice) for event in seen)


def test_a_image_edited_since_is_renewed(project: ProjectStore, images: Path, draw) -> None:
    old = project.snapshot().images[0]
    draw(old.path, 99)
    report = import_source(project, images)
    assert report.added == 0 and len(report.skipped) == 1
    new = project.snapshot().images[0]
    assert new.sha256 != old.sha256 and new.labels == old.labels


def test_images_that_moved_are_found_again_by_importing(project: ProjectStore, images: Path) -> None:
    images.rename(images.with_name("moved"))
    assert len(find_missing(project)) == 12
    report = import_source(project, images.with_name("moved"))
    assert (report.added, len(report.duplicates)) == (0, 12)
    assert not find_missing(project)
    project.undo()
    assert len(find_missing(project)) == 12


def test_a_moved_project_finds_its_images(tmp_path: Path, images: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    images = images.rename(home / "images")
    with ProjectStore.create(home / "project") as project:
        import_source(project, images)
    home.rename(tmp_path / "moved")
    with ProjectStore.open(tmp_path / "moved" / "project") as project:
        assert not find_missing(project)
        assert not import_source(project, tmp_path / "moved" / "images").added
    shutil.move(tmp_path / "moved" / "project", tmp_path / "alone")
    (tmp_path / "moved").rename(home)
    with ProjectStore.open(tmp_path / "alone") as project:
        assert not find_missing(project)  # where they were first
    shutil.copytree(home / "project" if (home / "project").exists() else tmp_path / "alone", tmp_path / "x" / "project")
    with ProjectStore.open(tmp_path / "x" / "project") as project:
        assert not find_missing(project)


def test_a_disk_that_fills_up_during_an_import_says_what_came_in(
    empty: ProjectStore, tmp_path, draw, monkeypatch
) -> None:
    monkeypatch.setattr(import_filter, "BATCH_FILES", 50)
    for number in range(600):
        draw(tmp_path / "many" / f"{number}.png", number)
    with empty.repairing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 30}")
    with pytest.raises(ProjectError) as caught:
        import_source(empty, tmp_path / "many")
    there = empty.summary().images
    assert 0 < there < 600 and there % 50 == 0 and str(there) in caught.value.hint
    with empty.repairing() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    assert import_source(empty, tmp_path / "many").added == 600 - there


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_a_zip_of_class_folders(empty: ProjectStore, tmp_path: Path, images: Path) -> None:
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
def test_a_zip_that_could_do_harm_is_refused_whole(
    empty: ProjectStore, tmp_path: Path, images: Path, name: str
) -> None:
    data = (images / "cat" / "0.png").read_bytes()
    archive = make_zip(tmp_path / "set.zip", {"cat/good.png": data, "a.png": data, name: data})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ProjectError) as caught:
        import_source(empty, archive)
    assert caught.value.hint and not empty.history()
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


def test_zip_links_bombs_lies_and_damage_are_refused(empty: ProjectStore, tmp_path: Path, images: Path) -> None:
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


def test_a_label_file_in_a_zip_cannot_name_files_outside(empty: ProjectStore, tmp_path: Path, images: Path) -> None:
    rows = f"file_name,label\n{images}/cat/0.png,x\n../../../images/cat/1.png,x\nin.png,x\n"
    data = (images / "dog" / "7.png").read_bytes()
    report = import_source(empty, make_zip(tmp_path / "set.zip", {"metadata.csv": rows.encode(), "in.png": data}))
    assert (report.added, len(report.unreadable)) == (1, 2)
