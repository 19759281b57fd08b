"""The last advice comes back as it was for the same pictures, and not at all for others or from a damaged file."""

import subprocess
import sys

import pytest

from visionft.advice.answerers import Answerer
from visionft.advice.kept import FILE, has_advice, keep_advice, kept_advice, kept_curve
from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.recommend import Recommendation
from visionft.advice.trials import Trial
from visionft.project.edits.changes import UnlabelImages

POINT = CurvePoint(labels=60, accuracy=0.8, low=0.7, high=0.9)
GAIN = Gain(class_name="ant", labels=20, recall=0.7, added=20, gain=0.02, low=0.0, high=0.04)
CURVE = LearningCurve(
    labels=60, classes=3, measured=(POINT,), line=(POINT, POINT), now=POINT, ahead=(POINT, POINT), gains=(GAIN,),
    spread=GAIN,
)  # fmt: skip
ANSWERER = Answerer(
    name="linear", title="Linear probe", kind="free", method="linear", backbone="resnet18_in1k", accuracy=0.8, low=0.7,
    high=0.9, is_forecast=False, pictures=60,
)  # fmt: skip
TRIAL = Trial(learnt_from=20, epochs=3, both_right=20, only_run=5, only_probe=3, both_wrong=12, seconds=9.5)


@pytest.fixture(params=[None, TRIAL])
def advice(request) -> Recommendation:
    return Recommendation(
        chosen="linear", advice="Do not train.", evidence=("Because.",), change=(), answerers=(ANSWERER,), curve=CURVE,
        label_class="ant", to_label=(4, 7), trial=request.param, trial_s=None, seconds=2.5,
    )  # fmt: skip


def test_it_comes_back_for_the_same_pictures_only(make_project, advice):
    with make_project() as project:
        images = project.snapshot()
        assert not has_advice(project.path) and kept_advice(project.path, images) is None
        keep_advice(project.path, images, advice)
        assert has_advice(project.path) and kept_advice(project.path, images) == advice
        project.apply(UnlabelImages((images.images[0].image_id,)))
        assert kept_advice(project.path, project.snapshot()) is None


def test_its_curve_still_tells_where_a_project_stands_when_labels_changed(make_project, advice):
    with make_project() as project:
        images = project.snapshot()
        labelled = sum(bool(image.labels) for image in images.images)
        assert kept_curve(project.path) is None
        keep_advice(project.path, images, advice)
        project.apply(UnlabelImages((images.images[0].image_id,)))
        kept = kept_curve(project.path)
        assert kept is not None and kept.curve == CURVE
        assert (kept.labels_of(labelled), kept.labels_of(labelled - 1)) == (CURVE.labels, CURVE.labels - 1)
        (project.path / FILE).write_text('{"advice": {"curve": 3}}')
        assert kept_curve(project.path) is None


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"images": 1}', '{"images": "DIGEST", "advice": {"curve": 3}}'])
def test_a_damaged_file_is_no_advice(make_project, content):
    with make_project() as project:
        images = project.snapshot()
        (project.path / FILE).write_text(content.replace("DIGEST", images.digest))
        assert kept_advice(project.path, images) is None


def test_reading_it_loads_no_learning_library():
    loads = "import sys, visionft.advice.kept, visionft.advice.recommend"
    tells = "print([name for name in ('torch', 'timm', 'scipy') if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", f"{loads}; {tells}"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
