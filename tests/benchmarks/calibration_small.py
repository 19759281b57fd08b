"""What a temperature from few validation pictures does to the calibration of others.

    python tests/benchmarks/calibration_small.py ../shared/data/trashnet ../shared/data/sign_digits

The closed-form head of the default backbone, 600 training pictures, ten divisions. Its logits are also made too small
and too large, as those of a smoothed or an overfitted network are. A row a set, factor and number of validation
pictures: mean expected calibration error of all other pictures without a temperature, with the program's, and with the
one that fits the validation pictures best (Guo et al. 2017).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from presets_table import divide

from models.catalog import DEFAULT_BACKBONE
from visionft.calibration import fit_temperature, softmax
from visionft.data.types import Snapshot
from visionft.evaluation.metrics import expected_calibration_error
from visionft.heads.fitting import fit_head
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.batches import Sharding, cached_features, plain_batches
from visionft.training.loop.run_context import RunContext

TRAIN, DIVISIONS = 600, 10


def features_of(folder: Path) -> tuple[torch.Tensor, np.ndarray, tuple[int, ...]]:
    """Return features (N, D), class indices (N,) and widths of all pictures of a folder of class folders."""
    snapshot: Snapshot = divide(folder, pictures=10**6, test=0, seed=0)
    chosen = snapshot.labelled("train")
    config = TrainConfig(backbone=DEFAULT_BACKBONE, method="linear", device="cpu")
    context = RunContext(config, classes=len(snapshot.class_names))
    context.classifier.eval()
    source = plain_batches(config, snapshot, chosen, Sharding(device=torch.device("cpu")))
    found = cached_features(
        source, context.classifier.features, stage="", on_event=lambda _event: None, on_batch=lambda _batch: None
    )
    return found.images, found.targets.numpy(), context.classifier.head_parts


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    options = parser.parse_args()
    print("| set | factor | validation | ECE without | ours | best fit |\n|---|---|---|---|---|---|")
    for folder in options.folders:
        features, labels, widths = features_of(folder)
        divisions = []
        for seed in range(DIVISIONS):
            order = np.random.default_rng(seed).permutation(len(labels))
            train, rest = order[:TRAIN], order[TRAIN:]
            wanted = torch.nn.functional.one_hot(torch.from_numpy(labels[train]), int(labels.max()) + 1)
            head = fit_head(features[train], wanted, widths=widths, seed=seed)
            divisions.append(((features[rest] @ head.weight.T + head.bias).numpy(), labels[rest]))
        for factor in (0.6, 1.0, 1.4, 2.5):
            for count in (34, 60, 165):
                errors = []
                for raw, targets in divisions:
                    logits, few, others = raw * factor, slice(0, count), slice(count, None)
                    temperatures = [1.0] + [
                        fit_temperature(logits[few], targets[few], **spread) for spread in ({}, {"spread": None})
                    ]
                    errors.append(
                        [expected_calibration_error(softmax(logits[others] / t), targets[others]) for t in temperatures]
                    )
                means = " | ".join(f"{value:.4f}" for value in np.mean(errors, axis=0))
                print(f"| {folder.name} | {factor} | {count} | {means} |", flush=True)


if __name__ == "__main__":
    main()
