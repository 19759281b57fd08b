"""The framing of a project: measured on its images, kept with it, taken by its runs."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.core.errors import ConfigError
from visionft.core.events import ImagesClassified, Notice, ResultStored
from visionft.core.files import sha256_file
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.image_reading import ImageReading
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import CENTRE, Framing, TrainConfig
from visionft.training.evaluation.stored import Evaluation
from visionft.training.evaluation.trained_run import train_and_evaluate
from visionft.training.evaluation.unseen import unseen_evaluation
from visionft.training.framing_choice import (
    FRAMING_FILE,
    FramingChoice,
    forget_measured,
    is_due,
    measure_framing,
    networks_to_try,
    read_framing,
    resolved_framing,
)
from visionft.training.runs.run_folder import read_run


@pytest.fixture(scope="module")
def borders(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return wide noisy images, whose class is a mark at the left border, outside the centre square."""
    folder, random, images = tmp_path_factory.mktemp("borders"), np.random.default_rng(0), []
    for number in range(60):
        label = number % 2
        pixels = random.integers(90, 160, (60, 150, 3), np.uint8)
        pixels[10:50, :30] = (230, 230, 230) if label else (20, 20, 20)
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        split = "train" if number < 40 else "val" if number < 50 else "test"
        images.append(SnapshotImage(number + 1, path, sha256_file(path), (label,), split))
    return Snapshot("single", ("dark", "light"), tuple(images))


def quick(images: Snapshot):
    config = preset_config("quick", Circumstances.of(images, device="cpu"), backbone="starter_resnet")
    return dataclasses.replace(config, device="cpu", workers=0)


@pytest.mark.slow
def test_a_run_sees_what_was_measured_best(borders: Snapshot, tmp_path: Path) -> None:
    events = []
    run = train_and_evaluate(quick(borders), borders, tmp_path / "runs" / "001-a", job=JobContext(events.append))
    assert run == read_run(run.path) and run.path.parent == tmp_path / "runs"  # what is handed on is what was written
    unseen = unseen_evaluation(run)
    assert isinstance(unseen, Evaluation)
    stored = unseen_evaluation(run)
    assert stored is not None
    assert dataclasses.asdict(stored) == dataclasses.asdict(stored) | dataclasses.asdict(unseen)
    choice, kept = read_framing(tmp_path, borders), run.config
    assert choice is not None and choice.framing.framing == "whole" and kept.framing == "whole"
    assert run.result.seconds > sum(trial.seconds for trial in choice.trials)  # it took as long as the user waited
    assert (kept.image_size, kept.aspect) == (choice.framing.image_size, choice.framing.aspect) and kept.aspect == 2.5
    assert choice.chosen.accuracy > choice.trials[0].accuracy + 0.2 and choice.images == 50
    assert run.evaluations["test"].top1 >= 0.9
    assert str(round(100 * choice.chosen.accuracy)) in "".join(e.message for e in events if isinstance(e, Notice))
    sorted_images = [event for event in events if isinstance(event, ImagesClassified)]
    assert [event.split for event in sorted_images[:2]] == ["val", "test"]  # the first answer, at the usual framing
    assert [event.split for event in sorted_images[-2:]] == ["val", "test"]
    assert {event.name for event in events if isinstance(event, ResultStored)} == {run.name}
    first, better = sorted_images[2:-2]  # of the first framing, and of the better one
    assert len(first.image_ids) == 50 and first.image_ids == better.image_ids and first.split != better.split
    assert [folder.name for folder in run.path.parent.iterdir()] == [run.name]
    right = sum(map(str.__eq__, better.predicted, better.labels))
    assert right / 50 == choice.chosen.accuracy > sum(map(str.__eq__, first.predicted, first.labels)) / 50
    before = (tmp_path / FRAMING_FILE).read_bytes()
    again = resolved_framing(quick(borders), borders, tmp_path)  # from the file: the labels are the same
    assert Framing.of(again) == choice.framing and (tmp_path / FRAMING_FILE).read_bytes() == before


@pytest.mark.slow
def test_networks_are_tried_as_framings_are(borders: Snapshot, tmp_path: Path) -> None:
    config = dataclasses.replace(quick(borders), try_networks=True)
    networks = networks_to_try(config)
    assert networks[0] == "starter_resnet" and len(networks) > 2
    assert networks_to_try(quick(borders)) == ("starter_resnet",)  # named by the user
    resolved = resolved_framing(config, borders, tmp_path)
    choice = read_framing(tmp_path, borders)
    assert choice is not None and {each.backbone for each in choice.trials} == set(networks)
    assert resolved.backbone == choice.backbone == choice.chosen.backbone and not resolved.try_networks
    assert {each.framing for each in choice.trials if each.backbone != choice.backbone} == {CENTRE}  # one look each
    assert not is_due(choice, borders, config)
    assert resolved_framing(quick(borders), borders, tmp_path).backbone == "starter_resnet"

    earlier = dataclasses.asdict(choice)
    for trial in earlier["trials"]:
        del trial["backbone"]
    (tmp_path / FRAMING_FILE).write_text(json.dumps(earlier))  # an earlier version tried one network
    found = read_framing(tmp_path, borders)
    assert found is not None and {each.backbone for each in found.trials} == {choice.backbone}
    assert is_due(found, borders, config) and not is_due(found, borders, quick(borders)) and not is_due(found, borders)

    for stranger in ("timm/resnet34", "dinov2_base"):  # a copied project neither fetches nor names what is not here
        assert dataclasses.replace(choice, backbone=stranger).applied(config).backbone == "starter_resnet"


@pytest.mark.slow
def test_it_is_measured_again_when_the_labels_have_doubled(borders: Snapshot, tmp_path: Path) -> None:
    few = dataclasses.replace(borders, images=(*borders.images[:24], *borders.images[40:46]))
    found = measure_framing(tmp_path, few, quick(few))
    assert found.labelled == 30 and not is_due(found, few) and is_due(found, borders)
    own = FramingChoice(framing=Framing(framing="region", region="0,0,0.2,1", image_size=64))
    chosen = dataclasses.replace(borders, framing=json.dumps(dataclasses.asdict(own.framing)))
    assert read_framing(tmp_path, chosen) == own and own.is_own and not is_due(own, borders)
    config = resolved_framing(quick(borders), chosen, tmp_path)
    assert config.region == own.framing.region and config.input_size == 64
    assert Framing(image_size=320).applied(TrainConfig(backbone="dinov2_small")).input_size == 322
    assert resolved_framing(dataclasses.replace(config, framing="centre"), borders, tmp_path).framing == "centre"
    assert read_framing(tmp_path, borders) == found
    windowed = dataclasses.replace(few, image_reading=ImageReading(window="0,100"))
    assert is_due(found, windowed) and not is_due(dataclasses.replace(found, image_reading=None), windowed)
    forget_measured(tmp_path)
    assert read_framing(tmp_path, borders) is None


@pytest.mark.parametrize("framing", ["5", "{", '{"image_size": "large"}', f'{{"aspect": {10**400}}}'])
def test_a_damaged_choice_is_told_to_who_trains(borders: Snapshot, tmp_path: Path, framing: str) -> None:
    few = dataclasses.replace(borders, images=(*borders.images[:8], *borders.images[40:44]), framing=framing)
    said = list[object]()
    assert resolved_framing(quick(few), few, tmp_path, job=JobContext(said.append)).framing == "centre"
    assert [each.level for each in said if isinstance(each, Notice)] == ["warning"]


def test_what_cannot_be_measured_keeps_the_centre_square(borders: Snapshot, tmp_path: Path, stop_after) -> None:
    few = dataclasses.replace(borders, images=(*borders.images[:8], *borders.images[40:44]))
    assert resolved_framing(quick(few), few, tmp_path).framing == "centre" and read_framing(tmp_path, few) is None
    with pytest.raises(ConfigError):
        measure_framing(tmp_path, dataclasses.replace(borders, images=()), quick(borders))
    with pytest.raises(JobCancelled):
        measure_framing(tmp_path, borders, quick(borders), job=JobContext(cancelled=stop_after(1)))
    stopped = JobContext(cancelled=stop_after(1))
    run = train_and_evaluate(quick(borders), borders, tmp_path / "runs" / "001-a", job=stopped)
    assert run.result.stopped and not (tmp_path / "runs").exists() and read_framing(tmp_path, borders) is None
    (tmp_path / FRAMING_FILE).write_text("{")
    assert read_framing(tmp_path, borders) is None
