"""A person's "is fine" judgements are kept, and undo reverts them."""

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.verdicts import JudgeFine, pair_of, verdicts_of
from visionft.project.store import Project


def test_images_and_pairs_are_judged_for_one_check(project: Project):
    effects = project.apply(JudgeFine("duplicates", ((3, 1), (5, 0))))
    assert effects.title.values["counted"].values == {"count": 2}
    assert verdicts_of(project, "duplicates") == {(1, 3), (5, 0)} and not verdicts_of(project, "leaks")
    project.apply(JudgeFine("duplicates", ((1, 3),)))  # known already
    assert verdicts_of(project, "duplicates") == {(1, 3), (5, 0)}
    project.undo()
    assert not verdicts_of(project, "duplicates")
    project.redo()
    with pytest.raises(ProjectError):
        project.apply(JudgeFine("quality", ((4711, 0),)))
    project.close()
    with Project.open(project.path, read_only=True) as again:
        assert verdicts_of(again, "duplicates") == {(1, 3), (5, 0)}
    assert pair_of(7, 2) == pair_of(2, 7) == (2, 7) and pair_of(7, 0) == (7, 0)
