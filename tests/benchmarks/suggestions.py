"""Accuracy, calibration and speed of suggestions from features.

    python tests/benchmarks/suggestions.py ../shared/data/trashnet ../shared/data/sign_digits [--seeds 5] [--growth]

In every set, so many images of each class are labelled at random; the rest is suggested. `ece` is the expected
calibration error of the suggested class over 15 bins of equal size, among the unlabelled images; then the share with at
least 95 % confidence, and the accuracy of those. `--growth` adds processor time on generated features: one label added
and every image predicted again, with 20 classes; a label removed; a batch of 12; and the start.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
from labelling import features_of

from visionft.heads.closed_form import ClosedForm
from visionft.heads.feature_map import FeatureMap
from visionft.suggest.blend import predict

SHOTS = (1, 2, 4, 8, 16, 32)
BINS = 15


def calibration_error(sure: np.ndarray, is_right: np.ndarray) -> float:
    """Return the mean distance between how sure and how right a bin is (Guo et al. 2017), bins of equal size."""
    parts = np.array_split(np.argsort(sure, kind="stable"), BINS)
    return float(sum(len(part) * abs(sure[part].mean() - is_right[part].mean()) for part in parts) / len(sure))


def reliability(folder: Path, seeds: int) -> None:
    """Print how right and how calibrated suggestions for one set are."""
    features, labels = features_of(folder)
    places = [place for place, image in enumerate(features.images) if image.image_id in labels.given]
    classes = [labels.class_names.index(labels.given[features.images[place].image_id][0]) for place in places]
    inputs, wanted = features.inputs[places], np.array(classes)
    feature_map, count = FeatureMap.fitted(inputs), len(labels.class_names)
    fresh = ClosedForm(feature_map(inputs), count, linear=feature_map.linear)
    print(f"\n{folder.name}: {len(wanted):,} images, {count} classes")
    print("  shots  right  sure of  ece    95 % sure  of those right")
    for shots in SHOTS:
        rows = []
        for seed in range(seeds):
            generator = np.random.default_rng(seed)
            chosen = np.concatenate(
                [generator.permutation(np.flatnonzero(wanted == index))[:shots] for index in range(count)]
            )
            state = copy.deepcopy(fresh)
            state.label(chosen, np.eye(count, dtype=np.float32)[wanted[chosen]])
            rest = np.setdiff1d(np.arange(len(wanted)), chosen)
            shares = predict(state, is_multilabel=False).probabilities[rest]
            sure, is_right = shares.max(axis=1), shares.argmax(axis=1) == wanted[rest]
            among = is_right[sure >= 0.95]
            rows.append(
                (
                    is_right.mean(),
                    sure.mean(),
                    calibration_error(sure, is_right),
                    len(among) / len(rest),
                    among.mean() if len(among) else np.nan,
                )
            )
        right, mean, ece, share, of_those = np.ma.masked_invalid(rows).mean(axis=0)
        print(f"  {shots:5}  {right:.3f}  {mean:.3f}    {ece:.3f}  {share:9.3f}  {of_those:.3f}", flush=True)


def growth() -> None:
    """Print processor time on generated features."""
    print("\nimages x features   start s  a label ms  taken away ms  12 labels ms   (processor time, 20 classes)")
    for count, width in ((10_000, 512), (10_000, 896), (30_000, 512), (100_000, 512)):
        generator = np.random.default_rng(0)
        wanted = generator.integers(0, 20, count)
        inputs = generator.standard_normal((count, width), np.float32)
        inputs[np.arange(count), wanted] += 4
        inputs *= np.float32(np.sqrt(3 / width))
        start = time.process_time()
        feature_map = FeatureMap.fitted(inputs)
        state = ClosedForm(feature_map(inputs), 20, linear=feature_map.linear)
        times = {"start": [time.process_time() - start]}
        del inputs
        eye = np.eye(20, dtype=np.float32)
        order = generator.permutation(count)
        state.label(order[:200], eye[wanted[order[:200]]])
        for kind, size, rounds in (("one", 1, 9), ("away", 1, 5), ("batch", 12, 5)):
            for number in range(rounds):
                places = order[200 + number * size : 200 + (number + 1) * size]
                start = time.process_time()
                if kind == "away":
                    state.unlabel(places)
                else:
                    state.label(places, eye[wanted[places]])
                predict(state, is_multilabel=False)
                times.setdefault(kind, []).append(time.process_time() - start)
        one, away, batch = (1000 * float(np.median(times[kind])) for kind in ("one", "away", "batch"))
        print(
            f"{count:8,} x {width:<8}  {times['start'][0]:8.1f}  {one:10.0f}  {away:13.0f}  {batch:12.0f}", flush=True
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--growth", action="store_true")
    given = parser.parse_args()
    for folder in given.sets:
        reliability(folder, given.seeds)
    if given.growth:
        growth()


if __name__ == "__main__":
    main()
