"""Files beside an exported model: its verification, and the folders for timm and PEFT."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import ExifTags, Image

from visionft.core.errors import ExportError
from visionft.data.types import Snapshot
from visionft.export.contents import READY_FOLDER, file_entry, files_in, read_record, write_record
from visionft.export.export_result import SampleRun
from visionft.export.exporter import export_run
from visionft.export.network_folders import plain_network, write_timm_folder
from visionft.export.options import ExportOptions
from visionft.export.predictor import Predictor
from visionft.export.sample_programs import require_agreement
from visionft.export.verifying import files_to_send, synthetic_images, verify_export
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_run_model

WHOLE = ExportOptions.for_target(huggingface=True)


@pytest.fixture(scope="module")
def made(run_of, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a whole export of a LoRA run; tests copy it before damaging it."""
    return export_run(
        run_of("test_resnet", "lora"), snapshot, tmp_path_factory.mktemp("bundle") / "out", options=WHOLE
    ).model.parent


@pytest.fixture
def spoilt(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


@pytest.mark.slow
def test_everything_is_listed_and_described(made: Path) -> None:
    record = json.loads((made / "export.json").read_text())
    assert sorted(record["files"]) == [name for name in files_in(made) if name != "export.json"]
    assert {"README.md", "huggingface/model.safetensors", "adapter/adapter_model.safetensors"} <= set(record["files"])
    card = (made / "README.md").read_text(encoding="utf-8")
    assert "local-dir:huggingface" in card and "adapter/adapter_config.json" in card
    assert record["metrics"]["val"]["images"] == 9 and record["data"]["images"]["val"] == 9
    printed = record["samples"]["python"]["output"]
    assert printed.startswith("image1.") and "%  " in printed and printed.splitlines()[0] in card
    about = json.loads((made / "adapter" / "adapter_config.json").read_text())["auto_mapping"]
    assert about["class_names"] == ["blue", "green", "red"]
    assert set(about["base_weights"]) == {"file", "sha256", "origin", "revision", "licence"}
    spread = record["reference_spread"]  # without graph optimisation
    assert set(spread) == {"model.onnx"} and 0 <= spread["model.onnx"] < 1e-4
    assert str(Path.home()) not in json.dumps(record) and "/tmp" not in json.dumps(record)


def test_the_program_on_the_card_turns_images_upright(spoilt: Path, monkeypatch, capsys) -> None:
    image, exif = Image.fromarray(synthetic_images()[1]), Image.Exif()
    image.save(spoilt / "level.png")
    exif[ExifTags.Base.Orientation] = 6  # the camera was held on its side
    image.save(spoilt / "image.jpg", format="PNG", exif=exif)
    level, said = Predictor(spoilt, device="cpu").predict([spoilt / "level.png", spoilt / "image.jpg"])
    assert abs(level.probability - said.probability) > 1e-3
    monkeypatch.chdir(spoilt)
    exec((spoilt / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0], {})
    name, probability = capsys.readouterr().out.split()
    assert name == said.class_name and float(probability) == pytest.approx(said.probability, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora", "linear"])
@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "efficientnet_lite2_in1k"])
def test_timm_loads_the_same_network(backbone: str, method: str, run_of, trained, snapshot, tmp_path: Path) -> None:
    run_dir = run_of(backbone, method)
    if method == "linear":
        last = {"backbone": backbone, "method": method, "linear.layers": "last"}
        run_dir = trained(snapshot, tmp_path / "001-run", **last)
    answerer = load_run_model(read_run(run_dir))
    write_timm_folder(tmp_path, plain_network(answerer), answerer.strongest, {"temperature": "1.0"})
    model = timm.create_model(f"local-dir:{tmp_path / 'huggingface'}", pretrained=True).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images), answerer.strongest.classifier.eval()(images), atol=1e-4, rtol=1e-4)
    assert model.pretrained_cfg["label_names"] == ["blue", "green", "red"]
    data = timm.data.resolve_data_config(model=model)
    assert tuple(data["mean"]) == tuple(answerer.strongest.preprocessing.mean)
    assert tuple(data["input_size"]) == (3, 64, 64)


@pytest.mark.parametrize("is_relative", [False, True])
def test_an_export_that_was_copied_is_whole(is_relative: bool, spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spoilt.parent)
    found = verify_export(Path(spoilt.name) if is_relative else spoilt)
    assert found.is_whole and not found.why_not_run and found.checked == len(files_in(spoilt)) - 1 and not found.foreign
    (answer,) = found.answers
    assert answer.name == "model.onnx" and answer.max_abs_diff is not None and answer.max_abs_diff <= 1e-6


def test_a_changed_byte_a_missing_and_a_foreign_file_are_named(spoilt: Path) -> None:
    weights = spoilt / "huggingface" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (spoilt / "labels.txt").unlink()
    (spoilt / "mine.txt").write_text("mine")
    found = verify_export(spoilt)
    faults = {"huggingface/model.safetensors": "changed", "labels.txt": "missing"}
    assert {each.name: each.fault for each in found.faults} == faults
    assert found.foreign == ("mine.txt",) and not found.is_whole
    with pytest.raises(ExportError, match=weights.name):
        files_to_send(spoilt)
    model = spoilt / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 0xFF
    model.write_bytes(content)
    assert not verify_export(spoilt).answers  # never run


def test_a_script_that_others_wrote_is_never_run(spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "predict.py").write_text(f"open({str(tmp_path / 'proof')!r}, 'w')")
    record = read_record(spoilt)
    assert record is not None
    record["files"]["predict.py"] = file_entry(spoilt / "predict.py")
    write_record(spoilt, record)
    assert verify_export(spoilt).why_not_run and not (tmp_path / "proof").exists()


def test_what_was_fetched_from_the_hub_is_whole(made: Path, tmp_path: Path) -> None:
    for each in files_to_send(made):
        (tmp_path / each.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(each.path, tmp_path / each.name)
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    (tmp_path / ".cache" / "huggingface" / "model.onnx.metadata").write_text("of its client")
    found = verify_export(tmp_path)
    assert found.is_whole and not found.foreign and found.checked == len(files_to_send(made)) - 1
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert [each.name for each in verify_export(tmp_path).faults] == ["model.safetensors"]


def test_a_folder_without_an_export_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        verify_export(tmp_path)
    (tmp_path / "export.json").write_text('{"parity"')
    with pytest.raises(ExportError, match=str(tmp_path / "export.json")):
        verify_export(tmp_path)


def test_a_damaged_record_is_told_and_not_sent(spoilt: Path) -> None:
    assert verify_export(spoilt).is_whole
    path = spoilt / "export.json"
    path.write_text(path.read_text().replace('"opset": 20', '"opset": 21', 1))
    found = verify_export(spoilt)
    assert [(each.name, each.fault) for each in found.faults] == [("export.json", "changed")] and not found.is_whole
    with pytest.raises(ExportError, match=r"export\.json"):
        files_to_send(spoilt)


def test_records_of_earlier_versions_are_read(spoilt: Path) -> None:
    record = json.loads((spoilt / "export.json").read_text())
    for names in (("sha256", "bytes", "parity"), ("sha256", "parity")):
        (spoilt / "export.json").write_text(json.dumps({name: record[name] for name in names}))
        found = verify_export(spoilt)
        assert found.is_whole and found.checked == 1
        assert Predictor(spoilt / "model.onnx").class_names
    del record["record_sha256"], record["reference"], record["reference_spread"]
    without = {name: {**entry, "sha256": ""} for name, entry in record["files"].items()}
    (spoilt / "export.json").write_text(json.dumps(record | {"files": without, "pictures": 5}))
    assert verify_export(spoilt).is_whole and files_to_send(spoilt)
    model = spoilt / "model.onnx"
    (spoilt / "export.json").write_text(json.dumps({name: record[name] for name in ("sha256", "parity")}))
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(ExportError):
        Predictor(model)


def test_the_synthetic_images_are_the_same_bytes_everywhere() -> None:
    shapes = [pixels.shape for pixels in synthetic_images()]
    assert len(set(shapes)) == len(shapes) >= 4 and all(pixels.dtype == np.uint8 for pixels in synthetic_images())
    assert [int(each.astype(np.int64).sum()) for each in synthetic_images()] == [1146496, 8776104, 224790328, 4287546]


def test_a_script_that_answers_otherwise_refuses_the_export() -> None:
    require_agreement([SampleRun(name="python", why_not="no Python"), SampleRun(name="node", agrees=False)])
    with pytest.raises(ExportError):
        require_agreement([SampleRun(name="python", models=("model.onnx",), output="x", agrees=False)])
    smaller = SampleRun(name="python", models=("model_int8.onnx",), output="x", agrees=False)
    require_agreement([smaller])  # according to the record


def test_what_is_sent_lies_where_the_hub_looks_for_it(spoilt: Path) -> None:
    (spoilt / "secret.txt").write_text("mine")
    names = {each.name: each.path.relative_to(spoilt).as_posix() for each in files_to_send(spoilt)}
    assert names["config.json"] == "huggingface/config.json" and names["README.md"] == "README.md"
    assert names["adapter/adapter_config.json"] == "adapter/adapter_config.json" and "secret.txt" not in names
    assert "export.json" in names
    shutil.rmtree(spoilt / "huggingface")
    with pytest.raises(ExportError, match="huggingface"):
        files_to_send(spoilt)


def test_what_a_killed_export_left_is_put_in_place_before_it_is_sent(made: Path, spoilt: Path) -> None:
    (spoilt / READY_FOLDER).mkdir()
    for name in ("labels.txt", "export.json"):  # the outputs after the model's own
        (spoilt / name).rename(spoilt / READY_FOLDER / name)
    assert [each.name for each in files_to_send(spoilt)] == [each.name for each in files_to_send(made)]
