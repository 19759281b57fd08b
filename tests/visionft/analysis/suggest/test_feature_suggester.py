"""Suggestions from features in a real project: there after a few labels, following every change, with their reasons."""

import numpy as np
import pytest

from visionft.analysis.feature_suggester import labels_so_far, need_error, next_images, open_suggester
from visionft.core.errors import ProjectError
from visionft.features.feature_store import FEATURES_FOLDER
from visionft.project.edits.changes import AcceptSuggestions, LabelImages, UnlabelImages


def label_some(project, truth: dict[int, str], count: int = 12) -> list[int]:
    """Label the first images with their true class."""
    chosen = sorted(truth)[:count]
    for image_id in chosen:
        project.apply(LabelImages((image_id,), truth[image_id]))
    return chosen


@pytest.fixture
def labelled(make_project, truth):
    """Return a project with 12 labels, {image: its true class}, the labelled images, and a suggester."""
    with make_project() as project:
        shown = truth(project)
        chosen = label_some(project, shown)
        yield project, shown, chosen, open_suggester(project)


def test_what_is_missing_is_said_step_by_step(make_project, truth):
    with make_project() as project:
        suggester, shown = open_suggester(project), truth(project)
        assert suggester.needs == "labels" and not suggester.suggestions
        error = need_error(suggester, project.path)
        assert error.next_step is not None and error.next_step.action == "label"
        ants = [image_id for image_id, name in shown.items() if name == "ant"]
        project.apply(LabelImages((ants[0],), "ant"))
        suggester = open_suggester(project)
        assert suggester.needs == "classes"
        (project.path / FEATURES_FOLDER / "current.json").unlink()
        with pytest.raises(ProjectError) as caught:
            open_suggester(project)
        assert caught.value.next_step is not None and caught.value.next_step.action == "find_issues"


def test_suggestions_are_right_and_say_why(labelled):
    _, shown, chosen, suggester = labelled
    found = suggester.suggestions
    assert set(found) == set(shown) - set(chosen)
    assert np.mean([each.classes == (shown[key],) for key, each in found.items()]) > 0.9
    one = next(iter(found.values()))
    assert one.ranked[0][0] == one.classes[0] and 0 <= one.uncertainty <= 1
    reasons = suggester.reasons(one.image_id, 3)
    assert {reason.image_id for reason in reasons} <= set(chosen) and len(reasons) == 3
    assert [each.cosine for each in reasons] == sorted((each.cosine for each in reasons), reverse=True)
    assert all(reason.classes == (shown[reason.image_id],) for reason in reasons)
    assert suggester.reasons(10**6) == ()


def test_following_changes_is_the_same_as_beginning_anew(labelled):
    project, shown, chosen, suggester = labelled
    others = sorted(set(shown) - set(chosen))
    for change in (
        UnlabelImages(tuple(chosen[:2])),
        LabelImages((chosen[4],), "cat"),
        LabelImages(tuple(others[:3]), "bee"),
    ):
        project.apply(change)
        suggester.learn(labels_so_far(project))
        anew = open_suggester(project)
        mine, theirs = suggester.suggestions, anew.suggestions
        assert set(mine) == set(theirs)
        for key, each in mine.items():
            ours, wanted = dict(each.ranked), dict(theirs[key].ranked)
            assert ours[each.classes[0]] == pytest.approx(wanted.get(each.classes[0], 0), abs=0.02)
            assert set(each.classes) <= set(project.summary().classes)


def test_what_was_accepted_is_not_learnt_from(labelled):
    project, _, chosen, suggester = labelled
    other = next(iter(suggester.suggestions))
    project.apply(AcceptSuggestions({other: ("cat",)}))
    labels = labels_so_far(project)
    assert labels.accepted == {other} and set(labels.given) == set(chosen)
    suggester.learn(labels)
    assert other not in suggester.suggestions and suggester.state.is_labelled.sum() == len(chosen)


def test_several_labels_are_suggested_together(make_project, truth):
    with make_project(task="multi") as project:
        shown = truth(project)
        for image_id in sorted(shown)[:24]:
            project.apply(LabelImages((image_id,), shown[image_id]))
            if shown[image_id] != "cat":
                project.apply(LabelImages((image_id,), "insect"))
        suggester = open_suggester(project)
        found = suggester.suggestions
        wanted = {key: {name, "insect"} - ({"insect"} if name == "cat" else set()) for key, name in shown.items()}
        assert np.mean([set(each.classes) == wanted[key] for key, each in found.items()]) > 0.7
        assert next_images(suggester, 3)


def test_the_queue_shows_every_kind_first_and_then_what_is_unsure(make_project, truth):
    with make_project() as project:
        shown = truth(project)
        suggester = open_suggester(project)
        first = next_images(suggester, 6)
        assert {each.why for each in first} == {"centre"} and len({each.image_id for each in first}) == 6
        assert {shown[each.image_id] for each in first} == {"ant", "bee", "cat"}
        assert next_images(suggester, 0) == ()
        label_some(project, shown)
        suggester = open_suggester(project)
        later = next_images(suggester, 5)
        assert {each.why for each in later} == {"unsure"}
        found = suggester.suggestions
        asked = np.mean([found[each.image_id].uncertainty for each in later])
        assert asked > np.mean([each.uncertainty for each in found.values()])
        everything = next_images(suggester, 999)
        assert len(everything) == len({each.image_id for each in everything}) == len(found)
