"""Out-of-distribution images: the exported file's score, its threshold, and the cases without one."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from visionft.core.errors import ExportError
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.export import prepared
from visionft.export.distance import Distance, draw_border, with_outputs
from visionft.export.export_result import read_export
from visionft.export.exporter import export_run
from visionft.export.prediction_table import csv_text
from visionft.export.predictor import Predictor


@pytest.fixture(scope="module")
def exported(export_of) -> Path:
    """Return the folder of an export."""
    return export_of("test_resnet", "linear").model.parent


@pytest.mark.parametrize(("trained", "validated"), [(200, 250), (100, 25)])
def test_the_border_passes_its_share_of_new_images_of_the_same_kind(trained: int, validated: int) -> None:
    generator = torch.Generator().manual_seed(1)
    draw = lambda count: torch.randn(count, 80, generator=generator) @ torch.linspace(0.1, 2, 80).diag()  # noqa: E731
    alarms = []
    for _ in range(12):
        train = draw(trained)
        fitted = Distance(train, (80,))
        border = draw_border(fitted, train, draw(validated), is_frozen=True)
        alarms.append(float((fitted(draw(1000)) > 1).float().mean()))
    low, high = border.false_alarms
    assert 0.03 < np.mean(alarms) < 0.065 and low < 0.03 and high > 0.065


@pytest.mark.slow
def test_the_file_says_where_its_border_came_from(exported: Path, snapshot: Snapshot) -> None:
    predictor = Predictor(exported)
    assert predictor.border is not None and predictor.border == read_export(exported).border
    assert (predictor.border.kind, predictor.border.split) == ("mahalanobis", "train")  # 9 images validate
    assert predictor.border.images == 9 + len(snapshot.labelled("train"))
    answers = list(predictor.predict([image.path for image in snapshot.labelled("test")]))
    assert all(answer.distance is not None and answer.distance > 0 for answer in answers)


def test_noise_is_unlike_and_every_reader_says_so(exported: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    own = snapshot.labelled("test")[0].path
    noise, like = Predictor(exported).predict([tmp_path / "noise.png", own])
    assert noise.is_unlike and not like.is_unlike
    lines = csv_text([noise, like]).splitlines()
    assert lines[0].split(",")[3:5] == ["distance", "unlike"]
    assert [line.split(",")[4] for line in lines[1:]] == ["true", "false"]
    command = [sys.executable, str(exported / "predict.py"), str(tmp_path / "noise.png"), str(own)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.count("(unlike") == 1


def test_a_file_of_an_earlier_version_makes_no_statement(exported: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    model = onnx.load(exported / "model.onnx")
    (place,) = [index for index, each in enumerate(model.metadata_props) if each.key == "distance_output"]
    del model.metadata_props[place]
    onnx.save(model, tmp_path / "model.onnx")
    predictor = Predictor(tmp_path / "model.onnx")
    (answer,) = predictor.predict([snapshot.images[0].path])
    assert predictor.border is None and answer.distance is None and not answer.is_unlike
    assert csv_text([answer]).splitlines()[1].split(",")[3:5] == ["", ""]


@pytest.mark.slow
def test_a_distance_that_differs_from_pytorch_fails_the_export(run_of, snapshot, tmp_path: Path, monkeypatch) -> None:
    def moved(part, distance, *, embeds):
        other = copy.deepcopy(distance)
        other.border.mul_(1.2)
        return with_outputs(part, other, embeds=embeds)

    monkeypatch.setattr(prepared, "with_outputs", moved)
    with pytest.raises(ExportError) as caught:
        export_run(run_of("test_resnet", "linear"), snapshot, tmp_path / "out")
    told = cast(Message, caught.value.message).values
    assert float(told["max_distance_diff"]) > 0.01 > float(told["max_abs_diff"])
    assert not list(tmp_path.iterdir())
