"""Projects of schema 7 kept how their images are read and framed in files; they open with the same choices."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.image_window import Histogram, WindowChoice
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import Framing
from visionft.training.framing_choice import FramingChoice, FramingTrial, read_framing

FIXTURE = Path(__file__).parents[2] / "fixtures" / "project_v7.db"
WINDOW = WindowChoice(
    reading=ImageReading(window="400,1300", plane="max"),
    images=3,
    planes=5,
    histograms=(Histogram(low=400.0, high=1300.0, counts=(1, 2, 3)),),
)
OWN = {"framing": {"image_size": 320, "framing": "whole", "aspect": 0.0, "region": ""}, "trials": []}
TRIAL = FramingTrial(
    framing=Framing(framing="whole"),
    shape=(224, 224),
    accuracy=0.9,
    seconds=2.0,
    milliseconds=3.0,
    backbone="starter_vit",
)
MEASURED = FramingChoice(framing=TRIAL.framing, backbone="starter_vit", trials=(TRIAL,), images=40, labelled=40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    shutil.copy(FIXTURE, tmp_path / "project" / "project.db")
    return tmp_path / "project"


def test_the_choices_of_an_older_project_are_those_of_its_files(folder: Path) -> None:
    (folder / "window.json").write_text(json.dumps(asdict(WINDOW)))
    (folder / "framing.json").write_text(json.dumps(OWN | {"backbone": "", "images": 0, "labelled": 0}))
    for is_read_only in (True, False, False):
        with ProjectStore.open(folder, read_only=is_read_only) as project:
            assert project.window == WINDOW and not project.notices
            own = read_framing(folder, project.snapshot())
            assert own == FramingChoice(framing=Framing(**OWN["framing"])) and own.is_own
    (folder / "window.json").write_text("{}")  # read once: the database has it now
    with ProjectStore.open(folder) as project:
        assert project.window == WINDOW and not project.notices
        steps = len(project.history())
        project.apply(ChooseWindow(None))
        assert len(project.history()) == steps  # in place of the step that was undone
        project.undo()
        assert project.window == WINDOW


WRONG = ("", "{", "[]", "5", "null", '{"reading": 5}', '{"reading": {"window": "9,1"}}', "[" * 5000)
WRONG += (json.dumps(asdict(WINDOW) | {"histograms": [{"low": float("nan"), "high": 1.0, "counts": [1]}]}),)
WRONG += (json.dumps(asdict(WINDOW) | {"histograms": 3}), json.dumps(asdict(WINDOW) | {"planes": "many"}))


@pytest.mark.parametrize("content", WRONG)
def test_a_damaged_window_is_told_until_it_is_chosen_again(folder: Path, content: str) -> None:
    (folder / "window.json").write_text(content)
    for is_read_only in (True, False, False):
        with ProjectStore.open(folder, read_only=is_read_only) as project:
            assert len(project.notices) == 1 and project.image_reading == AS_STORED
    with ProjectStore.open(folder) as project:
        project.apply(ChooseWindow(WINDOW))
    with ProjectStore.open(folder) as project:
        assert not project.notices and project.window == WINDOW


@pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
def test_nothing_outside_comes_in_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a private key")
    for name in ("window.json", "framing.json"):
        (folder / name).symlink_to(tmp_path / "key")
    with ProjectStore.open(folder) as project:
        assert project.notices
    assert b"private" not in (folder / "project.db").read_bytes()
