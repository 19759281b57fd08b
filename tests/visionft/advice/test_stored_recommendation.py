"""The last recommendation is restored for the same images, and not for others or from a damaged file."""

import subprocess
import sys

import pytest
from advice_samples import model, recommendation

from models.messages import Message
from visionft.advice.stored_recommendation import FILE, read_curve, read_recommendation, store_recommendation
from visionft.advice.trials import Trial
from visionft.files import read_json, write_json
from visionft.project.edits.changes import UnlabelImages

TRIAL = Trial(train_images=20, epochs=3, both_right=20, only_run=5, only_probe=3, both_wrong=12, seconds=9.5)


@pytest.mark.parametrize("trial", [None, TRIAL])
def test_it_is_of_the_same_images_and_its_curve_outlives_new_labels(make_project, trial):
    refused = model("full", "trained", 0.9, refusal=Message("It takes about {time}.", time="3 min"))
    found = recommendation(model("linear", "free", 0.8, memory_mb=None), refused, to_label=(4, 7), trial=trial)
    with make_project() as project:
        images = project.snapshot()
        labelled = sum(bool(image.labels) for image in images.images)
        assert read_recommendation(project.path, images) is None and read_curve(project.path) is None
        store_recommendation(project.path, images, found)
        restored = read_recommendation(project.path, images)
        assert restored == found and restored.rows[1].refusal.values == {"time": "3 min"}
        project.apply(UnlabelImages((images.images[0].image_id,)))
        assert read_recommendation(project.path, project.snapshot()) is None
        stored = read_curve(project.path)
        assert stored is not None and stored.curve == found.curve
        assert [stored.labels_of(each) for each in (labelled, labelled - 1)] == [25, 24]


# A file of the version before runs and other models had one type, with a run and a forecast.
OLDER = {
    "title": "LoRA",
    "method": "lora",
    "backbone": "resnet18_in1k",
    "accuracy": 0.9,
    "low": 0.85,
    "high": 0.95,
    "images": 60,
    "train_images": 200,
    "seconds": 0.0,
    "milliseconds": 21.0,
    "size_mb": 44.8,
    "memory_mb": 700,
    "preset": "",
    "refusal": "",
    "is_unseen": False,
}


def test_a_recommendation_of_an_earlier_version_opens(make_project):
    found = recommendation(model("001-lora", "run", 0.9))
    run = {**OLDER, "name": "001-lora", "kind": "run"}
    full = {
        **OLDER,
        "name": "full",
        "method": "full",
        "kind": "trained",
        "images": 0,
        "seconds": 90.0,
        "preset": "balanced",
    }
    with make_project() as project:
        images = project.snapshot()
        store_recommendation(project.path, images, found)
        stored = read_json(project.path / FILE)
        for name in ("split", "images", "rows"):
            del stored["recommendation"][name]
        stored["recommendation"]["candidates"] = [run, full]
        write_json(project.path / FILE, stored)
        read = read_recommendation(project.path, images)
        assert read is not None and read.recommended.run == "001-lora" and read.curve == found.curve
        made, forecast = read.rows
        assert (made.kind, made.top1, made.top1_interval, made.is_unseen) == ("run", 0.9, (0.85, 0.95), False)
        assert (forecast.kind, forecast.name, forecast.cost.seconds) == ("trained", "full", 90.0)
        assert made.cost.seconds is None and forecast.cost.shipped_bytes == 44_800_000


@pytest.mark.parametrize("name", ["chosen", "preset"])
def test_a_file_that_names_what_does_not_exist_is_ignored(make_project, name):
    with make_project() as project:
        images = project.snapshot()
        store_recommendation(project.path, images, recommendation(model("linear", "free", 0.8)))
        stored = read_json(project.path / FILE)
        values = stored["recommendation"]
        (values if name == "chosen" else values["rows"][0])[name] = "none"
        write_json(project.path / FILE, stored)
        assert read_recommendation(project.path, images) is None


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
