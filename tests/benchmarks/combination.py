"""Whether runs combined are better than the best of them: test accuracy, set by set, by pictures a class.

    python tests/benchmarks/combination.py ../shared/data --cache /tmp/combination --sizes 4 8 16 32 60 --seeds 0 1 2

Each division has its training pictures, a fifth as many for validation (at least two a class) and 1,000
for test. Parts:

- `linear`: the closed-form probe of the ImageNet ResNet at 160 px, as the preset Quick solves it;
- `retrieval`: the memory of the same features (`visionft.heads.knn`);
- `starter`: the closed-form probe of another network, the Starter ResNet;
- `tuned`: full fine-tuning of the ImageNet ResNet with the settings of Balanced, but `EPOCHS` epochs; its validation
  answers are those that chose its epoch, as in a real run.

Shares are fitted as `visionft combine` fits them: to the validation answers and, where no part was fine-tuned, to the
training pictures that all parts held out. A row a set, size and combination: mean of the seeds of each part, of the
combination, of its distance to the part that is the best in the mean, and of what the share that is best on the test
pictures (two parts) would give. At the end the bars: in the mean never more than .3 point below the better part, and
1 point above it up to 16 pictures a class.

What was computed is kept in the cache, part by part: a stopped benchmark goes on where it was. `--no-tuning` leaves out
what takes minutes; only cached fine-tuned runs count then.
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
import torch
from presets_table import divide

from models.classifier import build_classifier
from models.methods.table import METHODS
from visionft.calibration import mean_cross_entropy
from visionft.combining.shares import Asked, Mixture, fit_mixture
from visionft.data.preprocess import Preprocessing
from visionft.data.types import Snapshot, SnapshotImage
from visionft.evaluation.report import output_batches, run_logits
from visionft.heads.fitting import fit_head
from visionft.heads.knn.fitting import fit_memory
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.answerer import load_answerer
from visionft.training.runs.loaded_run import LoadedRun
from visionft.training.runs.run_folder import RunSummary, read_run
from visionft.weights import weights_loader

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

Cell = tuple[tuple[str, ...], str, int]  # combination, set, pictures a class
Answers = dict[str, np.ndarray]  # of one part: (N, C) logits by split; of `train`, where it has any, held out
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Features:
    """Frozen features of a whole set: (N, D), with the pictures' numbers and classes."""

    rows: np.ndarray
    place_of: Mapping[int, int]
    widths: list[int]

    def of(self, images: tuple[SnapshotImage, ...]) -> np.ndarray:
        """Return the rows of these pictures."""
        return self.rows[[self.place_of[image.image_id] for image in images]]


def features_of(folder: Path, backbone: str, cache: Path) -> Features:
    """Return what a frozen network sees in every picture of a set of class folders, as a linear probe sees it."""
    file = cache / f"features-{folder.name}-{backbone}.npz"
    if not file.exists():
        images = divide(folder, pictures=10**6, test=0, seed=0).images
        config = TrainConfig(backbone=backbone, method="linear", device="cpu", workers=0)
        row = config.backbone_row
        classifier = build_classifier(
            row, METHODS["linear"], classes=2, weights=weights_loader(), image_size=config.input_size
        ).eval()
        run = RunSummary(
            name="", path=cache, config=config, class_names=(), epochs=(), result=None
        )  # only its settings are read
        loaded = LoadedRun(run, classifier, Preprocessing.for_backbone(row, config.input_size), {})
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
    """Return what the closed-form probe says."""
    images = snapshot.labelled("train")
    wanted = torch.nn.functional.one_hot(torch.from_numpy(targets_of(images)), len(snapshot.class_names))
    head = fit_head(torch.from_numpy(features.of(images)), wanted, widths=features.widths)
    weight, bias = head.weight.numpy(), head.bias.numpy()
    found = {split: features.of(snapshot.labelled(split)) @ weight.T + bias for split in ("val", "test")}
    return found | {"train": head.held_out.numpy()}


def retrieval(features: Features, snapshot: Snapshot) -> Answers:
    """Return the logarithm of what the nearest labelled pictures vote."""
    images = snapshot.labelled("train")
    wanted = np.eye(len(snapshot.class_names))[targets_of(images)]
    fitted = fit_memory(features.of(images), wanted, widths=features.widths)
    memory = fitted.memory
    votes = {
        split: memory.answers(memory.directions(features.of(snapshot.labelled(split)))) for split in ("val", "test")
    }
    assert len(fitted.askable) == len(images)
    return {split: np.log(values) for split, values in votes.items()} | {"train": fitted.held_out_logits}


def tuned(snapshot: Snapshot, size: int, seed: int, file: Path) -> Answers:
    """Fine-tune, or read what was kept of it."""
    if not file.exists():
        pictures = len(snapshot.labelled("train"))
        circumstances = replace(Circumstances.of(snapshot, device="cpu"), pictures=max(40, pictures))
        config = preset_config("balanced", circumstances, backbone=MAIN)
        config = replace(config, seed=seed, device="cpu", workers=0, epochs=EPOCHS[size])
        with tempfile.TemporaryDirectory() as temporary:
            result = train(config, snapshot, Path(temporary) / "001-run")
            answerer = load_answerer(read_run(Path(temporary) / "001-run"))
            found = {split: run_logits(answerer, snapshot, split) for split in ("val", "test")}
        ids = {f"{split}_ids": [image.image_id for image in each.images] for split, each in found.items()}
        np.savez(file, seconds=result.seconds, **{split: each.values for split, each in found.items()}, **ids)
    kept = np.load(file)
    return {split: kept[split] for split in ("val", "test")}


def parts_of(folder: Path, size: int, seed: int, options: argparse.Namespace) -> tuple[Snapshot, dict[str, Answers]]:
    """Return a division, and what each part says of its validation and test pictures."""
    classes = sum(path.is_dir() for path in folder.iterdir())
    snapshot = divide(folder, pictures=size * classes, test=TEST, seed=seed)
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
    """Return the share of right pictures, in points."""
    return 100 * float((logits.argmax(axis=1) == targets).mean())


def possible(answers: list[np.ndarray], targets: np.ndarray, temperatures: np.ndarray) -> float:
    """Return the accuracy with the share of two parts that is the best on the very pictures; NaN for more parts."""
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
                Asked([parts[each][split] for each in names], truth[split])
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
