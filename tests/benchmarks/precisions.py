"""Matrix run x precision: equal, right, flips, speed, size; then the speed of bare networks, and of preparing images.

Usage: python tests/benchmarks/precisions.py PROJECT [RUN ...]

Every run with weights is exported with all precisions into a temporary folder. The networks of the second table have
random weights (relevant to accuracy, not to speed); their times are of one thread, in processor time, because other
programs distort wall time.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from visionft.amounts import size_text
from visionft.cli.output import opened_project
from visionft.data.preprocess import PreprocessConfig
from visionft.errors import VisionFTError
from visionft.export.exporter import export_run
from visionft.export.graph import export_network, from_images
from visionft.export.options import ExportOptions
from visionft.export.precision.observing import observe
from visionft.export.precision.quantising import Plan, quantise
from visionft.export.precision.variants import PRECISIONS
from visionft.training.runs.run_folder import list_runs

NETWORKS = {"resnet18": "fc", "vit_small_patch16_224": "head"}
IMAGES = {".2 MP": (384, 512), "1 MP": (866, 1155), "12 MP": (3000, 4000)}
ROUNDS = 15


def main(project: Path, wanted: list[str]) -> None:
    """Print both tables."""
    with opened_project(project, read_only=True) as opened:
        images = opened.snapshot()
    print(
        f"{'run':34} {'file':6} {'size':>8} {'top-1':>7} {'points':>7} {'flips':>5} {'prob.':>7} {'faster':>7}  verdict"
    )
    for run in list_runs(project):
        if run.has_weights and (not wanted or run.name in wanted):
            _print_run(run.path, images)
    for name, head in NETWORKS.items():
        _print_network(name, head)


def _print_run(run_dir: Path, images) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = export_run(run_dir, images, Path(folder) / "out", options=ExportOptions(precisions=PRECISIONS))
        except VisionFTError as error:
            print(f"{run_dir.name:34} {error}")
            return
    print(f"{run_dir.name:34} {'fp32':6} {size_text(result.bytes):>8} {'':23} {result.parity.max_abs_diff:7.0e}")
    for each in result.variants:
        answers, faster = each.answers, f"{each.speed.times_faster:.2f}" if each.speed else ""
        print(
            f"{'':34} {each.precision:6} {size_text(each.bytes):>8} {answers.top1:7.4f} {-100 * answers.loss:+7.2f} "
            f"{answers.flips:5} {answers.max_abs_diff:7.0e} {faster:>7}  {each.verdict} {', '.join(each.in_float)}",
            flush=True,
        )


def _print_network(name: str, head: str) -> None:
    import onnx
    import timm
    import torch

    torch.manual_seed(0)
    options = {"zero_init_last": False} if name.startswith("resnet") else {}
    network = timm.create_model(name, num_classes=6, **options).eval()
    plain = PreprocessConfig(
        size=224, crop_share=0.875, interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    with tempfile.TemporaryDirectory() as folder:
        export_network(network, 224, Path(folder) / "network.onnx")
        whole = onnx.load(Path(folder) / "network.onnx")
    inputs = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    plan = Plan.of(whole, head)
    small = quantise(whole, plan, observe(whole, plan, [inputs]).ranges)
    bare, quick = (_session(model) for model in (whole, small))
    before, after = _times(lambda: bare.run(None, {"input": inputs}), lambda: quick.run(None, {"input": inputs}))
    sizes = size_text(whole.ByteSize()), size_text(small.ByteSize())
    print(f"{name}: network {before:.1f} ms, int8 {after:.1f} ms ({before / after:.2f} x), {sizes[0]}, {sizes[1]}")
    files = [_session(from_images(model, plain)) for model in (whole, small)]
    for label, shape in IMAGES.items():
        pixels = np.random.default_rng(0).integers(0, 256, (1, *shape, 3), np.uint8)
        calls = [partial(session.run, None, {"image": pixels}) for session in files]
        alone, usual, quicker = _times(lambda: bare.run(None, {"input": inputs}), *calls)
        print(f"  {label}: {usual:.1f} ms, preparing {1 - alone / usual:.1%}; int8 {quicker:.1f} ms", flush=True)


def _session(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _times(*calls: Callable[[], object]) -> list[float]:
    """Return the median processor time of each call in ms; the calls alternate."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS + 1):
        for call, found in zip(calls, times, strict=True):
            began = time.process_time()
            call()
            found.append(1000 * (time.process_time() - began))
    return [float(np.median(found[1:])) for found in times]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
