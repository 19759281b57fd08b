"""Compare the fine-tuning methods on real images with the starter backbones, several seeds each.

    python tests/benchmarks/methods_table.py ../shared/data/sign_digits --methods full linear lora:lora.targets=all

A seed decides the run and the division: the test parts of seeds 0, 1 and 2 are different images, so three seeds are
tested on three times as many. One row per set, backbone and method: mean test top-1 of the seeds and its range, the 95
% interval over all tested images, trainable share, seconds, peak memory of the process, size of the learnt weights,
drift of the features, and the ratio to full fine-tuning's accuracy with its 95 % interval (bootstrap over the tested
images, both methods on the same). `scratch` is full fine-tuning from random weights. Settings behind a method's colon
(comma between them) apply to this method only.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Snapshot, SnapshotImage
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.report import evaluate_run
from visionft.evaluation.stored import read_evaluation
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

COLUMNS = "set backbone method top1 range interval share train_s peak_MiB learnt_MB drift of_full of_full_95"
RESAMPLES = 2000


def snapshot_of(folder: Path, *, train_count: int, test_count: int, seed: int = 0) -> Snapshot:
    """Return a random split of a folder of class folders: a tenth of the training part validates.

    Every seed divides the same images; the test parts of following seeds do not overlap while there are enough.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(index, path) for index, name in enumerate(names) for path in sorted((folder / name).iterdir())]
    files = [(index, path) for index, path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    order = np.random.default_rng(0).permutation(len(files))[: train_count + test_count]
    order = np.roll(order, -seed * test_count)
    images = []
    for rank, position in enumerate(order):
        index, path = files[position]
        split = "test" if rank < test_count else "val" if rank < test_count + train_count // 10 else "train"
        images.append(SnapshotImage(int(position), path, str(position), (index,), split))
    return Snapshot("single", tuple(names), tuple(sorted(images, key=lambda image: image.image_id)))


def measure(config: TrainConfig, snapshots: dict[int, Snapshot], folder: Path) -> tuple[dict[str, float], np.ndarray]:
    """Train and test once a seed; return the means, and for each tested image of each seed whether it was right."""
    results, tops, right = [], [], []
    for seed, snapshot in snapshots.items():
        run_dir = folder / f"001-{config.backbone}-{config.method}-{config.weights}-{seed}"
        results.append(train(replace(config, seed=seed), snapshot, run_dir))
        tops.append(evaluate_run(run_dir, snapshot, "test").top1)
        stored = read_evaluation(run_dir, "test")
        assert stored
        right += [found.is_right for found in sorted(stored.predictions, key=lambda found: found.image_id)]
    first = results[0]
    low, high = wilson_interval(sum(right), len(right))
    return {
        "top1": float(np.mean(tops)),
        "low": min(tops),
        "high": max(tops),
        "interval_low": low,
        "interval_high": high,
        "share": first.trainable_parameters / first.total_parameters,
        "seconds": float(np.mean([result.seconds for result in results])),
        "memory": first.peak_memory_mb,
        "bytes": first.artefact_bytes,
        "drift": float(np.mean([result.feature_drift or 0 for result in results])),
    }, np.array(right)


def ratio_interval(right: np.ndarray, full: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of two accuracies on the same N images, by resampling these."""
    chosen = np.random.default_rng(0).integers(0, len(right), (RESAMPLES, len(right)))
    low, high = np.quantile(right[chosen].mean(axis=1) / full[chosen].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Read the arguments and print the table row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["starter_resnet", "starter_vit"])
    parser.add_argument("--methods", nargs="+", default=["full", "linear", "adapter", "lora", "prefix", "scratch"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train", type=int, default=900)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    print(f"| {COLUMNS.replace(' ', ' | ')} |\n|{'---|' * len(COLUMNS.split())}")
    for folder in options.folders:
        snapshots = {
            seed: snapshot_of(folder, train_count=options.train, test_count=options.test, seed=seed)
            for seed in options.seeds
        }
        for backbone in options.backbones:
            full, full_right = None, None
            for spec in options.methods:
                method, _, own = spec.partition(":")
                name, weights = ("full", "random") if method == "scratch" else (method, "pretrained")
                config = TrainConfig(backbone=backbone, method=name, weights=weights, epochs=options.epochs)
                config = config.with_settings([*options.set, *filter(None, own.split(","))])
                if problems := config_problems(config, snapshots[options.seeds[0]]):
                    print(f"{backbone}, {spec} left out: {problems[0].message}", file=sys.stderr)
                    continue
                with tempfile.TemporaryDirectory() as temporary:
                    row, right = measure(config, snapshots, Path(temporary))
                if method == "full":
                    full, full_right = row["top1"], right
                ratio = interval = "-"
                if full and full_right is not None:
                    ratio = f"{row['top1'] / full:.3f}"
                    interval = "{:.3f}-{:.3f}".format(*ratio_interval(right, full_right))
                print(
                    f"| {folder.name} | {backbone} | {spec} | {row['top1']:.3f} | {row['low']:.3f}-{row['high']:.3f} "
                    f"| {row['interval_low']:.3f}-{row['interval_high']:.3f} | {row['share']:.2%} "
                    f"| {row['seconds']:.0f} | {row['memory']:.0f} | {row['bytes'] / 1e6:.2f} | {row['drift']:.3f} "
                    f"| {ratio} | {interval} |"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
