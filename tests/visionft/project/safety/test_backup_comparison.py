"""Rows with a difference to the newest backup but no step for it are named, and no others."""

import random
import shutil
from pathlib import Path

import pytest
from altered_database import alter

from visionft.errors import ProjectError
from visionft.project.edits.changes import AddClass, AssignSplits, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.class_changes import DeleteClass, MergeClasses, RenameClass
from visionft.project.edits.image_changes import TagImages
from visionft.project.importing import importer
from visionft.project.importing.importer import import_source
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import list_backups
from visionft.project.safety.checking import check_project
from visionft.project.store import Project

# Changes from outside the program, and the row, column and values told of each.
OUTSIDE = {
    "UPDATE image SET width = 9 WHERE id = 3": ("image 3: width", "9", "8"),
    "UPDATE image SET sha256 = 'x' WHERE id = 12": ("image 12: sha256", "'x'"),
    "UPDATE label SET labelled_at = 5 WHERE image_id = 7": ("label 7 2: labelled_at", "5"),
    "UPDATE class SET name = 'cot', name_key = 'cot' WHERE id = 1": ("class 1: name", "'cot'", "'cat'"),
    "INSERT INTO tag (name, name_key) VALUES ('x', 'x')": ("tag 1",),
    "DELETE FROM label WHERE image_id = 7": ("label 7 2",),
}


@pytest.mark.parametrize("statement", OUTSIDE)
def test_what_no_step_altered_is_named(project: Project, statement: str) -> None:
    project.back_up()
    project.apply(LabelImages((1, 2), "horse"))
    project.close()
    alter(project.path, statement)
    with Project.open(project.path) as again:
        said = check_project(again).unexplained
        assert all(told in said[0] for told in OUTSIDE[statement])
        assert len({sentence.split(":")[0] for sentence in said}) == 1
        again.wait_for_backups()
        shutil.rmtree(project.path / "backups")
        assert check_project(again).unexplained == ()  # nothing to compare with


def history(folder: Path, more: Path, generator: random.Random) -> None:
    """Perform a person's usual actions on a project, with backups, restarts and restores between."""

    def some() -> tuple[int, ...]:
        return tuple(generator.sample(range(1, 13), generator.randint(1, 5)))

    name = generator.choice(["cat", "dog", "fox"])
    works = [
        lambda project: project.apply(LabelImages(some(), name)),
        lambda project: project.apply(UnlabelImages(some())),
        lambda project: project.apply(RemoveImages(some())),
        lambda project: project.apply(TagImages(some(), "t")),
        lambda project: project.apply(AssignSplits(dict.fromkeys(some(), "val"))),
        lambda project: project.apply(AddClass(f"new {len(project.history())}")),
        lambda project: project.apply(RenameClass("cat", f"cat {len(project.history())}")),
        lambda project: project.apply(MergeClasses(("cat", "dog"), "both")),
        lambda project: project.apply(DeleteClass(name)),
        lambda project: import_source(project, more),
        lambda project: project.undo(),
        lambda project: project.undo(),
        lambda project: project.redo(),
        lambda project: project.back_up(),
        check_project,
    ]
    for _ in range(generator.randint(1, 3)):
        with Project.open(folder) as project:
            for _ in range(generator.randint(1, 8)):
                try:
                    generator.choice(works)(project)
                except ProjectError as error:
                    assert "damaged" not in error.message
        if generator.random() < 0.3 and list_backups(folder):
            restore_backup(folder, generator.choice(list_backups(folder)).name)


@pytest.mark.parametrize("seeds", [range(10), pytest.param(range(100, 120), marks=pytest.mark.slow)])
def test_whatever_the_history_nothing_else_is_named(seeds: range, tmp_path: Path, draw, monkeypatch) -> None:
    monkeypatch.setattr(importer, "BATCH", 2)
    monkeypatch.setattr("visionft.project.db.database.DEFAULT_UNDO_STEPS", 6)
    for number in range(18):
        name = f"{'first' if number < 12 else 'more'}/{'cat' if number % 2 else 'dog'}/{number}.png"
        draw(tmp_path / name, number)
    compared = 0  # had a backup
    for seed in seeds:
        folder = tmp_path / f"project {seed}"
        with Project.create(folder) as project:
            import_source(project, tmp_path / "first")
        history(folder, tmp_path / "more", random.Random(seed))
        with Project.open(folder) as project:
            assert check_project(project).unexplained == (), seed
        alter(folder, "UPDATE image SET bytes = bytes + 1")
        with Project.open(folder) as project:
            compared += bool(check_project(project).unexplained)
    assert compared >= len(seeds) // 2
