"""Every change: its effect, its undo, and its report of altered items."""

import pytest

from visionft.core.errors import ProjectError
from visionft.core.names import natural_key
from visionft.project.edits.changes import AddClass, AssignSplits, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.class_changes import (
    ColorClass,
    DeleteClass,
    MergeClasses,
    OrderClasses,
    RenameClass,
    SetPrompts,
    SetShortcut,
)
from visionft.project.edits.image_changes import RestoreImages, ReviewImages, TagImages, UntagImages, WriteNote
from visionft.project.edits.verdicts import MarkFindingsFine, pair_of, verdicts_of
from visionft.project.queries import ImageFilter, class_rows, find_images, image_rows, tag_names
from visionft.project.store import ProjectStore


def rows(project: ProjectStore):
    everything = tuple(range(1, 13))
    return image_rows(project, everything), class_rows(project), tag_names(project)


CHANGES = [
    AddClass("horse"),
    LabelImages((1, 7), "horse"),
    LabelImages((1, 7), "dog", source="suggestion"),
    UnlabelImages((1, 7)),
    UnlabelImages((1, 7), "cat"),
    AssignSplits({1: "train", 2: "val", 3: "test"}),
    RemoveImages((1, 12)),
    RenameClass("cat", "Katze <b>&amp; 🐈"),
    MergeClasses(("cat",), "dog"),
    MergeClasses(("cat", "dog"), "animal"),
    DeleteClass("cat"),
    ColorClass("cat", "#E69F00"),
    SetShortcut("cat", "k"),
    OrderClasses(("dog", "cat")),
    TagImages((1, 2), "blurred"),
    ReviewImages((1, 2), "done"),
    WriteNote(3, "=looks like a dog\nsecond line"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)
@pytest.mark.parametrize("task", ["project", "multi"])
def test_each_change_alters_is_undone_and_redone(task: str, change, request) -> None:
    project: ProjectStore = request.getfixturevalue(task)
    before = rows(project), project.snapshot()
    effects = project.apply(change)
    after = rows(project), project.snapshot()
    assert effects and effects.title == change.title == project.undo_title
    assert after != before
    assert project.undo().targets == effects.targets
    assert (rows(project), project.snapshot()) == before
    assert project.redo().image_ids == effects.image_ids
    assert (rows(project), project.snapshot()) == after


def test_a_single_label_replaces_and_several_add_up_until_they_are_merged(
    project: ProjectStore, multi: ProjectStore
) -> None:
    for opened, expected in ((project, {"cat": 5, "dog": 7}), (multi, {"cat": 6, "dog": 7})):
        opened.apply(LabelImages((1,), "dog"))
        assert opened.summary().classes == expected
    multi.apply(MergeClasses(("cat", "dog"), "animal"))  # an image with both classes has the label once
    assert multi.summary().classes == {"animal": 12} and multi.summary().labelled == 12


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "🦊", "a/b\\c", "..", "CON", "x" * 300, "=1+1", " padded ", "train", "😀" * 50, "2²"],
)
def test_odd_class_names_are_taken_as_they_are(project: ProjectStore, name: str) -> None:
    project.apply(LabelImages((1,), name))
    assert project.snapshot().class_names[-1] == name.strip()
    assert natural_key(name)


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\0b", "x" * 301, "\ud800", "\u2028"])
def test_impossible_class_names_are_refused(project: ProjectStore, name: str) -> None:
    before = project.snapshot()
    with pytest.raises(ProjectError) as caught:
        project.apply(LabelImages((1,), name))
    assert caught.value.hint and "\n" not in caught.value.message
    assert project.snapshot() == before


@pytest.mark.parametrize(
    "change",
    [
        RenameClass("cat", "dog"),
        MergeClasses(("none",), "dog"),
        SetShortcut("cat", "ab"),
        WriteNote(1, "x" * 10_001),
        RestoreImages((0,)),
        LabelImages((1, 999), "new"),
        AddClass("cat"),
    ],
    ids=repr,
)
def test_changes_that_do_not_fit_are_refused(project: ProjectStore, change) -> None:
    before = project.snapshot(), project.history()
    with pytest.raises(ProjectError) as caught:
        project.apply(change)
    assert caught.value.hint and (project.snapshot(), project.history()) == before


def test_removed_images_leave_the_counts_and_come_back_whole(project: ProjectStore) -> None:
    before = rows(project), project.summary()
    project.apply(RemoveImages((1, 2)))
    assert project.summary().classes == {"cat": 4, "dog": 6}
    assert project.summary().images == project.summary().labelled == 10
    assert find_images(project, ImageFilter(is_removed=True)) == (1, 2)
    project.apply(RestoreImages((1, 2)))
    assert (rows(project), project.summary()) == before


def test_filters_combine(project: ProjectStore) -> None:
    project.apply(TagImages((1, 2, 7), "odd"))
    project.apply(AssignSplits({1: "val", 7: "val"}))
    project.apply(UnlabelImages((3,)))
    project.apply(ReviewImages((7,), "later"))
    assert find_images(project, ImageFilter(tag="odd", split="val", class_name="dog", review="later")) == (7,)
    assert find_images(project, ImageFilter(is_labelled=False)) == (3,)
    assert find_images(project, ImageFilter(split="unassigned", tag="odd")) == (2,)
    assert find_images(project, ImageFilter(text="DOG/1")) == (11, 12)
    assert find_images(project, ImageFilter(text="_")) == find_images(project, ImageFilter(text="%")) == ()
    project.apply(WriteNote(5, r"100%_\ sure"))
    assert find_images(project, ImageFilter(text="%_\\")) == (5,)
    assert find_images(project, limit=3) == (1, 2, 3)
    assert find_images(project, ImageFilter(class_name="none")) == ()
    project.apply(UntagImages((1, 2, 7), "odd"))
    assert tag_names(project) == ()


def test_images_and_pairs_are_judged_for_one_check(project: ProjectStore):
    effects = project.apply(MarkFindingsFine("duplicates", ((3, 1), (5, 0))))
    assert effects.title.values["counted"].values == {"count": 2}
    assert verdicts_of(project, "duplicates") == {(1, 3), (5, 0)} and not verdicts_of(project, "leaks")
    project.apply(MarkFindingsFine("duplicates", ((1, 3),)))  # known already
    assert verdicts_of(project, "duplicates") == {(1, 3), (5, 0)}
    project.undo()
    assert not verdicts_of(project, "duplicates")
    project.redo()
    with pytest.raises(ProjectError):
        project.apply(MarkFindingsFine("quality", ((4711, 0),)))
    project.close()
    with ProjectStore.open(project.path, read_only=True) as again:
        assert verdicts_of(again, "duplicates") == {(1, 3), (5, 0)}
    assert pair_of(7, 2) == pair_of(2, 7) == (2, 7) and pair_of(7, 0) == (7, 0)


def test_prompts_go_where_their_class_goes(project: ProjectStore) -> None:
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
