"""Scenes of the export page."""

from studio import Studio

from visionft.export.parity import ExportResult, Latency, Parity
from visionft.export.precision.variants import Answers, Speed, Variant, variant_file


def empty(studio: Studio) -> None:
    """Show the page before anything was exported."""
    studio.window.show_page("export")


def done(studio: Studio) -> None:
    """Show an export with smaller files beside it."""
    folder = studio.folder / "projects" / "Machined parts" / "exports" / "003-resnet50-full"
    page = studio.window.page("export")
    page.promises.hide()  # type: ignore[attr-defined]
    latency = Latency(median_ms=21.4, p95_ms=23.9, runs=60, provider="CPUExecutionProvider", width=320, height=240)
    parity = Parity(images=20, max_abs_diff=3.2e-6, top1_agreement=1.0, batches=(1, 2, 7))
    result = ExportResult(
        model=folder / "model.onnx", bytes=94_113_220, sha256="", temperature=1.2, opset=20, parity=parity,
        latency=latency, variants=variants(),
    )  # fmt: skip
    page.parity_card.show_result(result)  # type: ignore[attr-defined]
    page.variants_card.show_variants(result.variants)  # type: ignore[attr-defined]


def variants() -> tuple[Variant, ...]:
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
