"""What a person says of a class is kept in order, undone, and goes where the class goes."""

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.class_changes import DeleteClass, MergeClasses, OrderClasses, RenameClass
from visionft.project.edits.prompts import MOST_LETTERS, SetPrompts
from visionft.project.queries import prompts_of
from visionft.project.store import Project


def test_lines_are_kept_in_order_and_undone(project: Project) -> None:
    effects = project.apply(SetPrompts({"cat": ("  a tabby cat ", "a {} on a sofa", "a tabby cat")}))
    assert effects.title == "Prompts of class “cat”" and effects.has_new_prompts and not effects.has_new_labels
    assert prompts_of(project) == {"cat": ("a tabby cat", "a {} on a sofa"), "dog": ()}
    assert project.snapshot().prompts == (("a tabby cat", "a {} on a sofa"), ())
    assert not project.apply(SetPrompts({"cat": ("a tabby cat", "a {} on a sofa")}))
    project.apply(SetPrompts({"cat": (), "dog": ("a puppy",)}))
    assert project.undo_title == "Prompts of 2 classes" and prompts_of(project) == {"cat": (), "dog": ("a puppy",)}
    project.undo()
    assert prompts_of(project)["cat"] == ("a tabby cat", "a {} on a sofa")
    project.undo()
    assert project.snapshot().prompts == ()
    project.redo()
    assert prompts_of(project)["cat"] == ("a tabby cat", "a {} on a sofa")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("a cat", "  "), "A prompt of “cat” is empty.*a class without lines stands for its name"),
        (("x" * (MOST_LETTERS + 1),), "too long"),
        (tuple(str(number) for number in range(101)), "too many"),
        (("two\nlines",), "cannot be printed"),
    ],
)
def test_what_says_nothing_is_refused_and_nothing_is_written(project: Project, lines, told: str) -> None:
    with pytest.raises(ProjectError, match=told):
        project.apply(SetPrompts({"dog": ("a puppy",), "cat": lines}))
    assert project.snapshot().prompts == ()


def test_an_unknown_class_is_refused(project: Project) -> None:
    with pytest.raises(ProjectError, match="fish"):
        project.apply(SetPrompts({"fish": ("a fish",)}))


def test_prompts_go_where_their_class_goes(project: Project) -> None:
    project.apply(SetPrompts({"cat": ("a tabby cat", "a pet"), "dog": ("a puppy", "a pet")}))
    project.apply(RenameClass("cat", "Katze"))
    project.apply(OrderClasses(("dog", "Katze")))
    assert project.snapshot().prompts == (("a puppy", "a pet"), ("a tabby cat", "a pet"))
    project.apply(MergeClasses(("Katze",), "dog"))
    assert prompts_of(project) == {"dog": ("a puppy", "a pet", "a tabby cat")}
    project.undo()
    assert prompts_of(project) == {"dog": ("a puppy", "a pet"), "Katze": ("a tabby cat", "a pet")}
    project.apply(DeleteClass("dog"))
    assert prompts_of(project) == {"Katze": ("a tabby cat", "a pet")}
    project.undo()
    assert prompts_of(project)["dog"] == ("a puppy", "a pet")


def test_prompts_make_no_data_another(project: Project) -> None:
    before = project.snapshot().digest
    project.apply(SetPrompts({"cat": ("a tabby cat",)}))
    assert project.snapshot().digest == before
