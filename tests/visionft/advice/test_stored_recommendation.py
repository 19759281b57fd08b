"""The last recommendation is restored for the same images, and not for others or from a damaged file."""

import subprocess
import sys

import pytest
from advice_samples import candidate, recommendation

from models.messages import Message
from visionft.advice.stored_recommendation import FILE, read_curve, read_recommendation, store_recommendation
from visionft.advice.trials import Trial
from visionft.project.edits.changes import UnlabelImages

TRIAL = Trial(train_images=20, epochs=3, both_right=20, only_run=5, only_probe=3, both_wrong=12, seconds=9.5)


@pytest.mark.parametrize("trial", [None, TRIAL])
def test_it_is_of_the_same_images_and_its_curve_outlives_new_labels(make_project, trial):
    refused = candidate("full", "trained", 0.9, refusal=Message("It takes about {time}.", time="3 min"))
    found = recommendation(candidate("linear", "free", 0.8, memory_mb=None), refused, to_label=(4, 7), trial=trial)
    with make_project() as project:
        images = project.snapshot()
        labelled = sum(bool(image.labels) for image in images.images)
        assert read_recommendation(project.path, images) is None and read_curve(project.path) is None
        store_recommendation(project.path, images, found)
        restored = read_recommendation(project.path, images)
        assert restored == found and restored.candidates[1].refusal.values == {"time": "3 min"}
        project.apply(UnlabelImages((images.images[0].image_id,)))
        assert read_recommendation(project.path, project.snapshot()) is None
        stored = read_curve(project.path)
        assert stored is not None and stored.curve == found.curve
        assert [stored.labels_of(each) for each in (labelled, labelled - 1)] == [25, 24]


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
