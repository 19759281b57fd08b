"""Accepting with a certificate: the sample is drawn first, its labels are kept, and retries prove nothing."""

from pathlib import Path
from typing import Any

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.certificates import audits_of, certificates_of, next_number, pending_audit
from visionft.project.edits.changes import LabelImages, RemoveImages
from visionft.project.importing.importer import import_source
from visionft.project.store import Project, duplicate_project
from visionft.suggest.audit import draw_audit, finish_audit, most_wrong
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
    assert pending_audit(project) == pending and set(pending.sample) <= set(found)
    assert project.summary().labelled == 15  # nothing yet
    audit = finish_audit(project, pending, answers_of(project, pending.sample, shown))
    assert audit.is_passed and pending_audit(project) is None
    assert project.summary().labelled == 60
    (certificate,) = certificates_of(project)
    assert certificate.audit == audit and (certificate.labels, certificate.standing) == (45, 45)
    assert audit.proven >= 0.9 and str(audit.sample) in certificate.sentence
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
    assert (again.audit.number, again.audit.confidence) == (2, pytest.approx(0.925))
    assert again.audit.planned == pytest.approx(0.975)


def test_who_draws_again_without_finishing_pays_for_it(project, truth):
    found = open_suggester(project).suggestions
    first = draw_audit(project, found, source="features", rightness=0.9)
    second = draw_audit(project, found, source="features", rightness=0.9)
    assert (first.audit.number, second.audit.number) == (1, 2) and second.audit.confidence < first.audit.confidence
    with pytest.raises(ProjectError):
        finish_audit(project, first, answers_of(project, first.sample, truth(project)))
    assert project.summary().labelled == 15


def test_a_sample_that_is_checked_in_part_proves_nothing(project, truth):
    shown = truth(project)
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9)
    with pytest.raises(ProjectError, match="1 image"):
        finish_audit(project, pending, answers_of(project, pending.sample[1:], shown))
    assert not audits_of(project)[0].is_finished and pending_audit(project) == pending


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
    assert pending_audit(project) is None


def fail(project: Project, truth: dict[int, str], **options: Any) -> int:
    """Draw an audit, mark all of its sample as wrong, and return its number."""
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9, **options)
    wrong = {key: ("ant" if names != ("ant",) else "bee",) for key, names in pending.accepted.items()}
    assert not finish_audit(project, pending, wrong).is_passed
    return pending.audit.number


def test_undo_takes_labels_back_and_never_the_count(project, truth):
    shown, numbers = truth(project), []
    for _ in range(3):
        numbers.append(fail(project, shown))
        project.undo()
        assert project.summary().labelled == 15
    assert numbers == [1, 2, 3]
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9)
    audit = finish_audit(project, pending, answers_of(project, pending.sample, shown))
    assert audit.is_passed and audit.number == 4 and audit.confidence == pytest.approx(0.90625)
    project.undo()
    assert certificates_of(project) == () and [each.is_passed for each in audits_of(project)] == [True, *[False] * 3]
    project.redo()
    assert certificates_of(project)[0].standing == 45


def test_neither_another_import_nor_another_project_forgets_an_audit(project, truth, tmp_path: Path):
    fail(project, truth(project))
    duplicate_project(project, tmp_path / "second")
    while project.undo_title:
        project.undo()
    assert next_number(project)[0] == 1  # nothing of it can be drawn
    import_source(project, tmp_path / "images")
    assert next_number(project)[0] == 2
    with Project.open(tmp_path / "second", read_only=True) as second:
        assert next_number(second)[0] == 2


def test_a_trivial_audit_that_is_passed_does_not_forget_one_that_failed(project, truth):
    shown = truth(project)
    fail(project, shown)
    project.undo()
    found = open_suggester(project).suggestions
    surest = max(each.confidence for each in found.values())
    pending = draw_audit(project, found, source="features", threshold=surest)
    assert finish_audit(project, pending, answers_of(project, pending.sample, shown)).is_passed
    assert next_number(project)[0] == 2


def test_what_is_claimed_counts_what_earlier_audits_risked(project, truth):
    fail(project, truth(project), confidence=0.5, allowed=0)
    found = open_suggester(project).suggestions
    assert draw_audit(project, found, source="features", confidence=0.99).audit.confidence == pytest.approx(0.495)


def test_one_sample_certifies_once(project, truth):
    """The audit and its labels are one transaction: nothing is left to finish again, and undo takes labels only."""
    shown = truth(project)
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9)
    answers = answers_of(project, pending.sample, shown)
    finish_audit(project, pending, answers)
    assert pending_audit(project) is None and certificates_of(project)[0].standing == 45
    project.undo()
    with pytest.raises(ProjectError):
        finish_audit(project, pending, answers)
    assert project.summary().labelled == 15


def test_an_audit_whose_sample_was_removed_is_finished_too(project, truth):
    shown = truth(project)
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.9, allowed=0)
    project.apply(RemoveImages(pending.sample))
    title = project.undo_title
    audit = finish_audit(project, pending, dict.fromkeys(pending.sample, ("dog",)))
    assert audits_of(project) == (audit,) and not audit.is_passed and project.undo_title == title
    assert next_number(project)[0] == 2 and shown


def test_where_all_were_checked_nothing_is_left_to_prove(project, truth):
    shown = truth(project)
    pending = draw_audit(project, open_suggester(project).suggestions, source="features", rightness=0.999)
    assert pending.audit.sample == pending.audit.accepted and most_wrong(45, 0.999) == 0
    wrong = pending.sample[0]
    answers = answers_of(project, pending.sample, shown) | {wrong: ("ant" if shown[wrong] != "ant" else "bee",)}
    audit = finish_audit(project, pending, answers)
    assert audit.is_passed and audit.wrong == 1 and audit.proven == 1.0
