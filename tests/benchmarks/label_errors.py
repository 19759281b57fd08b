"""Recall on planted label errors, calibration of the scores, and the time of an update.

Noise is planted into all labelled images: *uniform*, any other class; *confusable*, the likeliest class after the label
by a Gaussian classifier of five folds (for misclassified images, its predicted class: these look like their wrong
label, and few of them can be found). Printed per set, kind and rate, mean over seeds: recall in the top 10 % (or twice
the rate, where larger), of the check and of each vote alone; the number of errors expected by the check; for ranges of
the score, the share of wrong labels. Then the processor time of an update at 10,000, 30,000 and 100,000 generated
images x 896.

``OMP_NUM_THREADS=2 python tests/benchmarks/label_errors.py ../shared/data/trashnet ../shared/data/sign_digits``
"""

import argparse
import itertools
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from visionft.curation.label_errors.review import LabelReview
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.embedding import embedded
from visionft.features.feature_store import FeatureKind, Features
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

BARS = {("sign_digits", "uniform"): 0.99, ("sign_digits", "confusable"): 0.97}
BARS |= {("trashnet", "uniform"): 0.95, ("trashnet", "confusable"): 0.85}
RATES, SEEDS, MAIN_RATE = (0.01, 0.05, 0.1, 0.2), 3, 0.05
EDGES = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
FOLDS, SHRINKAGE = 5, 0.2
SIZES, CLASSES, WIDTHS = (10_000, 30_000, 100_000), 10, (128, 256, 512)


def features_of_folder(folder: Path, kept: Path) -> tuple[Features, Snapshot]:
    """Return the features and the labelled images of a folder of class folders; the project is created in `kept`."""
    place = kept / folder.name
    if not place.exists():
        with Project.create(place) as project:
            import_source(project, folder)
    with Project.open(place, read_only=True) as project:
        images = project.snapshot()
    images = replace(images, images=tuple(image for image in images.images if image.labels))
    return embedded(place, images), images


def likeliest_other(inputs: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the (N) likeliest classes other than the label, by a GDA of five folds."""
    classes = int(labels.max()) + 1
    fold = np.random.default_rng(seed + 1000).permutation(len(labels)) % FOLDS
    logits = np.zeros((len(labels), classes))
    for number in range(FOLDS):
        test, rows, own = fold == number, inputs[fold != number].astype(np.float64), labels[fold != number]
        counts = np.bincount(own, minlength=classes)
        means = np.stack([rows[own == index].mean(axis=0) for index in range(classes)])
        within = (rows - means[own]).T @ (rows - means[own]) / (len(rows) - classes)
        shrunk = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
        weight = np.linalg.solve(shrunk, means.T)
        logits[test] = inputs[test] @ weight + np.log(counts / counts.sum()) - (means.T * weight).sum(axis=0) / 2
    logits[np.arange(len(labels)), labels] = -np.inf
    return logits.argmax(axis=1)


def planted(labels: np.ndarray, other: np.ndarray | None, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels with noise, and a mask (N) of the wrong ones."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(labels), round(rate * len(labels)), replace=False)
    noisy, classes = labels.copy(), int(labels.max()) + 1
    noisy[chosen] = (labels[chosen] + random.integers(1, classes, len(chosen))) % classes
    if other is not None:
        noisy[chosen] = other[chosen]
    return noisy, noisy != labels


def recall(order: np.ndarray, wrong: np.ndarray, share: float) -> float:
    """Return the share of wrong labels among the first of an order."""
    return float(wrong[order[: round(share * len(wrong))]].sum() / wrong.sum())


def margins(said: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return (N) how much more another class gets than the label."""
    return np.where(targets > 0, -np.inf, said).max(axis=1) - np.where(targets > 0, said, -np.inf).max(axis=1)


def measure(features: Features, images: Snapshot, noisy: np.ndarray, wrong: np.ndarray, share: float) -> dict:
    """Check noisy labels once; return recalls, the expected number of errors, scores and suggestions."""
    changed = tuple(replace(i, labels=(int(label),)) for i, label in zip(images.images, noisy, strict=True))
    review = LabelReview(features, replace(images, images=changed))
    scores = np.array([review.score(image.image_id) for image in changed])
    place = {image.image_id: at for at, image in enumerate(changed)}
    found = np.array([place[finding.image_id] for finding in review.issues()])
    alone = {
        name: recall(np.argsort(-margins(logits, review.targets)), wrong, share)
        for name, logits in zip(review.vote_names, review.votes, strict=True)
    }
    return {"blend": recall(found, wrong, share), **alone, "scores": scores, "expected": review.expected_errors}


def measure_set(folder: Path, kept: Path, rates: list[float], seeds: int) -> None:
    """Print the recall on one set."""
    features, images = features_of_folder(folder, kept)
    images = replace(images, images=features.images)
    labels = np.array([image.labels[0] for image in images.images])
    for kind in ("uniform", "confusable"):
        for rate in rates:
            share, results, wrongs = max(0.1, 2 * rate if rate > MAIN_RATE else 0), [], []
            for seed in range(seeds):
                other = likeliest_other(features.inputs, labels, seed) if kind == "confusable" else None
                noisy, wrong = planted(labels, other, rate, seed)
                results.append(measure(features, images, noisy, wrong, share))
                wrongs.append(wrong)
            means = {name: np.mean([each[name] for each in results]) for name in results[0] if name != "scores"}
            bar = f" (bar {BARS[folder.name, kind]})" if rate == MAIN_RATE and (folder.name, kind) in BARS else ""
            single = " ".join(f"{name} {means[name]:.3f}" for name in means if name not in ("blend", "expected"))
            print(f"{folder.name} {kind} {rate:.0%}: recall in the top {share:.0%} {means['blend']:.3f}{bar}; {single}")
            print(f"   wrong {wrongs[0].sum()}, expected {means['expected']:.0f}; {reliability(results, wrongs)}")


def reliability(results: list[dict], wrongs: list[np.ndarray]) -> str:
    """Return, for ranges of the score, its mean, the share of wrong labels and their number."""
    scores, wrong = np.concatenate([each["scores"] for each in results]), np.concatenate(wrongs)
    parts = []
    for low, high in itertools.pairwise(EDGES):
        inside = (scores >= low) & ((scores < high) | (high == EDGES[-1]))
        if inside.any():
            parts.append(f"{scores[inside].mean():.2f} -> {wrong[inside].mean():.2f} ({inside.sum()})")
    return "score -> wrong: " + ", ".join(parts)


def measure_time(count: int, changes: int = 9) -> None:
    """Print the processor time of a check and of the changes after it, on generated features."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, count)
    centres = random.normal(size=(CLASSES, sum(WIDTHS))).astype(np.float32)
    vectors = (centres[labels] + 4 * random.standard_normal((count, sum(WIDTHS)), np.float32)).astype(np.float16)
    images = [SnapshotImage(n, Path(f"{n}.jpg"), f"{n:064x}", (int(c),), None) for n, c in enumerate(labels)]
    kind = FeatureKind(backbone="generated", size=1, weights="", preprocessing="", widths=WIDTHS)
    names = tuple(f"class {number}" for number in range(CLASSES))
    features, start = Features(kind, tuple(images), vectors), time.process_time()
    review = LabelReview(features, Snapshot("single", names, tuple(images)))
    built, times = time.process_time() - start, []
    for change in range(changes):
        issue = review.issues()[0]
        labels = (names.index(issue.suggested),) if change % 3 else ()
        images[issue.image_id] = replace(images[issue.image_id], labels=labels)
        now = Snapshot("single", names, tuple(images))
        start = time.process_time()
        review.follow(now)
        review.issues()
        times.append(time.process_time() - start)
    slowest = f"{max(times):.3f} s at most"
    print(f"{count:,} x {sum(WIDTHS)}: look {built:.1f} s, change and order anew {np.median(times):.3f} s, {slowest}")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="folders of class folders")
    parser.add_argument("--rates", nargs="+", type=float, default=RATES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES, help="generated images to time with")
    parser.add_argument("--keep", type=Path, help="folder for the projects, so that features are computed once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for folder in arguments.folders:
            measure_set(folder, arguments.keep or Path(temporary), arguments.rates, arguments.seeds)
    for count in arguments.sizes:
        measure_time(count)


if __name__ == "__main__":
    main()
