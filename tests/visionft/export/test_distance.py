"""Out-of-distribution images: the exported file's score, its threshold, and the cases without one."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch.nn import functional

from models.messages import Message
from models.methods.layers.joined import Stages
from visionft.data.types import Snapshot
from visionft.errors import ExportError
from visionft.export import distance, exporter
from visionft.export.distance import Distance, draw_border, fit_distance, with_outputs
from visionft.export.export_result import read_export
from visionft.export.exporter import export_run
from visionft.export.prediction_table import csv_text
from visionft.export.predictor import Predictor
from visionft.jobs import SILENT
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_run_model


@pytest.fixture(scope="module")
def exported(export_of) -> Path:
    """Return the folder of an export."""
    return export_of("test_resnet", "linear").model.parent


def test_it_is_the_mahalanobis_distance_of_a_shrunk_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(300, 6, generator=generator) * torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0, 0.1])
    seen = functional.normalize(parts, dim=1)
    mean, covariance = seen.mean(dim=0), seen.T.cov(correction=0)
    shrunk = 0.8 * covariance + 0.2 * covariance.diagonal().mean() * torch.eye(6)
    strange = 5 * torch.randn(20, 6, generator=generator)
    off = functional.normalize(strange, dim=1) - mean
    expected = (off @ shrunk.inverse() * off).sum(dim=1).sqrt()
    torch.testing.assert_close(Distance(parts, (6,))(strange), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [2, 20, 40, 400])
def test_it_is_finite_with_fewer_images_than_features_and_looks_at_directions(count: int) -> None:
    parts = torch.randn(count, 40, generator=torch.Generator().manual_seed(count))
    fitted = Distance(parts, (10, 30))
    strange = torch.linspace(0, 9, 10)[:, None] * torch.ones(40) + parts[0]
    steps = fitted(strange)
    assert steps.isfinite().all() and steps[-1] > steps[0]
    torch.testing.assert_close(fitted(3 * strange), steps, rtol=1e-4, atol=1e-4)  # how much there is does not matter
    assert fitted(torch.zeros(1, 40)).isfinite().all()


def test_only_the_parts_that_tell_are_looked_at() -> None:
    parts = torch.randn(100, 12, generator=torch.Generator().manual_seed(3))
    other = parts.clone()
    other[:, :3], other[:, 7:] = 9.0, -9.0
    fitted = Distance(parts, (3, 4, 5), [1])
    torch.testing.assert_close(fitted(other), fitted(parts))
    torch.testing.assert_close(fitted(parts), Distance(parts[:, 3:7], (4,))(parts[:, 3:7]))


@pytest.mark.parametrize("method", ["linear", "full"])
def test_a_network_that_learned_is_judged_by_an_earlier_stage(method: str, run_of, snapshot: Snapshot) -> None:
    loaded = load_run_model(read_run(run_of("test_resnet", method)))
    fitted = fit_distance(loaded, snapshot, job=SILENT)
    widths = Stages(loaded.classifier.backbone).widths
    assert fitted is not None and len(widths) == 3
    assert len(fitted[0].mean) == (sum(widths) if method == "linear" else widths[-2])


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


def test_images_that_a_network_learned_from_help_only_where_others_are_too_few() -> None:
    generator = torch.Generator().manual_seed(1)
    new, learned = torch.randn(40, 20, generator=generator), 0.1 * torch.randn(300, 20, generator=generator) + 1
    fitted = Distance(learned, (20,))
    border = draw_border(fitted, learned, new, is_frozen=False)
    assert (border.split, border.images) == ("val", 40) and float((fitted(new) > 1).float().mean()) < 0.06
    border = draw_border(fitted, learned, new[:5], is_frozen=False)
    assert border.split == "train" and border.images >= 20


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
def test_of_too_few_images_there_is_no_border(run_of, snapshot: Snapshot, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(distance, "TOO_FEW", 1000)
    result = export_run(run_of("test_resnet", "linear"), snapshot, tmp_path / "out")
    assert result.border is None and result.parity.max_distance_diff == 0
    assert Predictor(tmp_path / "out").border is None
    assert json.loads((tmp_path / "out" / "export.json").read_text())["border"] is None


@pytest.mark.slow
def test_a_distance_that_differs_from_pytorch_fails_the_export(run_of, snapshot, tmp_path: Path, monkeypatch) -> None:
    def moved(part, distance, *, embeds):
        other = copy.deepcopy(distance)
        other.border.mul_(1.2)
        return with_outputs(part, other, embeds=embeds)

    monkeypatch.setattr(exporter, "with_outputs", moved)
    with pytest.raises(ExportError) as caught:
        export_run(run_of("test_resnet", "linear"), snapshot, tmp_path / "out")
    told = cast(Message, caught.value.message).values
    assert float(told["max_distance_diff"]) > 0.01 > float(told["max_abs_diff"])
    assert not list(tmp_path.iterdir())
