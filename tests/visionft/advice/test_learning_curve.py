"""The learning curve of a project: its measurements, its forecast, the named class, and its refusals."""

import numpy as np
import pytest

from visionft.advice.held_out_predictor import LabelledFeatures
from visionft.advice.learning_curve import curve_of, curve_sizes, learning_curve
from visionft.errors import ProjectError
from visionft.events import Progress
from visionft.jobs import JobCancelled, JobContext
from visionft.project.edits.changes import AcceptSuggestions, LabelImages, UnlabelImages


def test_a_forecast_covers_what_more_labels_really_give(make_labelled):
    every = make_labelled(each=160, noise=1.8)
    few = every.among(np.arange(90))
    names = ("a", "b", "c")
    ahead = curve_of(few, names)[0].ahead[-1]
    really = curve_of(every.among(np.arange(360)), names)[0].now.accuracy
    assert ahead.labels == 360 and ahead.low <= really <= ahead.high


def test_a_class_that_is_never_mistaken_gains_least():
    generator, counts = np.random.default_rng(0), (80, 80, 30)
    numbers = np.repeat(np.arange(3), counts)
    middles = np.zeros((3, 24))
    middles[0, 0], middles[2, 1:4] = 30, 1.2
    rows = middles[numbers] + generator.normal(size=(len(numbers), 24))
    labelled = LabelledFeatures(rows.astype(np.float32), np.eye(3, dtype=np.float32)[numbers])
    gains = curve_of(labelled, ("easy", "usual", "rare"), added=20)[0].gains
    assert gains[-1].class_name == "easy" and gains[-1].gain < gains[0].gain
    assert all(each.added == 20 and each.low <= each.gain <= each.high for each in gains)


def test_a_class_of_a_large_set_gains_by_all_its_labels_and_not_by_those_that_were_looked_at(make_labelled):
    sample, names = make_labelled(each=100), ("a", "b", "c")
    few, many = (curve_of(sample, names, total=total, added=100)[0].gains for total in (300, 30_000))
    assert [each.labels for each in many] == [10_000] * 3
    assert 0 < sum(each.gain for each in many) < sum(each.gain for each in few) / 20


def test_the_line_begins_where_it_was_measured_and_ends_at_four_times_the_labels(make_labelled):
    few, _laws = curve_of(make_labelled(each=2, classes=5), tuple("abcde"))
    assert len(few.measured) == 1 and few.now.high - few.now.low > 0.3
    found, _laws = curve_of(make_labelled(), ("a", "b", "c"))
    assert found.labels == 120 and found.measured[-1].labels == 120 == found.now.labels
    assert [found.line[0].labels, found.line[-1].labels] == [found.measured[0].labels, 480]
    assert all(each.low <= each.accuracy <= each.high for each in (*found.measured, *found.line, *found.ahead))


def test_the_classes_add_up_to_all(make_labelled):
    found, _laws = curve_of(make_labelled(each=100, noise=2.0), ("a", "b", "c"))
    recalls = [gain.recall for gain in found.gains]
    assert len(recalls) == 3 and np.mean(recalls) == pytest.approx(found.measured[-1].accuracy, abs=0.02)
    doubled = curve_of(make_labelled(each=100, noise=2.0), ("a", "b", "c"), added=100)[0]
    gain = doubled.ahead[0].accuracy - doubled.now.accuracy
    assert sum(each.gain for each in doubled.gains) == pytest.approx(gain, rel=0.2)
    assert not found.is_estimated and curve_of(make_labelled(each=5), ("a", "b", "c"))[0].is_estimated


def test_sizes_grow_to_all_and_hold_two_a_class():
    assert curve_sizes(1000, 5)[0] == 125 and curve_sizes(1000, 5)[-1] == 1000
    assert curve_sizes(2000, 1000) == (2000,)
    assert curve_sizes(60, 10)[0] == 20


def test_a_project_without_the_images_of_test_and_those_only_accepted(make_project):
    with make_project(labelled=60) as project:
        found = learning_curve(project.path, project.snapshot())
        assert (found.labels, found.classes) == (60, 3)
        accepted = [image.image_id for image in project.snapshot().images if not image.labels][:9]
        project.apply(AcceptSuggestions(dict.fromkeys(accepted, ("ant",))))
        assert learning_curve(project.path, project.snapshot(), accepted=frozenset(accepted)).labels == 60


def test_what_cannot_be_measured_is_refused_with_the_next_step(make_project):
    messages = set()
    with make_project(labelled=0) as project:
        images = project.snapshot().images
        for places, name in (((), ""), ((0, 3), "ant"), ((1,), "bee")):
            if places:
                project.apply(UnlabelImages(tuple(image.image_id for image in images)))
                project.apply(LabelImages(tuple(images[place].image_id for place in places), name))
            if name == "bee":
                project.apply(LabelImages((images[0].image_id,), "ant"))
            with pytest.raises(ProjectError) as refused:
                learning_curve(project.path, project.snapshot())
            assert refused.value.next_step is not None and refused.value.next_step.action == "label"
            messages.add(refused.value.message)
    assert len(messages) == 3


def test_it_tells_how_far_it_is_and_stops(make_project):
    events = []
    with make_project() as project:
        learning_curve(project.path, project.snapshot(), job=JobContext(events.append))
        steps = [event for event in events if isinstance(event, Progress)]
        assert steps[-1].done == steps[-1].total > 1
        with pytest.raises(JobCancelled):
            learning_curve(project.path, project.snapshot(), job=JobContext(cancelled=lambda: True))


@pytest.mark.slow
def test_hundreds_of_classes_of_two_images_name_a_few():
    generator, classes = np.random.default_rng(0), 720
    numbers = np.repeat(np.arange(classes), 2)
    rows = generator.normal(size=(len(numbers), 32)).astype(np.float32)
    labelled = LabelledFeatures(rows, np.eye(classes, dtype=np.float32)[numbers])
    found, _laws = curve_of(labelled, tuple(map(str, range(classes))))
    assert found.now.accuracy < 0.05 and len(found.gains) == 6
