"""Compare the fine-tuning methods on real images with the starter backbones, several seeds each.

    python tests/benchmarks/methods_table.py ../shared/data/sign_digits --methods full linear lora:lora.targets=all

A seed decides the run and the division: the test parts of seeds 0, 1 and 2 are different images, so three seeds are
tested on three times as many. One row per set, backbone and method: mean test top-1 of the seeds and its range, the 95
% interval over all tested images, trainable share, seconds, peak memory of the process, size of the learnt weights,
drift of the features, and the ratio to full fine-tuning's accuracy with its 95 % interval (bootstrap over the tested
images, both methods on the same). `scratch` is full fine-tuning from random weights. Settings behind a method's colon
(comma between them) apply to this method only.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench import class_files, heading, read_options, row

from visionft.core.files import sha256_file
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.report import evaluate_run
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.loop.train import train

COLUMNS = "set backbone method top1 range interval share train_s peak_MiB learnt_MB drift of_full of_full_95"
RESAMPLES = 2000


def snapshot_of(folder: Path, *, train_count: int, test_count: int, seed: int = 0) -> Snapshot:
    """Return a random split of a folder of class folders: a tenth of the training part validates.

    Every seed divides the same images; the test parts of following seeds do not overlap while there are enough.
    """
    names, paths = class_files(folder)
    files = [(index, path) for index, each in enumerate(paths) for path in each]
    order = np.random.default_rng(0).permutation(len(files))[: train_count + test_count]
    order = np.roll(order, -seed * test_count)
    images = []
    for rank, position in enumerate(order.tolist()):
        index, path = files[position]
        split = "test" if rank < test_count else "val" if rank < test_count + train_count // 10 else "train"
        images.append(SnapshotImage(position, path, sha256_file(path), (index,), split))
    return Snapshot("single", names, tuple(sorted(images, key=lambda image: image.image_id)))


def measure(config: TrainConfig, snapshots: dict[int, Snapshot]) -> tuple[list[str], np.ndarray]:
    """Train and test once a seed; return cells, and for each tested image of each seed whether it was right."""
    results, tops, right = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        for seed, snapshot in snapshots.items():
            run_dir = Path(temporary) / f"{seed:03d}-run"
            results.append(train(replace(config, seed=seed), snapshot, run_dir))
            tops.append(evaluate_run(run_dir, snapshot, "test").top1)
            stored = read_evaluation(run_dir, "test")
            assert stored
            right += [found.is_right for found in sorted(stored.predictions, key=lambda found: found.image_id)]
    first, (low, high) = results[0], wilson_interval(sum(right), len(right))
    return [
        f"{np.mean(tops):.3f}",
        f"{min(tops):.3f}-{max(tops):.3f}",
        f"{low:.3f}-{high:.3f}",
        f"{first.trainable_parameters / first.total_parameters:.2%}",
        f"{np.mean([result.seconds for result in results]):.0f}",
        f"{first.peak_memory_mb:.0f}",
        f"{first.artefact_bytes / 1e6:.2f}",
        f"{np.mean([result.feature_drift or 0 for result in results]):.3f}",
    ], np.array(right)


def compared(right: np.ndarray, full: np.ndarray | None) -> list[str]:
    """Return the ratio of two accuracies on the same N images, and its 95 % interval, by resampling these."""
    if full is None:
        return ["-", "-"]
    chosen = np.random.default_rng(0).integers(0, len(right), (RESAMPLES, len(right)))
    low, high = np.quantile(right[chosen].mean(axis=1) / full[chosen].mean(axis=1), (0.025, 0.975))
    return [f"{right.mean() / full.mean():.3f}", f"{low:.3f}-{high:.3f}"]


if __name__ == "__main__":
    options = read_options(
        __doc__,
        folders="+",
        backbones=["starter_resnet", "starter_vit"],
        methods=["full", "linear", "adapter", "lora", "prefix", "scratch"],
        seeds=[0, 1, 2],
        epochs=10,
        train=900,
        test=300,
        set=[],
    )
    heading(*COLUMNS.split())
    for folder in options.folders:
        counts = {"train_count": options.train, "test_count": options.test}
        snapshots = {seed: snapshot_of(folder, seed=seed, **counts) for seed in options.seeds}
        for backbone in options.backbones:
            full = None
            for spec in options.methods:
                method, _, own = spec.partition(":")
                name, weights = ("full", "random") if method == "scratch" else (method, "pretrained")
                config = TrainConfig(backbone=backbone, method=name, weights=weights, epochs=options.epochs)
                config = config.with_settings([*options.set, *filter(None, own.split(","))])
                if problems := config_problems(config, snapshots[options.seeds[0]]):
                    print(f"{backbone}, {spec} left out: {problems[0].message}", file=sys.stderr)
                    continue
                cells, right = measure(config, snapshots)
                full = right if method == "full" else full
                row(folder.name, backbone, spec, *cells, *compared(right, full))
