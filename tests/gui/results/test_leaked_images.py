"""Near-duplicates without a check: the window says which were kept together, and what leaks in a given split."""

import json
from pathlib import Path

import pytest
from drawing import scene
from PIL import Image

from visionft.project.edits.changes import AssignSplits
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig

RUN = "001-resnet18-lora"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project of twelve scenes in two classes, and smaller copies of two of them."""
    for number in range(12):
        place = tmp_path / "scenes" / ("cat" if number % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(scene(number, (120, 160)))
        image.save(place / f"{number}.png")
        if number < 2:
            image.resize((80, 60)).save(place / f"{number}-small.png")
    with ProjectStore.create(tmp_path / "scene project") as project:
        import_source(project, tmp_path / "scenes")
    return tmp_path / "scene project"


def test_dividing_says_which_groups_it_kept_together(open_page, window, folder, finish):
    page = open_page("train", folder)
    window.state.session.splitter.split(page.setup.split_card.wish, page="train")
    finish()
    splits = {image.path.stem: image.split for image in window.state.session.snapshot().images}
    assert None not in splits.values()
    assert all(splits[f"{number}-small"] == splits[str(number)] for number in range(2))
    assert window.toasts.message().startswith("2 ")


def test_the_result_names_leaked_test_images_before_any_check(
    qtbot, open_page, texts_of, folder, write_run, write_evaluation
):
    with ProjectStore.open(folder) as project:
        ids = [image.image_id for image in project.snapshot().images]
        project.apply(AssignSplits({each: "test" if each in ids[:4] else "train" for each in ids}))
    write_run(folder, RUN, TrainConfig(), accuracies=[0.5])
    answers = [("cat", "cat", 0.9), ("cat", "cat", 0.9), ("cat", "cat", 0.9), ("cat", "dog", 0.9)]
    figures = {"leaked": 2, "without_leaked": 0.5, "without_leaked_interval": [0.1, 0.9]}
    write_evaluation(folder, RUN, ids[:4], answers, split="test", top1=0.75, **figures)
    path = folder / "runs" / RUN / "predictions-test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps(row | ({"leaked": True} if place < 2 else {})) for place, row in enumerate(rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    page = open_page("results", folder)
    qtbot.waitUntil(lambda: page.leak_free.of(RUN, "test") is not None, timeout=5000)
    found = page.leak_free.of(RUN, "test")
    assert (found.leaked, found.images, found.without) == (2, 4, 0.5)
    qtbot.waitUntil(lambda: any("50%" in words for words in texts_of(page.accuracy)), timeout=5000)
