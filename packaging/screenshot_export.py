"""The scenes of the export page for the screenshots."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gui.export.card_view import CardDialog
from gui.export.exporting import UploadOffer
from gui.export.publishing import PublishDialog
from gui.tasks import Failure
from models.catalog import get_backbone
from visionft.errors import VisionFTError
from visionft.events import Progress
from visionft.export.bundle.benching import BatchSpeed, Benchmark, ModelSpeed
from visionft.export.bundle.sample_programs import sample_files
from visionft.export.bundle.verifying import AnswerCheck, FileFault, UploadFile, Verification
from visionft.export.export_result import ExportResult, Latency, Parity
from visionft.export.precision.variants import Variant, VariantAgreement, VariantLatency, variant_file
from visionft.export.uploading import UploadResult

_FILES = ("README.md", "huggingface/config.json", "huggingface/model.safetensors", "labels.txt", "model.onnx")


def scenes() -> dict[str, Any]:
    """Return the scenes by name."""
    return {
        "09-export": _choose,
        "10-export-done": _done,
        "33-export-card": _card,
        "34-publish": _publish,
        "34-publish-token": _publish_by_token,
        "34-publish-failed": _publish_failed,
        "34-publish-long": _publish_long,
        "34-publish-sending": _publish_sending,
        "34-published": _published,
        "35-export-speed": _speed_measured,
        "35-export-speed-busy": _speed_busy,
        "31-export-checked": _checked,
        "32-export-changed": _changed,
    }


def _choose(studio: Any) -> None:
    studio.window.show_page("export")


def _folder(studio: Any) -> Path:
    return studio.folder / "projects" / "Machined parts" / "exports" / "003-resnet50-full"


def _done(studio: Any) -> None:
    _close(studio)
    page = studio.window.page("export")
    page.target_card.tiles["web"].click()
    latency = Latency(median_ms=21.4, p95_ms=23.9, runs=60, provider="CPUExecutionProvider", width=320, height=240)
    parity = Parity(images=20, max_abs_diff=3.2e-6, top1_agreement=1.0, batches=(1, 2, 7))
    result = ExportResult(
        model=_folder(studio) / "model.onnx",
        bytes=94_113_220,
        sha256="",
        temperature=1.2,
        opset=20,
        parity=parity,
        latency=latency,
        files=(*_FILES, *sample_files()),
        variants=_variants(),
        large_ms=46.0,
    )
    page.parity_card.show_result(result)
    page.use_card.show_use(page.target_card.target(), result)
    page.variants_card.show_variants(result.variants)
    page.follow_up.follow(result)


def _close(studio: Any) -> None:
    for dialog in studio.dialogs():
        dialog.reject()
    studio.wait_for_images(50)


def _card(studio: Any) -> None:
    _done(studio)
    path = _folder(studio) / "README.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_CARD, encoding="utf-8")
    CardDialog(studio.window, path).open()


def _offer(**fields: Any) -> UploadOffer:
    sizes = {
        "README.md": 7_012,
        "export.json": 13_400,
        "labels.txt": 42,
        "model.onnx": 94_113_220,
        "model_fp16.onnx": 47_210_000,
        "predict.py": 9_411,
    }
    files = tuple(UploadFile(name=name, path=Path(name), bytes=size) for name, size in sizes.items())
    return UploadOffer(files=files, hub="huggingface.co", **{"token": "login", **fields})


def _dialog(studio: Any, **fields: Any) -> PublishDialog:
    _close(studio)
    dialog = PublishDialog(studio.window, _offer(**fields), name="003-resnet50-full")
    dialog.open()
    return dialog


def _publish(studio: Any) -> None:
    _dialog(studio)


def _publish_by_token(studio: Any) -> None:
    dialog = _dialog(studio, token="", caveats=(get_backbone("starter_vit").caveat,), names_images=True)
    dialog.who.buttons["public"].click()
    dialog.token_edit.setText("hf_not_a_real_one")


def _publish_failed(studio: Any) -> None:
    error = VisionFTError(
        "The token may not write to me/003-resnet50-full (the hub answered 403).",
        "Give a token that may write (they are made on huggingface.co, Settings, Access Tokens), or log in with "
        "huggingface_hub's own tool.",
    )
    _dialog(studio).show_failure(Failure(message=error.message, hint=error.hint))


def _publish_long(studio: Any) -> None:
    """All possible content at once: with large text it is higher than the window."""
    dialog = _dialog(studio, token="", caveats=(get_backbone("starter_vit").caveat,), names_images=True)
    dialog.who.buttons["public"].click()
    message = "The repository me/003-resnet50-full is there already and holds files that would be replaced."
    dialog.show_failure(Failure(message=message, hint="Choose another name, or allow that its files are replaced."))


def _publish_sending(studio: Any) -> None:
    dialog = _dialog(studio)
    dialog.send_button.click()
    dialog.show_progress(Progress(stage="Sending", done=61_000_000, total=141_000_000, unit="bytes"))


def _published(studio: Any) -> None:
    dialog = _dialog(studio)
    dialog.send_button.click()
    dialog.show_sent(UploadResult(address="https://huggingface.co/me/003-resnet50-full", is_public=False))


def _speed_busy(studio: Any) -> None:
    _speed_measured(studio)
    card = studio.window.page("export").speed_card
    card.show_bench(None)
    card.show_busy(True)


def _speed_measured(studio: Any) -> None:
    _done(studio)
    card = studio.window.page("export").speed_card
    card.show_busy(False)
    card.show_bench(Benchmark(processor="AMD Ryzen 9 7950X 16-Core Processor", speeds=_speeds()))


def _speeds() -> tuple[ModelSpeed, ...]:
    times = {"model.onnx": 21.4, variant_file("fp16"): 21.9, variant_file("int8"): 9.7}
    return tuple(
        ModelSpeed(
            model=Path(name),
            provider="CPUExecutionProvider",
            threads=0,
            width=512,
            height=512,
            batches=(BatchSpeed(batch=1, median_ms=each, p95_ms=1.2 * each, p99_ms=1.4 * each, runs=60, per_second=1),),
        )
        for name, each in times.items()
    )


def write_export(folder: Path) -> Path:
    """Write an export with a record of several variants, none of them a real model. Return the fp32 one."""
    folder.mkdir(parents=True, exist_ok=True)
    variants = _variants()
    for name, size in {"model.onnx": 8, **{each.file: 4 for each in variants}}.items():
        (folder / name).write_bytes(b"0" * size)
    told = [{**asdict(each), "bytes": 4, "reference_bytes": 8 if each.bits == 16 else 16} for each in variants]
    (folder / "export.json").write_text(json.dumps({"sha256": "", "parity": {}, "variants": told}))
    return folder / "model.onnx"


def _checked(studio: Any) -> None:
    _done(studio)
    answers = (AnswerCheck(name="model.onnx", max_abs_diff=0.0, limit=1e-3),)
    studio.window.page("export").parity_card.show_verification(
        Verification(folder=_folder(studio), checked=14, faults=(), foreign=(), answers=answers)
    )


def _changed(studio: Any) -> None:
    _done(studio)
    faults = (
        FileFault(name="huggingface/model.safetensors", fault="changed"),
        FileFault(name="labels.txt", fault="missing"),
    )
    studio.window.page("export").parity_card.show_verification(
        Verification(folder=_folder(studio), checked=13, faults=faults, foreign=("notes.txt",), answers=())
    )


def _variants() -> tuple[Variant, ...]:
    """Return two variants: one without a speed gain, and a recommended one."""
    half = VariantAgreement(
        images=378,
        top1=0.897,
        reference_top1=0.897,
        difference=(-0.005, 0.005),
        flips=0,
        ece=0.046,
        reference_ece=0.046,
        max_abs_diff=0.0024,
        max_distance_diff=0.0009,
    )
    whole = VariantAgreement(
        images=378,
        top1=0.894,
        reference_top1=0.897,
        difference=(-0.015, 0.010),
        flips=8,
        ece=0.033,
        reference_ece=0.046,
        max_abs_diff=0.28,
        max_distance_diff=0.05,
    )
    return (
        Variant(
            precision="fp16",
            file=variant_file("fp16"),
            bytes=47_210_000,
            reference_bytes=94_113_220,
            sha256="",
            answers=half,
            temperature=1.2,
            bits=16,
            speed=_speed(21.8, 0.97),
            verdict="not_faster",
        ),
        Variant(
            precision="int8",
            file=variant_file("int8"),
            bytes=24_020_000,
            reference_bytes=94_113_220,
            sha256="",
            answers=whole,
            temperature=1.19,
            bits=7,
            calibrated_on=200,
            in_float=("layer1.0.conv2",),
            speed=_speed(9.6, 2.2),
            verdict="recommended",
        ),
    )


def _speed(p50_ms: float, times_faster: float) -> VariantLatency:
    return VariantLatency(
        p50_ms=p50_ms,
        p99_ms=1.2 * p50_ms,
        reference_p50_ms=21.2,
        reference_p99_ms=25.1,
        times_faster=times_faster,
        runs=60,
        provider="CPUExecutionProvider",
        width=320,
        height=240,
        processor="",
    )


_CARD = """---
license: apache-2.0
---

# Machined parts, second shift of the south line

An image classifier that gives each image one of 4 classes. It is made from resnet50 (method: full fine-tuning) at
224 x 224 pixels, in one ONNX file that takes RGB images of any size.

## Classes and data

| class | train | validation | test |
| --- | --- | --- | --- |
| good | 84 | 18 | 18 |
| scratch | 42 | 9 | 9 |
| \\<img src=x\\> \\[hairline crack\\]\\(https\\://example.org\\) beside the weld, seen from below | 31 | 7 | 7 |
| dent | 29 | 6 | 6 |

## What it is worth

| split | images | accuracy | 95 % interval | mean recall of the classes |
| --- | --- | --- | --- | --- |
| test | 40 | **92.5%** | 80.1% to 97.4% | 90.3% |

**Leaks:** 3 of 40 images of test have a near-double among the training images.

## Limits

- It always answers with one of its classes, also for an image of something else.
- Other cameras, places, light, seasons or kinds of image were not tested.

## How to use it

`python predict.py image.jpg`, or in a program of your own:

```python
session = onnxruntime.InferenceSession("model.onnx")
```
"""
