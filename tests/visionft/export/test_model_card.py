"""The model card: true to its record, and no text of others becomes markup."""

import re

import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import BACKBONES
from visionft.export.model_card import escaped, front_matter, model_card
from visionft.export.record import licence_expression

EVIL = 'a | b](http://x.y) <img src=x onerror=alert(1)> `c` **d** @all #1 www.z.org\n---\nlicense: mit\n"e'
FILES = {name: {"bytes": 1000, "sha256": "0" * 64} for name in ("model.onnx", "labels.txt", "predict.py")}


def record(name: str = "blue", **changes):
    figures = {
        "images": 9,
        "unreadable": 0,
        "top1": 8 / 9,
        "top1_interval": [0.565, 0.98],
        "balanced_accuracy": 0.9,
        "ece": 0.05,
        "ece_before": 0.1,
        "classes": {
            each: {"images": 3, "recall": 0.67, "recall_interval": [0.21, 0.94], "precision": 1.0, "f1": 0.8}
            for each in (name, "green")
        },
        "confused": [{"true": name, "said": "green", "images": 1}],
    }
    honest = {"split": "test", "images": 9, "leaked": 3, "without": 5 / 6, "without_interval": [0.44, 0.97]}
    return {
        "title": "001-run",
        "run": "001-run",
        "backbone": "resnet18",
        "method": "lora",
        "method_title": "LoRA",
        "task": "single",
        "license": "Apache-2.0",
        "class_names": [name, "green"],
        "visionft": "0.1",
        "network": {"architecture": "resnet18", "model_args": {}},
        "preprocessing": {"size": 64, "width": 64, "height": 64},
        "weights": {
            "source": "pretrained",
            "file": "model.safetensors",
            "origin": "timm/resnet18.a1_in1k",
            "revision": "",
            "licence": "Apache-2.0",
            "sha256": "ab",
        },
        "caveats": ["not settled law"],
        "data": {
            "images": {"train": 30, "val": 9, "test": 9},
            "unlabelled": 2,
            "classes": {each: {"train": 15, "val": 3, "test": 3} for each in (name, "green")},
            "labelled_by": {"person": 40, "import": 8, "suggestion": 0},
            "near_duplicates": {"groups": 1, "images": 2, "looked_at": 48},
            "leaks": [honest],
        },
        "metrics": {"val": figures, "test": figures},
        "training": {
            "settings": {
                "epochs": 2,
                "batch_size": 8,
                "learning_rate": 0.0,
                "augmentation": "light",
                "seed": 0,
                "lora": {"rank": 8},
            },
            "epochs": 2,
            "kept_epoch": 1,
            "seconds": 3.0,
            "device": "cpu",
            "precision": "fp32",
            "trainable_parameters": 10,
            "parameters": 100,
        },
        "border": {"kind": "x", "split": "val", "images": 9, "share": 0.95},
        "parity": {"images": 9, "max_abs_diff": 1e-6, "top1_agreement": 1.0},
        "latency": {
            "median_ms": 1.0,
            "p95_ms": 2.0,
            "p99_ms": 3.0,
            "runs": 300,
            "provider": "CPUExecutionProvider",
            "width": 64,
            "height": 64,
        },
        **changes,
    }


def header_of(card: str) -> dict:
    _, header, _ = card.split("---\n", 2)
    return yaml.safe_load(header)


def test_the_header_says_what_the_hub_asks_for() -> None:
    header = header_of(model_card(record(), FILES))
    assert header["license"] == "apache-2.0" and header["pipeline_tag"] == "image-classification"
    assert header["base_model"] == "timm/resnet18.a1_in1k" and header["library_name"] == "onnx"
    (test,) = header["model-index"][0]["results"]  # validation chose the epoch: its accuracy is no result
    assert test["dataset"]["split"] == "test"
    assert test["metrics"] == [{"type": "accuracy", "value": 0.8889}]
    folder = {"huggingface/config.json": {"bytes": 1, "sha256": ""}}
    assert header_of(model_card(record(), FILES | folder))["library_name"] == "timm"


def test_the_catalogue_names_licences_that_spdx_knows_or_that_become_references() -> None:
    for backbone in BACKBONES.values():
        names = licence_expression([backbone.licence]).split(" AND ")
        assert all(re.fullmatch(r"(LicenseRef-)?[A-Za-z0-9.-]+", name) for name in names), backbone.name


def test_the_card_says_what_was_measured_and_what_was_not() -> None:
    card = model_card(record(), FILES)
    leak, cost = "3 of 9 images", "10 of 100 parameters"
    for figure in (
        "**88.9%** | 56.5% to 98.0%",
        leak,
        "**83.3%**",
        "40 by",
        "8 imported",
        "1 group",
        "3.0 ms",
        "not settled law",
        cost,
        "10.00%",
    ):
        assert figure in card, figure
    figures = record()["metrics"]["val"]
    chosen = model_card(record(metrics={"val": figures}), FILES)
    assert "88.9% | 56.5%" in chosen and "**88.9%**" not in chosen and "model-index" not in header_of(chosen)
    held_out = model_card(record(metrics={"val": figures | {"unseen": True}}), FILES)
    assert "**88.9%**" in held_out and "model-index" in header_of(held_out)
    bare = record(metrics={}, border=None, caveats=[], data=record()["data"] | {"leaks": None, "near_duplicates": None})
    card = model_card(bare, FILES)
    assert "%** |" not in card and leak not in card and "1 group" not in card and "not settled law" not in card


def test_variants_are_listed_with_their_loss() -> None:
    answers = {
        "images": 400,
        "top1": 0.9,
        "reference_top1": 0.905,
        "difference": (-0.01, 0.0),
        "flips": 3,
        "ece": 0.02,
        "reference_ece": 0.02,
        "max_abs_diff": 0.1,
        "max_distance_diff": 0.0,
    }
    kept = {
        "precision": "int8",
        "file": "model_int8.onnx",
        "bytes": 11_000_000,
        "answers": answers,
        "speed": {"times_faster": 2.34},
        "verdict": "recommended",
    }
    dropped = kept | {"precision": "fp16", "file": "", "speed": None, "verdict": "wrong"}
    card = model_card(record(bytes=44_000_000, variants=[kept, dropped]), FILES)
    (row,) = [line.split(" | ") for line in card.splitlines() if line.startswith("| `model_int8.onnx`")]
    assert row[1:7] == ["11 MB", "90.0%", "+0.5% (+0.0% to +1.0%)", "3", "0.020", "2.3 x"]
    assert "| fp16 |" in card
    assert "fp16" not in model_card(record(bytes=1), FILES)


def test_names_cannot_become_markup_or_keys() -> None:
    card = model_card(record(EVIL, title=EVIL, run=EVIL, license=EVIL), FILES)
    header = header_of(card)
    assert header["license"] == "other" and header["model-index"][0]["name"].startswith("a | b")
    body = card.split("---\n", 2)[2]
    assert not re.search(r"(?<!\\)<|(?<!\\)\]\(|http://|\nlicense:", body)
    rows = [line for line in body.splitlines() if line.startswith("| a ")]
    assert rows and all(line.replace("\\|", "").count("|") in (4, 5, 6) for line in rows)


@given(st.text())
def test_any_text_stays_one_line_without_markup(text: str) -> None:
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    bare = shown.replace("\\\\", "")
    assert all(bare[place - 1] == "\\" for place, sign in enumerate(bare) if sign in "`*_[]<>&|~$@#:!{}^")


@given(st.text())
def test_any_text_is_the_same_text_or_printable_in_the_header(text: str) -> None:
    header = yaml.safe_load(front_matter(record(run=text, license=text), FILES).strip("-\n"))
    assert set(header) <= {
        "license",
        "license_name",
        "license_link",
        "library_name",
        "pipeline_tag",
        "tags",
        "base_model",
        "metrics",
        "model-index",
    }
