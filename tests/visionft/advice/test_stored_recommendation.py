"""The last recommendation is restored for the same images, and not for others or from a damaged file."""

import subprocess
import sys

import pytest

from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.model_candidates import ModelCandidate
from visionft.advice.recommend import Recommendation
from visionft.advice.stored_recommendation import FILE, read_curve, read_recommendation, store_recommendation
from visionft.advice.trials import Trial
from visionft.project.edits.changes import UnlabelImages

POINT = CurvePoint(labels=60, accuracy=0.8, low=0.7, high=0.9)
GAIN = Gain(class_name="ant", labels=20, recall=0.7, added=20, gain=0.02, low=0.0, high=0.04)
CURVE = LearningCurve(
    labels=60, classes=3, measured=(POINT,), line=(POINT, POINT), now=POINT, ahead=(POINT, POINT), gains=(GAIN,),
    spread=GAIN,
)  # fmt: skip
LINEAR = ModelCandidate(
    name="linear", title="Linear probe", kind="free", method="linear", backbone="resnet18_in1k", accuracy=0.8, low=0.7,
    high=0.9, expected=0.8, is_forecast=False, images=60,
)  # fmt: skip
TRIAL = Trial(train_images=20, epochs=3, both_right=20, only_run=5, only_probe=3, both_wrong=12, seconds=9.5)


@pytest.fixture(params=[None, TRIAL])
def found(request) -> Recommendation:
    return Recommendation(
        chosen="linear", candidates=(LINEAR,), curve=CURVE, to_label=(4, 7), trial=request.param, trial_s=None,
        train_images=48, backbone="resnet18_in1k", problem="", seconds=2.5,
    )  # fmt: skip


def test_the_recommendation_is_of_the_same_images_and_its_curve_outlives_new_labels(make_project, found):
    with make_project() as project:
        images = project.snapshot()
        labelled = sum(bool(image.labels) for image in images.images)
        assert read_recommendation(project.path, images) is None and read_curve(project.path) is None
        store_recommendation(project.path, images, found)
        assert read_recommendation(project.path, images) == found
        project.apply(UnlabelImages((images.images[0].image_id,)))
        assert read_recommendation(project.path, project.snapshot()) is None
        stored = read_curve(project.path)
        assert stored is not None and stored.curve == CURVE
        assert (stored.labels_of(labelled), stored.labels_of(labelled - 1)) == (CURVE.labels, CURVE.labels - 1)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"images": 1}', '{"images": "DIGEST", "recommendation": {}}'])
def test_a_damaged_file_is_ignored(make_project, content):
    with make_project() as project:
        images = project.snapshot()
        (project.path / FILE).write_text(content.replace("DIGEST", images.digest))
        assert read_recommendation(project.path, images) is None and read_curve(project.path) is None


def test_reading_loads_no_learning_library():
    loads = "import sys, visionft.advice.stored_recommendation, visionft.advice.recommend"
    prints = "print([name for name in ('torch', 'timm', 'scipy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{loads}; {prints}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
