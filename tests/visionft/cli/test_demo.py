"""The demonstration: the program's own settings and functions, and its output equals the measurement."""

import re
import sys

import pytest

from models.catalog import DEFAULT_BACKBONE
from visionft.cli import demo, main
from visionft.cli.demo import demo_config, run_demo
from visionft.core.errors import VisionFTError
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig


def images_of(tmp_path, count: int) -> Snapshot:
    images = [SnapshotImage(n, tmp_path / f"{n}.jpg", str(n), (n % 2,), "train") for n in range(count)]
    return Snapshot("single", ("a", "b"), tuple(images))


def test_it_trains_the_default_network_as_balanced_does(tmp_path):
    images = images_of(tmp_path, 280)
    config = demo_config(images, tmp_path)
    assert config.backbone == DEFAULT_BACKBONE and config.epochs == demo.EPOCHS
    assert config.method == preset_config("balanced", Circumstances.of(images, device="cpu")).method


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(VisionFTError, match=str(tmp_path)):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_the_whole_path_is_taken_and_the_figures_printed_agree(tmp_path, monkeypatch, capsys):
    tiny = TrainConfig(backbone="test_resnet", weights="random", image_size=32, epochs=1, augmentation="none")
    monkeypatch.setattr(demo, "demo_config", lambda *_: tiny)
    monkeypatch.setattr(sys, "argv", ["visionft", "demo", "--out", str(tmp_path / "out")])
    assert main() == 0
    said = capsys.readouterr().out
    share, low, high = map(
        float, re.search(r"on 60 test .* top-1 (.*)% \(95 % interval (.*)% to (.*)%\)", said).groups()
    )
    right, alike = map(int, re.search(r"60 test images, (\d+) right; the class is PyTorch's for (\d+)", said).groups())
    # The run was evaluated on images decoded near its input size: predictions of 20 % each may differ otherwise.
    assert low < share < high and alike >= 59
    assert right / 60 == pytest.approx(share / 100, abs=(60 - alike) / 60 + 0.001)
    assert (tmp_path / "out" / "export" / "model.onnx").is_file()
