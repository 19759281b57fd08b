"""Accepting after an audit: the sample is drawn first, its labels are kept, and what it proves is stored."""

from typing import Any

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.audits import Audit, AuditSample, audits_of, newest_sample
from visionft.project.edits.changes import LabelImages, RemoveImages
from visionft.project.store import Project, duplicate_project
from visionft.suggest.audit import accept_audited, draw_audit, finish_audit
from visionft.suggest.feature_suggester import open_suggester


@pytest.fixture
def project(make_project, truth):
    """Return a project with some labels, the rest open."""
    with make_project() as project:
        shown = truth(project)
        for image_id in sorted(shown)[:15]:
            project.apply(LabelImages((image_id,), shown[image_id]))
        yield project


def draw(project: Project, size: int = 20, **options: Any) -> AuditSample:
    return draw_audit(project, open_suggester(project).suggestions, source="features", size=size, **options)


def answers_of(sample: AuditSample, truth: dict[int, str]) -> dict[int, tuple[str, ...]]:
    return {image_id: (truth[image_id],) for image_id in sample.images}


def other_than(name: str) -> tuple[str, ...]:
    return ("ant" if name != "ant" else "bee",)


def newest(project: Project) -> Audit:
    return audits_of(project)[0]


def test_the_sample_is_labelled_and_the_rest_is_accepted_after_it(project, truth):
    shown, found = truth(project), open_suggester(project).suggestions
    sample = draw(project, seed=3)
    assert newest_sample(project) == sample and set(sample.images) <= set(found) == set(sample.suggested)
    assert project.summary().labelled == 15  # nothing yet
    audit = finish_audit(project, sample, answers_of(sample, shown))
    assert (audit.suggestions, audit.sample, audit.labels) == (45, 20, 0) and project.summary().labelled == 35
    assert audit.is_finished and 0.5 < audit.proven <= 1
    project.apply(accept_audited(project, sample))
    assert project.summary().labelled == 60
    assert (newest(project).labels, newest(project).standing) == (45, 45)
    labels = {image.image_id: image.labels for image in project.snapshot().images}
    classes = project.snapshot().class_names
    assert all(classes[labels[key][0]] == shown[key] for key in sample.images)
    wrong = next(key for key in found if key not in sample.images)
    project.apply(LabelImages((wrong,), other_than(shown[wrong])[0]))
    assert newest(project).standing == 44
    project.undo()
    project.undo()
    assert project.summary().labelled == 35 and newest(project) == audit  # as it was before it was accepted
    project.redo()
    assert newest(project).standing == 45


def test_a_bad_sample_proves_little_and_labels_itself_alone(project, truth):
    shown = truth(project)
    good, bad = draw(project, seed=3), draw(project, seed=3)
    audit = finish_audit(project, bad, {key: other_than(shown[key]) for key in bad.images})
    assert audit.proven < 0.5 and project.summary().labelled == 15 + audit.sample
    with pytest.raises(ProjectError):  # a newer one was drawn
        finish_audit(project, good, answers_of(good, shown))
    assert [each.is_finished for each in audits_of(project)] == [True, False]


def test_a_sample_that_is_checked_in_part_proves_nothing(project, truth):
    sample = draw(project)
    answers = answers_of(sample, truth(project))
    del answers[sample.images[0]]
    with pytest.raises(ProjectError, match="1 image"):
        finish_audit(project, sample, answers)
    assert not newest(project).is_finished and newest_sample(project) == sample


def test_what_was_labelled_or_removed_meanwhile_keeps_its_state(project, truth):
    sample = draw(project, seed=3)
    other, gone = [key for key in sample.suggested if key not in sample.images][:2]
    project.apply(LabelImages((other,), "dog"))
    finish_audit(project, sample, answers_of(sample, truth(project)))
    project.apply(RemoveImages((gone,)))
    project.apply(accept_audited(project, sample))
    assert newest(project).labels == 43 and project.summary().classes["dog"] == 1


@pytest.mark.parametrize("values", [{"size": 0}, {"confidence": 0.0}, {"confidence": 1.0}, {"threshold": 1.01}])
def test_what_cannot_be_is_refused(project, values: dict[str, Any]):
    with pytest.raises(ProjectError):
        draw(project, **values)
    assert newest_sample(project) is None


def test_undo_takes_labels_back_and_never_the_audit(project, truth, tmp_path):
    shown = truth(project)
    for number in (1, 2):
        sample = draw(project, seed=number)
        finish_audit(project, sample, {key: other_than(shown[key]) for key in sample.images})
        project.undo()
        assert project.summary().labelled == 15 and len(audits_of(project)) == number
    assert all(each.is_finished and each.wrong for each in audits_of(project))
    duplicate_project(project, tmp_path / "second")
    with Project.open(tmp_path / "second", read_only=True) as second:
        assert audits_of(second) == audits_of(project)


def test_one_sample_is_finished_once(project, truth):
    """The audit and its labels are one transaction: nothing is left to finish again, and undo takes labels only."""
    sample = draw(project)
    answers = answers_of(sample, truth(project))
    finish_audit(project, sample, answers)
    project.undo()
    with pytest.raises(ProjectError):
        finish_audit(project, sample, answers)
    assert project.summary().labelled == 15


def test_an_audit_whose_sample_was_removed_is_finished_too(project):
    sample = draw(project)
    project.apply(RemoveImages(sample.images))
    title = project.undo_title
    audit = finish_audit(project, sample, dict.fromkeys(sample.images, ("dog",)))
    assert audits_of(project) == (audit,) and audit.is_finished and project.undo_title == title


def test_a_label_given_meanwhile_stays(project, truth):
    sample, shown = draw(project), truth(project)
    image = sample.images[0]
    project.apply(LabelImages((image,), other_than(shown[image])[0]))
    audit = finish_audit(project, sample, answers_of(sample, shown))
    names = project.snapshot().class_names
    (found,) = (each for each in project.snapshot().images if each.image_id == image)
    assert audit.is_finished and [names[each] for each in found.labels] == list(other_than(shown[image]))


def test_where_all_were_checked_nothing_is_left_to_accept(project, truth):
    shown = truth(project)
    sample = draw(project, size=1000)
    assert sample.audit.sample == sample.audit.suggestions == 45
    wrong = sample.images[0]
    audit = finish_audit(project, sample, answers_of(sample, shown) | {wrong: other_than(shown[wrong])})
    assert audit.wrong >= 1 and audit.proven == 1.0 and (audit.labels, audit.standing) == (45, 45)
    assert not accept_audited(project, sample).classes
