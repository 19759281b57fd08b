"""The preset of a project: the facts that count, and one result for every caller."""

from dataclasses import replace

import pytest

from visionft.analysis import advice
from visionft.cli.demo import EPOCHS, FRAMING, demo_config
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config.train_config import Framing
from visionft.training.run_settings import preset_of_project, project_circumstances, run_settings


@pytest.fixture
def images(tmp_path) -> Snapshot:
    """Return 400 images of two classes, 300 of them for training."""
    images = [
        SnapshotImage(n, tmp_path / f"{n}.jpg", str(n), (n % 2,), "train" if n % 4 else "val") for n in range(400)
    ]
    return Snapshot("single", ("a", "b"), tuple(images))


def test_the_framing_of_the_project_counts(images, tmp_path):
    before = preset_of_project("balanced", images, tmp_path, backbone="starter_resnet", device="cpu")
    images = replace(images, framing='{"image_size": 320}')
    after = preset_of_project("balanced", images, tmp_path, backbone="starter_resnet", device="cpu")
    assert project_circumstances(images, tmp_path, device="cpu").framing == Framing(image_size=320)
    assert after.epochs < before.epochs  # each image costs more: the same budget shows fewer
    assert advice.preset_of_project is preset_of_project


@pytest.mark.parametrize("preset", ["quick", "balanced", "best"])
def test_the_command_line_and_the_demonstration_take_the_same_settings(images, tmp_path, preset):
    expected = preset_of_project(preset, images, tmp_path, device="cpu")
    assert run_settings(images, tmp_path, {"device": "cpu"}, preset=preset) == expected
    for named in ({"backbone": "hybrid_vit"}, {}):
        given = run_settings(images, tmp_path, named, () if named else ["backbone=hybrid_vit"], preset=preset)
        assert given.backbone == "hybrid_vit" and not given.try_networks  # no other one is tried
    own = demo_config(images, tmp_path)
    if preset == "balanced":
        same = preset_of_project(preset, images, tmp_path, backbone=own.backbone)
        assert own == replace(same, framing=FRAMING, epochs=EPOCHS)


def test_a_preset_for_another_computer_suits_its_device(images, tmp_path):
    here = preset_of_project("balanced", images, tmp_path, backbone="starter_resnet", device="cpu")
    there = preset_of_project("balanced", images, tmp_path, backbone="starter_resnet", device="cpu", trains_on="cuda")
    assert there.epochs >= here.epochs and there.device == "cpu"
