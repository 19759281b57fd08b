"""A person's class descriptions keep their order, can be undone, and follow their class."""

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.class_changes import DeleteClass, MergeClasses, OrderClasses, RenameClass, SetPrompts
from visionft.project.store import Project


def test_lines_are_kept_in_order_and_undone(project: Project) -> None:
    digest, written = project.snapshot().digest, ("a tabby cat", "a {} on a sofa")
    effects = project.apply(SetPrompts({"cat": ("  a tabby cat ", "a {} on a sofa", "a tabby cat")}))
    assert effects.title.values == {"name": "cat"} and effects.targets == {"prompt"}
    assert project.snapshot().prompts == (written, ()) and project.snapshot().digest == digest
    assert not project.apply(SetPrompts({"cat": written}))
    project.apply(SetPrompts({"cat": (), "dog": ("a puppy",)}))
    assert project.undo_title.values == {"count": 2} and project.snapshot().prompts == ((), ("a puppy",))
    project.undo()
    assert project.snapshot().prompts == (written, ())
    project.undo()
    assert project.snapshot().prompts == ()
    project.redo()
    assert project.snapshot().prompts == (written, ())
    with pytest.raises(ProjectError, match="fish"):
        project.apply(SetPrompts({"fish": ("a fish",)}))


@pytest.mark.parametrize("lines", [("a cat", "  "), ("x" * 501,), tuple(map(str, range(101))), ("two\nlines",)])
def test_what_says_nothing_is_refused_and_nothing_is_written(project: Project, lines) -> None:
    with pytest.raises(ProjectError, match="“cat”"):
        project.apply(SetPrompts({"dog": ("a puppy",), "cat": lines}))
    assert project.snapshot().prompts == ()


def test_prompts_go_where_their_class_goes(project: Project) -> None:
    project.apply(SetPrompts({"cat": ("a tabby cat", "a pet"), "dog": ("a puppy", "a pet")}))
    project.apply(RenameClass("cat", "Katze"))
    project.apply(OrderClasses(("dog", "Katze")))
    assert project.snapshot().prompts == (("a puppy", "a pet"), ("a tabby cat", "a pet"))
    project.apply(MergeClasses(("Katze",), "dog"))
    assert project.snapshot().prompts == (("a puppy", "a pet", "a tabby cat"),)
    project.undo()
    assert project.snapshot().prompts == (("a puppy", "a pet"), ("a tabby cat", "a pet"))
    project.apply(DeleteClass("dog"))
    assert project.snapshot().prompts == (("a tabby cat", "a pet"),)
    project.undo()
    assert project.snapshot().prompts[0] == ("a puppy", "a pet")
