"""The scenes of the export page for the screenshots."""

from pathlib import Path
from typing import Any

from visionft.export.bundle.samples import sample_files
from visionft.export.bundle.verifying import AnswerCheck, FileFault, Verification
from visionft.export.parity import ExportResult, Latency, Parity
from visionft.export.precision.variants import Answers, Speed, Variant, variant_file

_FILES = ("README.md", "huggingface/config.json", "huggingface/model.safetensors", "labels.txt", "model.onnx")


def scenes() -> dict[str, Any]:
    """Return the scenes by name."""
    return {
        "09-export": _choose,
        "10-export-done": _done,
        "31-export-checked": _checked,
        "32-export-changed": _changed,
    }


def _choose(studio: Any) -> None:
    studio.window.show_page("export")


def _folder(studio: Any) -> Path:
    return studio.folder / "projects" / "Machined parts" / "exports" / "003-resnet50-full"


def _done(studio: Any) -> None:
    card = studio.window.page("export").parity_card
    studio.window.page("export").promises.hide()
    latency = Latency(median_ms=21.4, p95_ms=23.9, runs=60, provider="CPUExecutionProvider", width=320, height=240)
    parity = Parity(images=20, max_abs_diff=3.2e-6, top1_agreement=1.0, batches=(1, 2, 7))
    result = ExportResult(
        model=_folder(studio) / "model.onnx", bytes=94_113_220, sha256="", temperature=1.2, opset=20, parity=parity,
        latency=latency, files=(*_FILES, *sample_files()), variants=_variants(),
    )  # fmt: skip
    card.show_result(result)
    studio.window.page("export").variants_card.show_variants(result.variants)


def _checked(studio: Any) -> None:
    _done(studio)
    answers = (AnswerCheck(name="model.onnx", max_abs_diff=0.0, limit=1e-3),)
    studio.window.page("export").parity_card.show_check(
        Verification(folder=_folder(studio), checked=14, faults=(), foreign=(), answers=answers)
    )


def _changed(studio: Any) -> None:
    _done(studio)
    faults = (
        FileFault(name="huggingface/model.safetensors", fault="changed"),
        FileFault(name="labels.txt", fault="missing"),
    )
    studio.window.page("export").parity_card.show_check(
        Verification(folder=_folder(studio), checked=13, faults=faults, foreign=("notes.txt",), answers=())
    )


def _variants() -> tuple[Variant, ...]:
    """Return one smaller file that is no faster, and one that is recommended."""
    half = Answers(
        pictures=378, top1=0.897, reference_top1=0.897, difference=(-0.005, 0.005), flips=0, ece=0.046,
        reference_ece=0.046, max_abs_diff=0.0024, max_distance_diff=0.0009,
    )  # fmt: skip
    whole = Answers(
        pictures=378, top1=0.894, reference_top1=0.897, difference=(-0.015, 0.010), flips=8, ece=0.033,
        reference_ece=0.046, max_abs_diff=0.28, max_distance_diff=0.05,
    )  # fmt: skip
    return (
        Variant(
            precision="fp16", file=variant_file("fp16"), bytes=47_210_000, reference_bytes=94_113_220, sha256="",
            answers=half, temperature=1.2, bits=16, speed=_speed(21.8, 0.97), verdict="not_faster",
        ),
        Variant(
            precision="int8", file=variant_file("int8"), bytes=24_020_000, reference_bytes=94_113_220, sha256="",
            answers=whole, temperature=1.19, bits=7, calibrated_on=200, in_float=("layer1.0.conv2",),
            speed=_speed(9.6, 2.2), verdict="recommended",
        ),
    )  # fmt: skip


def _speed(p50_ms: float, times_faster: float) -> Speed:
    return Speed(
        p50_ms=p50_ms, p99_ms=1.2 * p50_ms, reference_p50_ms=21.2, reference_p99_ms=25.1, times_faster=times_faster,
        runs=60, provider="CPUExecutionProvider", width=320, height=240, processor="",
    )  # fmt: skip
