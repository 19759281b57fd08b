"""`visionft suggest` on a real run and on features: it suggests, and accepts only what it was told to; the queue."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project


def test_suggest_and_accept(run, picture_folder: Path, tmp_path: Path):
    folder = tmp_path / "project"
    with Project.create(folder) as project:
        import_source(project, picture_folder)
        assign_splits(project)
        unlabelled = tuple(image.image_id for image in project.snapshot().labelled("test"))
        project.apply(UnlabelImages(unlabelled))
    sizes = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]
    run("train", folder, "--backbone", "test_resnet", "--method", "full", "--epochs", 1, *sizes)
    code, out, _ = run("suggest", folder, 1, "--json")
    value = json.loads(out)
    assert code == 0 and (value["suggested"], value["accepted"]) == (len(unlabelled), 0)
    code, out, _ = run("suggest", folder, 1, "--accept", 0, "--json")
    assert json.loads(out)["accepted"] == len(unlabelled)
    assert json.loads(run("info", folder, "--json")[1])["labelled"] == 48
    code, _, err = run("suggest", folder, 1, "--accept", 95)
    assert code == 2 and "0.95" in err


CLASSES = ("ant", "bee", "cat")


@pytest.fixture
def embedded_project(tmp_path: Path) -> Path:
    """Return the folder of a project of 45 pictures, nine of them labelled, with made-up features."""
    generator = np.random.default_rng(0)
    pictures, kind = (
        tmp_path / "pictures",
        FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(4, 6)),
    )
    pictures.mkdir()
    for number in range(45):
        pixels = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number:02}-{CLASSES[number % 3]}.png")
    with Project.create(tmp_path / "project") as project:
        import_source(project, pictures)
        images = project.snapshot().images
        rows = np.eye(3, 10)[[number % 3 for number in range(45)]] * 4 + 0.3 * generator.normal(size=(45, 10))
        kind.store(project.path).append([image.sha256 for image in images], rows.astype(np.float16))
        make_current(project.path, kind)
        for image in images[:9]:
            project.apply(LabelImages((image.image_id,), shown(image.path)))
    return tmp_path / "project"


def shown(path: Path | str) -> str:
    return Path(path).stem.split("-")[1]


def test_features_suggest_without_a_run_and_say_why(run, embedded_project: Path):
    code, out, err = run("suggest", embedded_project, "--why", "--json")
    value = json.loads(out)
    assert code == 0, err
    assert (value["source"], value["suggested"], value["accepted"]) == ("features", 36, 0)
    assert all(each["classes"] == [shown(each["path"])] for each in value["pictures"])
    assert all(why["classes"] == [shown(why["path"])] for each in value["pictures"] for why in each["why"][:1])
    code, out, _ = run("suggest", embedded_project, "--accept", 0.3)
    assert code == 0 and "36 were accepted" in out
    assert json.loads(run("info", embedded_project, "--json")[1])["labelled"] == 45


def test_an_audit_goes_through_a_file(run, embedded_project: Path, tmp_path: Path):
    file = tmp_path / "sample.csv"
    code, out, err = run("suggest", embedded_project, "--audit", file, "--rightness", 0.8, "--seed", 1, "--json")
    value = json.loads(out)
    assert code == 0, err
    assert value["accepted"] == 0 and value["audit"]["about_to_accept"] == 36
    rows = list(csv.DictReader(file.open()))
    assert len(rows) == value["audit"]["sample"] < 36
    code, _, err = run("suggest", embedded_project, "--certify", file)
    assert code == 2 and "no answer" in err
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "answer": shown(row["path"])} for row in rows)
    code, out, err = run("suggest", embedded_project, "--certify", file)
    assert code == 0 and "36 suggestions were accepted" in out, err
    assert run("suggest", embedded_project, "--certify", file)[0] == 2
    (certificate,) = json.loads(run("info", embedded_project, "--json")[1])["certificates"]
    assert certificate["audit"]["source"] == "features" and certificate["proven"] >= 0.8
    assert (certificate["labels"], certificate["standing"]) == (36, 36)
    assert "36 of 36 still stand" in run("info", embedded_project)[1]


def test_the_queue_names_what_to_label_next(run, embedded_project: Path):
    code, out, _ = run("queue", embedded_project, "--count", 5, "--json")
    rows = json.loads(out)
    assert code == 0 and len(rows) == 5 and len({row["path"] for row in rows}) == 5
    assert {row["why"] for row in rows} == {"unsure"} and all(Path(row["path"]).is_file() for row in rows)


def test_without_labels_the_queue_still_answers_and_suggest_says_what_is_missing(run, embedded_project: Path):
    with Project.open(embedded_project) as project:
        project.apply(UnlabelImages(tuple(image.image_id for image in project.snapshot().images)))
    assert {row["why"] for row in json.loads(run("queue", embedded_project, "--json")[1])} == {"centre"}
    code, _, err = run("suggest", embedded_project)
    assert code == 2 and "No picture has a label yet" in err and "visionft label" in err
