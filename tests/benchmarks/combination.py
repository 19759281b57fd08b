"""Accuracy of ensembles against their best member: by set and by images per class.

    python tests/benchmarks/combination.py ../shared/data --cache /tmp/combination --sizes 4 8 16 32 60 --seeds 0 1 2

Each division has its training images, a fifth as many for validation (at least two per class) and 1,000 for test.
Members:

- `linear`: the closed-form probe of the ImageNet ResNet at 160 px, as in the preset Quick;
- `retrieval`: the retrieval index of the same features (`visionft.heads.knn`);
- `starter`: the closed-form probe of another network, the Starter ResNet;
- `tuned`: full fine-tuning of the ImageNet ResNet with the settings of Balanced, but `EPOCHS` epochs; its validation
  predictions also selected its epoch, as in a real run.

Weights are fitted as in `visionft run combine`: to the validation predictions and, without a fine-tuned member, to the
training images held out by all members. One row per set, size and ensemble: mean over the seeds of each member, of the
ensemble, of its difference to the member with the best mean, and of the accuracy with the best weight on the test
images (two members). At the end the requirements: in the mean never more than .3 point below the better member, and 1
point above it up to 16 images per class.

Results are cached by member: an interrupted benchmark resumes. `--no-tuning` skips the slow fine-tuning; only cached
fine-tuned runs count then.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from presets_table import divide

from models.classifier import build_classifier
from models.methods.table import METHODS
from visionft.calibration import mean_cross_entropy
from visionft.combining.ensemble_weights import MemberPredictions, Mixture, fit_mixture
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot, SnapshotImage
from visionft.evaluation.report import output_batches, run_logits
from visionft.heads.knn.knn_fitting import fit_memory
from visionft.heads.linear_head import fit_head
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import RunSummary, read_run
from visionft.training.runs.run_model import LoadedRun, load_run_model
from visionft.weights.weights_loading import weights_loader

SETS = ("trashnet", "sign_digits")
MAIN, OTHER = "resnet18_in1k", "starter_resnet"
EPOCHS = {4: 8, 8: 8, 16: 8, 32: 6, 60: 5}
COMBINATIONS = (
    ("linear", "retrieval"),
    ("tuned", "retrieval"),
    ("tuned", "linear"),
    ("tuned", "linear", "retrieval"),
    ("linear", "starter"),
    ("linear", "retrieval", "starter"),
)
TEST, BELOW, ABOVE, FEW = 1000, 0.3, 1.0, 16

COLUMNS = "combination, set, a class, seeds, parts, together, to the better part, best possible"

Cell = tuple[tuple[str, ...], str, int]  # combination, set, images a class
Answers = dict[str, np.ndarray]  # of one part: (N, C) logits by split; of `train`, where it has any, held out
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Features:
    """Frozen features of a whole set: (N, D), with the images' numbers and classes."""

    rows: np.ndarray
    place_of: Mapping[int, int]
    widths: list[int]

    def of(self, images: tuple[SnapshotImage, ...]) -> np.ndarray:
        """Return the rows of these images."""
        return self.rows[[self.place_of[image.image_id] for image in images]]


def features_of(folder: Path, backbone: str, cache: Path) -> Features:
    """Return the features of a frozen network for all images of a set of class folders, as in a linear probe."""
    file = cache / f"features-{folder.name}-{backbone}.npz"
    if not file.exists():
        images = divide(folder, image_count=10**6, test=0, seed=0).images
        config = TrainConfig(backbone=backbone, method="linear", device="cpu", workers=0)
        row = config.backbone_row
        classifier = build_classifier(
            row, METHODS["linear"], classes=2, weights=weights_loader(), image_size=config.input_size
        ).eval()
        run = RunSummary(
            name="", path=cache, config=config, class_names=(), epochs=(), result=None
        )  # only its settings are read
        loaded = LoadedRun(run, classifier, PreprocessConfig.for_backbone(row, config.input_size), {})
        found = list(output_batches(loaded, images, classifier.features, stage=""))
        ids = [images[place].image_id for _, places in found for place in places]
        np.savez(file, x=np.concatenate([rows for rows, _ in found]), ids=ids, widths=classifier.head_parts)
    kept = np.load(file)
    place_of = {int(number): place for place, number in enumerate(kept["ids"])}
    return Features(kept["x"], place_of, [int(width) for width in kept["widths"]])


def targets_of(images: tuple[SnapshotImage, ...]) -> np.ndarray:
    """Return (N,) class indices."""
    return np.array([image.labels[0] for image in images])


def linear(features: Features, snapshot: Snapshot) -> Answers:
    """Return the predictions of the closed-form probe."""
    images = snapshot.labelled("train")
    wanted = np.eye(len(snapshot.class_names))[targets_of(images)]
    head = fit_head(features.of(images), wanted, widths=features.widths)
    found = {split: features.of(snapshot.labelled(split)) @ head.weight.T + head.bias for split in ("val", "test")}
    return found | {"train": head.held_out}


def retrieval(features: Features, snapshot: Snapshot) -> Answers:
    """Return the logarithm of the votes of the nearest labelled images."""
    images = snapshot.labelled("train")
    wanted = np.eye(len(snapshot.class_names))[targets_of(images)]
    fitted = fit_memory(features.of(images), wanted, widths=features.widths)
    memory = fitted.memory
    votes = {
        split: memory.predict(memory.directions(features.of(snapshot.labelled(split)))) for split in ("val", "test")
    }
    assert len(fitted.places) == len(images)
    return {split: np.log(values) for split, values in votes.items()} | {"train": fitted.held_out_logits}


def tuned(snapshot: Snapshot, size: int, seed: int, file: Path) -> Answers:
    """Fine-tune, or read the cached predictions."""
    if not file.exists():
        images = len(snapshot.labelled("train"))
        circumstances = replace(Circumstances.of(snapshot, device="cpu"), images=max(40, images))
        config = preset_config("balanced", circumstances, backbone=MAIN)
        config = replace(config, seed=seed, device="cpu", workers=0, epochs=EPOCHS[size])
        with tempfile.TemporaryDirectory() as temporary:
            result = train(config, snapshot, Path(temporary) / "001-run")
            answerer = load_run_model(read_run(Path(temporary) / "001-run"))
            found = {split: run_logits(answerer, snapshot, split) for split in ("val", "test")}
        ids = {f"{split}_ids": [image.image_id for image in each.images] for split, each in found.items()}
        np.savez(file, seconds=result.seconds, **{split: each.values for split, each in found.items()}, **ids)
    kept = np.load(file)
    return {split: kept[split] for split in ("val", "test")}


def parts_of(folder: Path, size: int, seed: int, options: argparse.Namespace) -> tuple[Snapshot, dict[str, Answers]]:
    """Return a division, and each member's predictions for its validation and test images."""
    classes = sum(path.is_dir() for path in folder.iterdir())
    snapshot = divide(folder, image_count=size * classes, test=TEST, seed=seed)
    main, other = (features_of(folder, backbone, options.cache) for backbone in (MAIN, OTHER))
    file = options.cache / f"parts-{folder.name}-{size}-{seed}.npz"
    makers = {"linear": (linear, main), "retrieval": (retrieval, main), "starter": (linear, other)}
    if not file.exists():
        made = {name: make(features, snapshot) for name, (make, features) in makers.items()}
        np.savez(file, **{f"{name}-{split}": rows for name, each in made.items() for split, rows in each.items()})
    stored = np.load(file)
    parts = {name: {split: stored[f"{name}-{split}"] for split in SPLITS} for name in makers}
    file = options.cache / f"{folder.name}-{size}-{seed}-full.npz"
    if file.exists() or not options.no_tuning:
        parts["tuned"] = tuned(snapshot, size, seed, file)
    return snapshot, parts


def accuracy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the share of right images, in points."""
    return 100 * float((logits.argmax(axis=1) == targets).mean())


def possible(answers: list[np.ndarray], targets: np.ndarray, temperatures: np.ndarray) -> float:
    """Return the accuracy with the best weight of two members on the same images; NaN for more members."""
    if len(answers) != 2:
        return float("nan")
    shares = [np.array([share, 1 - share]) for share in np.linspace(0, 1, 21)]
    return max(accuracy(Mixture(each, temperatures)(answers), targets) for each in shares)


def main() -> None:
    """Read the arguments, and print the table and the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[4, 8, 16, 32, 60])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--no-tuning", action="store_true")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    rows: dict[Cell, list[list[float]]] = defaultdict(list)
    losses: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for name, size, seed in product(options.sets, options.sizes, options.seeds):
        began = time.monotonic()
        snapshot, parts = parts_of(options.data / name, size, seed, options)
        truth = {split: targets_of(snapshot.labelled(split)) for split in SPLITS}  # type: ignore[arg-type]
        for names in COMBINATIONS:
            if not set(names) <= parts.keys():
                continue
            asked = [
                MemberPredictions([parts[each][split] for each in names], truth[split])
                for split in ("val", "train")
                if all(split in parts[each] for each in names)
            ]
            mixture = fit_mixture(asked[0].and_(asked[1]) if len(asked) > 1 else asked[0])
            answers = [parts[each]["test"] for each in names]
            together = mixture(answers)
            alone = [accuracy(each, truth["test"]) for each in answers]
            most = possible(answers, truth["test"], mixture.temperatures)
            rows[names, name, size].append([*alone, accuracy(together, truth["test"]), most])
            heats = zip(answers, mixture.temperatures, strict=True)
            best = min(mean_cross_entropy(each / heat, truth["test"]) for each, heat in heats)
            losses[names].append(mean_cross_entropy(together, truth["test"]) - best)
        print(f"  {name} {size} seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
    tell(rows, losses)


def tell(rows: Mapping[Cell, list[list[float]]], losses: Mapping[tuple[str, ...], list[float]]) -> None:
    """Print the table and the bars."""
    print(f"| {COLUMNS.replace(', ', ' | ')} |\n|{'---|' * len(COLUMNS.split(', '))}")
    distances: dict[tuple[str, ...], dict[tuple[str, int], float]] = defaultdict(dict)
    for (names, set_name, size), found in sorted(rows.items()):
        means = np.mean(found, axis=0)
        *alone, together, most = means
        distance = float(together - max(alone))
        distances[names][set_name, size] = distance
        cells = (" + ".join(names), set_name, size, len(found), " / ".join(f"{value:.1f}" for value in alone))
        rest = "" if np.isnan(most) else f"{most - max(alone):+.1f}"
        print(f"| {' | '.join(map(str, cells))} | {together:.1f} | {distance:+.1f} | {rest} |")
    print(f"\nBars: at least -{BELOW} everywhere, at least +{ABOVE} up to {FEW} a class, on each set in the mean")
    for names, cells in distances.items():
        few = {
            name: np.mean([value for (each, size), value in cells.items() if each == name and size <= FEW])
            for name in {each for each, size in cells if size <= FEW}
        }
        kept = sum(value >= -BELOW for value in cells.values())
        said = ", ".join(f"{name} {value:+.1f}" for name, value in sorted(few.items()))
        print(
            f"{' + '.join(names)}: {kept} of {len(cells)} cells not below, mean {np.mean(list(cells.values())):+.1f}; "
            f"up to {FEW} a class {said}; log loss to the better part {np.mean(losses[names]):+.3f}"
        )


if __name__ == "__main__":
    main()
