"""The scenes of the export page for the screenshots."""

from pathlib import Path
from typing import Any

from visionft.export.parity import ExportResult, Latency, Parity
from visionft.export.samples import sample_files
from visionft.export.verifying import AnswerCheck, FileFault, Verification

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
    latency = Latency(median_ms=11.4, p95_ms=13.9, runs=60, provider="CPUExecutionProvider", width=320, height=240)
    parity = Parity(images=20, max_abs_diff=3.2e-6, top1_agreement=1.0, batches=(1, 2, 7))
    card.show_result(
        ExportResult(
            model=_folder(studio) / "model.onnx", bytes=94_113_220, sha256="", temperature=1.2, opset=20, parity=parity,
            latency=latency, files=(*_FILES, *sample_files()),
        )
    )  # fmt: skip


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
