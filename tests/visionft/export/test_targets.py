"""Each target can be exported, names what exists, and takes a smaller file only where its accuracy is sure enough."""

import dataclasses
import json
from pathlib import Path

import pytest

from visionft.core.errors import ExportError
from visionft.core.files import sha256_file
from visionft.export import sample_programs
from visionft.export.contents import MODEL_FILE, list_contents
from visionft.export.export_result import (
    MAX_POSSIBLE_LOSS,
    ExportResult,
    Latency,
    Parity,
    Variant,
    VariantAgreement,
    read_export,
    read_variants,
)
from visionft.export.options import TARGETS, ExportOptions, is_made_with
from visionft.export.sample_programs import RUNTIME_FILES, SAMPLES, runtime_files, sample_files, write_runtime
from visionft.export.verifying import verify_export

ANSWERS = VariantAgreement(
    images=400,
    top1=0.9,
    reference_top1=0.9,
    difference=(-0.01, 0.01),
    flips=1,
    ece=0,
    reference_ece=0,
    max_abs_diff=0.1,
    max_distance_diff=0,
)
INT8 = Variant(
    precision="int8",
    file="model_int8.onnx",
    bytes=24,
    reference_bytes=94,
    sha256="",
    answers=ANSWERS,
    temperature=1,
    bits=7,
    verdict="not_faster",
)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_target_has_options_that_exist_and_a_program_or_a_note(target):
    options = ExportOptions.for_target(target.name)
    assert options.target == target.name and options.opset == target.opset
    assert target.note or target.sample in {each.name for each in SAMPLES}


def test_single_choices_take_the_place_of_those_of_the_target():
    assert ExportOptions.for_target("web").artefacts == ("int8", "web-runtime")
    changed = ExportOptions.for_target("web", int8=False, fixed_size=True, huggingface=None, opset=22)
    assert changed.artefacts == ("fixed-size", "web-runtime") and changed.opset == 22 and changed.target == "web"


def test_an_export_is_made_with_the_options_of_its_target():
    latency = Latency(median_ms=1, p95_ms=1, runs=60, provider="CPUExecutionProvider", width=1, height=1)
    parity = Parity(images=1, max_abs_diff=0, top1_agreement=1, batches=(1,))
    found = ExportResult(
        model=Path(MODEL_FILE),
        bytes=1,
        sha256="",
        temperature=1,
        opset=20,
        parity=parity,
        latency=latency,
        target="web",
        artefacts=("int8", "web-runtime"),
    )
    assert is_made_with(found, ExportOptions.for_target("web"))  # also where a file was left out with a reason
    assert not is_made_with(found, ExportOptions.for_target("phone"))


def test_variants_of_version_0_2_are_read_without_what_is_gone(tmp_path):
    (tmp_path / INT8.file).write_bytes(b"x" * INT8.bytes)
    row = {**dataclasses.asdict(INT8), "in_float": ["layer1.0.conv1"], "learned_from": 0}
    small = {**row, "precision": "distilled", "file": "model_small.onnx"}
    assert read_variants({"variants": [row, small]}, tmp_path) == (INT8,)


def test_an_export_of_version_0_2_for_pytorch_is_read(tmp_path, write_model):
    model = write_model(tmp_path / MODEL_FILE)
    (tmp_path / "model.pt2").write_bytes(b"x")
    parity = {"images": 3, "max_abs_diff": 0.0, "top1_agreement": 1.0, "batches": [1]}
    record = {
        "bytes": model.stat().st_size,
        "sha256": sha256_file(model),
        "temperature": 1.0,
        "opset": 20,
        "parity": parity,
        "pytorch": parity,
        "latency": {
            "median_ms": 1,
            "p95_ms": 1,
            "runs": 9,
            "provider": "CPUExecutionProvider",
            "width": 1,
            "height": 1,
        },
        "samples": {"python": {"agrees": True}, "pytorch": {"agrees": True}},
        "files": list_contents(tmp_path),
        "target": "python",
        "artefacts": ["pytorch", "huggingface"],
    }
    (tmp_path / "export.json").write_text(json.dumps(record))
    found = read_export(tmp_path)
    assert found is not None and "model.pt2" in found.files and not verify_export(tmp_path).faults
    assert is_made_with(found, ExportOptions.for_target("python"))


@pytest.mark.parametrize(
    ("verdict", "loss", "small", "fast"),
    [
        ("recommended", 0.01, "model_int8.onnx", "model_int8.onnx"),
        ("not_faster", 0.01, "model_int8.onnx", MODEL_FILE),
        ("not_faster", MAX_POSSIBLE_LOSS + 0.01, MODEL_FILE, MODEL_FILE),
        ("too_few", MAX_POSSIBLE_LOSS + 0.01, MODEL_FILE, MODEL_FILE),
        ("wrong", 0.01, MODEL_FILE, MODEL_FILE),
    ],
)
def test_a_small_file_is_used_only_where_it_is_as_accurate(verdict, loss, small, fast):
    answers = dataclasses.replace(ANSWERS, difference=(-loss, 0.01))
    variants = [dataclasses.replace(INT8, verdict=verdict, answers=answers)]
    files = {name: target.file(variants) for name, target in TARGETS.items()}
    assert files["web"] == files["phone"] == small and files["server"] == fast
    assert files["desktop"] == files["python"] == MODEL_FILE


def test_the_page_has_its_runtime_beside_it_or_needs_npm(tmp_path, monkeypatch):
    page = next(each for each in SAMPLES if each.name == "web")
    monkeypatch.setattr(sample_programs, "ROOT", tmp_path)
    with pytest.raises(ExportError):
        write_runtime(tmp_path)
    assert not runtime_files() and page.start(files=runtime_files()).startswith("npm ")
    (tmp_path / "web_runtime").mkdir()
    for name in RUNTIME_FILES:
        (tmp_path / "web_runtime" / name).write_bytes(b"runtime")
    write_runtime(tmp_path)
    assert all((tmp_path / name).is_file() for name in runtime_files())
    assert "npm" not in page.start(files=runtime_files())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: each.name)
def test_a_program_starts_with_files_of_the_export(sample):
    plain, other = sample.start(), sample.start("model_int8.onnx")
    assert "{" not in plain + other and "model_int8" not in plain
    assert "model_int8.onnx" in other
    known = sample_files()
    for word in plain.split():
        if word.startswith(("samples/", "predict.py")):
            assert any(each.startswith(word) or word.startswith(each.rsplit(".", 1)[0]) for each in known), word
