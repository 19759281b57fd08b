"""The recommendation: which model is used, and whether training is worth trying."""

import numpy as np
import pytest

from visionft.analysis.advice import Candidate, decide, recommend
from visionft.core.errors import ProjectError
from visionft.core.events import Progress
from visionft.core.jobs import JobContext


def outcome(*, free: int, trained: int | None = None, refusal: str = "") -> tuple[str, bool]:
    """Return the chosen model and whether to train, of models right for so many of 100 images, the first ones."""
    right = {"linear": np.arange(100) < free}
    if trained is not None:
        right["001"] = np.arange(100) < trained
    models = [
        Candidate(
            run=name if name == "001" else "",
            title=name,
            method="linear" if name == "linear" else "full",
            backbone="resnet18",
            accuracy=float(values.mean()),
            interval=(0.0, 1.0),
            is_trained=name == "001",
        )
        for name, values in right.items()
    ]
    models.sort(key=lambda each: -each.accuracy)
    chosen, is_worthwhile, sentence = decide(models, right, refusal=refusal)
    assert sentence
    return chosen.name, is_worthwhile


def test_without_a_trained_run_training_is_worth_trying_unless_there_is_a_reason_against_it():
    assert outcome(free=80) == ("linear", True)
    assert outcome(free=80, refusal="There are few images.") == ("linear", False)
    assert outcome(free=100) == ("linear", False)


def test_a_trained_run_is_used_unless_a_model_without_training_is_more_accurate():
    assert outcome(free=80, trained=95) == ("001", False)
    assert outcome(free=80, trained=80) == outcome(free=80, trained=82) == ("001", False)
    assert outcome(free=80, trained=78) == ("linear", False)
    assert outcome(free=95, trained=80) == ("linear", False)


@pytest.mark.slow
def test_all_closed_forms_are_measured_on_the_same_held_out_images(make_project):
    with make_project() as project:
        events = []
        found = recommend(project.path, project.snapshot(), device="cpu", job=JobContext(events.append))
        assert {each.name for each in found.models} == {"linear", "knn", "prototype"}
        assert found.split == "val" and found.images > 5 and not found.is_training_worthwhile  # too few to train on
        assert found.recommended.accuracy == max(each.accuracy for each in found.models)
        assert [each for each in events if isinstance(each, Progress)]
        assert not (project.path / "recommendation.json").exists()


def test_too_few_labels_are_refused_with_a_next_step(make_project):
    with make_project(image_count=6, labelled=1) as project, pytest.raises(ProjectError) as caught:
        recommend(project.path, project.snapshot(), device="cpu")
    assert caught.value.next_step is not None
