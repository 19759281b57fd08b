"""Matrix run x precision: equal, right, flips, speed, size; then the speed of bare networks, and of preparing images.

    python tests/benchmarks/precisions.py PROJECT [--runs RUN ...] [--rounds 15]

Every run with weights is exported with all precisions into a temporary folder. The networks of the second table have
random weights (relevant to accuracy, not to speed); their times are of one thread, in processor time, because other
programs distort wall time.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench import heading, read_options, row, timed

from visionft.amounts import size_text
from visionft.cli.output import opened_project
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.export.exporter import export_run
from visionft.export.graph import export_network, from_images
from visionft.export.options import ExportOptions
from visionft.export.precision.quantising import Plan, observe, quantise
from visionft.training.runs.run_folder import list_runs

NETWORKS = {"resnet18": "fc", "vit_small_patch16_224": "head"}
IMAGES = {".2 MP": (384, 512), "1 MP": (866, 1155), "12 MP": (3000, 4000)}
PLAIN = PreprocessConfig(
    height=224,
    width=224,
    crop_share=0.875,
    interpolation="bilinear",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


def measure_run(run_dir: Path, images: Snapshot) -> None:
    """Export a run and print a row for each precision."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = export_run(
                run_dir, images, Path(folder) / "out", options=ExportOptions.for_target(fp16=True, int8=True)
            )
        except VisionFTError as error:
            row(run_dir.name, error)
            return
    row(run_dir.name, "fp32", size_text(result.bytes), "", "", "", f"{result.parity.max_abs_diff:.0e}")
    for each in result.variants:
        answers, faster = each.answers, f"{each.speed.times_faster:.2f}" if each.speed else ""
        figures = f"{answers.top1:.4f}", f"{-100 * answers.loss:+.2f}", answers.flips, f"{answers.max_abs_diff:.0e}"
        verdict = f"{each.verdict} {', '.join(each.in_float)}"
        row(run_dir.name, each.precision, size_text(each.bytes), *figures, faster, verdict)


def measure_network(name: str, head: str, rounds: int) -> None:
    """Print the times of a network alone, and of its file for images of some sizes."""
    import onnx
    import timm
    import torch

    torch.manual_seed(0)
    options = {"zero_init_last": False} if name.startswith("resnet") else {}
    network = timm.create_model(name, num_classes=6, **options).eval()
    with tempfile.TemporaryDirectory() as folder:
        export_network(network, (224, 224), Path(folder) / "network.onnx")
        whole = onnx.load(Path(folder) / "network.onnx")
    inputs = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    plan = Plan.of(whole, head)
    small = quantise(whole, plan, observe(whole, plan, [inputs]).ranges)
    bare, quick = (partial(session_of(model).run, None, {"input": inputs}) for model in (whole, small))
    before, after = alternating(rounds, bare, quick)
    sizes = f"{size_text(whole.ByteSize())}, {size_text(small.ByteSize())}"
    print(f"{name}: network {before:.1f} ms, int8 {after:.1f} ms ({before / after:.2f} x), {sizes}")
    files = [session_of(from_images(model, PLAIN)) for model in (whole, small)]
    for label, shape in IMAGES.items():
        pixels = np.random.default_rng(0).integers(0, 256, (1, *shape, 3), np.uint8)
        calls = [partial(session.run, None, {"image": pixels}) for session in files]
        alone, usual, quicker = alternating(rounds, bare, *calls)
        print(f"  {label}: {usual:.1f} ms, preparing {1 - alone / usual:.1%}; int8 {quicker:.1f} ms", flush=True)


def session_of(model: Any) -> Any:
    """Return a session of one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def alternating(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the median processor time of each call in ms; the first round warms up."""
    times = [[timed(call, time.process_time).cpu for call in calls] for _ in range(rounds + 1)]
    return np.median(times[1:], axis=0).tolist()


if __name__ == "__main__":
    options = read_options(__doc__, folders=1, runs=[], rounds=15)
    with opened_project(options.folders[0], read_only=True) as opened:
        images = opened.snapshot()
    heading("run", "file", "size", "top-1", "points", "flips", "prob.", "faster", "verdict")
    for run in list_runs(options.folders[0]):
        if run.has_weights and (not options.runs or run.name in options.runs):
            measure_run(run.path, images)
    for name, head in NETWORKS.items():
        measure_network(name, head, options.rounds)
