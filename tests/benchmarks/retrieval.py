"""Accuracy and calibration of k-NN retrieval, next to heads solved in closed form.

    python tests/benchmarks/retrieval.py ../shared/data/trashnet ../shared/data/sign_digits [--seeds 3] [--times]

In every set (class folders, or a project with features), so many images of each class are labelled at random and the
rest is predicted: accuracy and expected calibration error over 15 bins of equal size, without a validation image; `held
out` is the index's own estimate beforehand. Labelled duplicates of a query image have no vote in retrieval, but count
in the heads. `--times` adds processor time on generated features: building an index, and one prediction with its
evidence.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from labelling import features_of
from suggestions import calibration_error

from visionft.calibration import softmax
from visionft.features.feature_store import Features, load_features
from visionft.heads.class_means import fit_class_means
from visionft.heads.knn.knn_fitting import fit_memory
from visionft.heads.linear_head import fit_head
from visionft.project.store import Project
from visionft.retrieval.evidence import find_evidence
from visionft.suggest.feature_suggester import LabelsSoFar, labels_so_far

SHOTS = (5, 10, 20, 60)


def answers_of(name: str, vectors: np.ndarray, targets: np.ndarray, asked: np.ndarray, widths: tuple[int, ...]):
    """Return the (M, C) probabilities of a method, and its own estimate beforehand."""
    if name == "retrieval":
        fitted = fit_memory(vectors, targets, widths=widths)
        return fitted.memory.predict(fitted.memory.directions(asked)), fitted.accuracy
    fit = fit_head if name == "linear" else fit_class_means
    head = fit(vectors, targets, widths=widths)
    return softmax(asked @ head.weight.T + head.bias), head.accuracy


def cosine_accuracy(vectors: np.ndarray, wanted: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> float:
    """Return how often most of the 10 nearest by the plain cosine of centred features are right."""
    rows, queries = (each - vectors.mean(axis=0) for each in (vectors, asked))
    rows, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (rows, queries))
    nearest = wanted[np.argsort(-queries @ rows.T, axis=1)[:, :10]]
    said = np.array([np.bincount(each).argmax() for each in nearest])
    return float((said == truth).mean())


def of_project(folder: Path) -> tuple[Features, LabelsSoFar]:
    """Return the features and labels of a project's images, where they have features."""
    with Project.open(folder, read_only=True) as project:
        return load_features(folder, project.snapshot()), labels_so_far(project)


def reliability(folder: Path, seeds: int) -> None:
    """Print the table of one set."""
    features, labels = of_project(folder) if (folder / "project.db").is_file() else features_of(folder)
    places = [place for place, image in enumerate(features.images) if image.image_id in labels.given]
    names = [labels.given[features.images[place].image_id][0] for place in places]
    wanted, count = np.array([labels.class_names.index(name) for name in names]), len(labels.class_names)
    vectors, widths = features.vectors[places].astype(np.float32), features.kind.widths
    print(f"\n{folder.name}: {len(wanted):,} images, {count} classes")
    print("  shots  answers    right  ece    held out")
    for shots in SHOTS:
        rows: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(seeds):
            generator = np.random.default_rng(seed)
            groups = [generator.permutation(np.flatnonzero(wanted == index))[:shots] for index in range(count)]
            chosen = np.concatenate(groups)
            rest = np.setdiff1d(np.arange(len(wanted)), chosen)
            for name in ("retrieval", "prototype", "linear"):
                targets = np.eye(count)[wanted[chosen]]
                said, held_out = answers_of(name, vectors[chosen], targets, vectors[rest], widths)
                sure, is_right = said.max(axis=1), said.argmax(axis=1) == wanted[rest]
                rows.setdefault(name, []).append((is_right.mean(), calibration_error(sure, is_right), held_out or 0.0))
            plain = cosine_accuracy(vectors[chosen], wanted[chosen], vectors[rest], wanted[rest])
            rows.setdefault("cosine 10", []).append((plain, np.nan, np.nan))
        for name, found in rows.items():
            right, ece, held_out = np.mean(found, axis=0)
            print(f"  {shots:5}  {name:9}  {right:.3f}  {ece:.3f}  {held_out:.3f}", flush=True)


def times() -> None:
    """Print processor time on generated features."""
    print("\nimages   memory made s   answer ms   answer with evidence ms   (processor time, 896 features, 20 classes)")
    for count in (10_000, 100_000):
        generator = np.random.default_rng(0)
        wanted = generator.integers(0, 20, count)
        vectors = generator.standard_normal((count, 896), np.float32)
        vectors[np.arange(count), wanted] += 4
        start = time.process_time()
        memory = fit_memory(vectors, np.eye(20, dtype=np.float32)[wanted], widths=(128, 256, 512)).memory
        made = time.process_time() - start
        asked = memory.directions(vectors[:20] + generator.standard_normal((20, 896), np.float32))
        names = tuple(map(str, range(20)))
        spent: dict[str, list[float]] = {"answer": [], "evidence": []}
        for direction in asked:
            start = time.process_time()
            memory.predict(direction[None])
            spent["answer"].append(time.process_time() - start)
            start = time.process_time()
            find_evidence(memory, names, direction)
            spent["evidence"].append(time.process_time() - start)
        answer, evidence = (1000 * float(np.median(each)) for each in spent.values())
        print(f"{count:8,}   {made:13.1f}   {answer:9.1f}   {evidence:16.1f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--times", action="store_true")
    given = parser.parse_args()
    for folder in given.sets:
        reliability(folder, given.seeds)
    if given.times:
        times()


if __name__ == "__main__":
    main()
