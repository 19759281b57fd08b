"""Accepting with a proof: the sample is drawn first, what is said of it is kept, and nothing is proven by trying on."""

from typing import Any

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.certificates import audits_of, certificates_of
from visionft.project.edits.changes import LabelImages
from visionft.project.store import Project
from visionft.suggest.certificate import (
    draw_audit,
    finish_audit,
    pending_audit,
)
from visionft.suggest.feature_suggester import open_suggester


@pytest.fixture
def project(make_project, truth):
    """Return a project with some labels, the rest open."""
    with make_project() as project:
        shown = truth(project)
        for image_id in sorted(shown)[:15]:
            project.apply(LabelImages((image_id,), shown[image_id]))
        yield project


def answers_of(project: Project, sample: tuple[int, ...], truth: dict[int, str]) -> dict[int, tuple[str, ...]]:
    return {image_id: (truth[image_id],) for image_id in sample}


def test_a_passed_audit_accepts_the_rest_in_one_step(project, truth):
    shown, found = truth(project), open_suggester(project).suggestions
    pending = draw_audit(project, found, source="features", rightness=0.9, seed=3)
    assert pending_audit(project.path) == pending and set(pending.sample) <= set(found)
    assert project.summary().labelled == 15  # nothing yet
    audit = finish_audit(project, pending, answers_of(project, pending.sample, shown))
    assert audit.is_passed and pending_audit(project.path) is None
    assert project.summary().labelled == 60
    (certificate,) = certificates_of(project)
    assert certificate.audit == audit and (certificate.labels, certificate.standing) == (45, 45)
    assert audit.proven >= 0.9 and f"{audit.sample} that were checked" in certificate.sentence
    labels = {image.image_id: image.labels for image in project.snapshot().images}
    classes = project.snapshot().class_names
    assert all(classes[labels[key][0]] == shown[key] for key in pending.sample)
    wrong = next(key for key in found if key not in pending.sample)
    project.apply(LabelImages((wrong,), "ant" if shown[wrong] != "ant" else "bee"))
    assert certificates_of(project)[0].standing == 44
    project.undo()
    project.undo()
    assert project.summary().labelled == 15 and certificates_of(project) == ()
    project.redo()
    assert certificates_of(project)[0].standing == 45


def test_a_failed_audit_labels_its_sample_and_makes_the_next_one_stricter(project, truth):
    shown, found = truth(project), open_suggester(project).suggestions
    pending = draw_audit(project, found, source="features", rightness=0.9, allowed=0, seed=3)
    others = {image_id: ("ant" if name != "ant" else "bee",) for image_id, name in shown.items()}
    audit = finish_audit(project, pending, {image_id: others[image_id] for image_id in pending.sample})
    assert not audit.is_passed and project.summary().labelled == 15 + audit.sample
    assert certificates_of(project) == () and audits_of(project) == (audit,)
    again = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9, allowed=0)
    assert again.number == 2 and again.claimed == pytest.approx(0.925) and again.plan.confidence == pytest.approx(0.975)


def test_who_draws_again_without_finishing_pays_for_it(project):
    found = open_suggester(project).suggestions
    first = draw_audit(project, found, source="features", rightness=0.9)
    second = draw_audit(project, found, source="features", rightness=0.9)
    assert (first.number, second.number) == (1, 2) and second.claimed < first.claimed


def test_a_sample_that_is_checked_in_part_proves_nothing(project, truth):
    shown = truth(project)
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9)
    with pytest.raises(ProjectError, match="1 picture"):
        finish_audit(project, pending, answers_of(project, pending.sample[1:], shown))
    assert audits_of(project) == () and pending_audit(project.path) == pending


def test_what_was_labelled_meanwhile_keeps_its_label(project, truth):
    shown = truth(project)
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9, seed=3)
    other = next(key for key in pending.accepted if key not in pending.sample)
    project.apply(LabelImages((other,), "dog"))
    finish_audit(project, pending, answers_of(project, pending.sample, shown))
    (certificate,) = certificates_of(project)
    assert certificate.labels == 44 and project.summary().classes["dog"] == 1


@pytest.mark.parametrize("values", [{"rightness": 1.0}, {"confidence": 0.0}, {"threshold": 1.01}])
def test_what_cannot_be_is_refused(project, values: dict[str, Any]):
    with pytest.raises(ProjectError):
        draw_audit(project, open_suggester(project).suggestions, source="features", **values)
    assert pending_audit(project.path) is None


def test_a_damaged_file_of_an_audit_is_no_audit(project):
    draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9)
    (project.path / "curation" / "audit.json").write_text("{")
    assert pending_audit(project.path) is None
