"""What a person judged to be fine stays judged, and undo takes it back."""

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.verdicts import JudgeFine, pair_of, verdicts_of
from visionft.project.importing.importer import import_source
from visionft.project.store import Project


def test_pictures_and_pairs_are_judged_for_one_check(tmp_path, picture_folder):
    with Project.create(tmp_path / "project") as project:
        import_source(project, picture_folder)
        effects = project.apply(JudgeFine("duplicates", ((3, 1), (5, 0))))
        assert effects.title == "Keep 2 findings as they are"
        assert verdicts_of(project, "duplicates") == {(1, 3), (5, 0)}
        assert verdicts_of(project, "leaks") == frozenset()
        project.apply(JudgeFine("duplicates", ((1, 3),)))  # known already
        assert verdicts_of(project, "duplicates") == {(1, 3), (5, 0)}
        project.undo()
        assert verdicts_of(project, "duplicates") == frozenset()
        project.redo()
    with Project.open(tmp_path / "project", read_only=True) as project:
        assert verdicts_of(project, "duplicates") == {(1, 3), (5, 0)}


def test_an_unknown_picture_is_refused(tmp_path, picture_folder):
    with Project.create(tmp_path / "project") as project:
        import_source(project, picture_folder)
        with pytest.raises(ProjectError):
            project.apply(JudgeFine("quality", ((4711, 0),)))


def test_a_pair_has_one_order():
    assert pair_of(7, 2) == pair_of(2, 7) == (2, 7) and pair_of(7, 0) == (7, 0)
