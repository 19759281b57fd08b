"""Choice of an export's model file: the offered files, their differences in words, and use of the chosen one."""

import dataclasses
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from gui.predict.model_choice import ModelChoice
from visionft.export.contents import list_contents


@pytest.fixture
def folder(tmp_path, write_model, int8_variant) -> Path:
    """Return an export with two smaller files and their entries in its record."""
    folder = tmp_path / "project" / "exports" / "001-run"
    for name in ("model.onnx", "model_fp16.onnx", "model_int8.onnx"):
        write_model(folder / name)
    size = (folder / "model_int8.onnx").stat().st_size
    int8 = dataclasses.replace(int8_variant, bytes=size, reference_bytes=4 * size)
    fp16 = dataclasses.replace(
        int8,
        precision="fp16",
        file="model_fp16.onnx",
        reference_bytes=2 * size,
        bits=16,
        speed=dataclasses.replace(int8.speed, times_faster=0.8),
        answers=dataclasses.replace(int8.answers, top1=0.897, flips=0),
    )
    files = list_contents(folder)
    hashes = {"sha256": files["model.onnx"]["sha256"], "files": files}
    record = {"parity": {}, "variants": [asdict(fp16), asdict(int8)], **hashes}
    (folder / "export.json").write_text(json.dumps(record))
    return folder


def test_the_user_chooses_which_file_answers(qtbot, window, folder, images):
    window.show_page("try")
    page = window.page("try")
    page.take_model(folder / "model.onnx")
    box = page.choice.file_box
    assert box.isVisible()
    assert all(name in box.itemText(place) for place, name in enumerate(("fp32", "fp16", "int8")))
    page.classify([images / "red" / "red_000.png"])
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=20_000)
    asked = []
    window.state.jobs.added.connect(lambda handle: asked.append(handle.work.args[0]))
    box.setCurrentIndex(2)
    box.activated.emit(2)
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=20_000)
    assert asked == [page.model()] == [folder / "model_int8.onnx"] and page.predictions[0].class_name == "red"


def test_a_file_from_elsewhere_comes_with_those_beside_it_and_stays(qtbot, folder, tmp_path, write_model):
    choice = ModelChoice()
    qtbot.addWidget(choice)
    choice.take(folder / "model_int8.onnx")
    assert choice.model() == folder / "model_int8.onnx" and choice.file_box.count() == 3
    alone = write_model(tmp_path / "elsewhere" / "model_int8.onnx")
    choice.take(alone)
    assert choice.model() == alone and choice.model_box.currentText().split() == ["elsewhere", "·", "model_int8"]
    assert choice.file_box.isHidden() and not choice.file_box.toolTip()
    choice.offer([folder / "model.onnx"])
    assert choice.model() == alone and choice.model_box.count() == 2
    alone.unlink()
    choice.offer([])
    assert choice.model() == folder / "model.onnx" and choice.model_box.count() == 1
