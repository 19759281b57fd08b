"""How the map and the search for similar images grow with the images: generated features, processor time.

Run: `python tests/benchmarks/map_and_similar.py [COUNT ...] [--tsne MOST]`; t-SNE is drawn up to MOST images.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from visionft.curation.map.image_map import fit_frame
from visionft.curation.map.layout import lay_out, place_among
from visionft.curation.similar import Ranking
from visionft.data.types import SnapshotImage
from visionft.features.feature_store import FeatureKind, Features

WIDTHS = (128, 256, 512)
KIND = FeatureKind(backbone="made up", size=0, weights="", preprocessing="", widths=WIDTHS)
REPEATS = 9


def features_of(count: int) -> Features:
    """Return features of 60 groups."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(60, sum(WIDTHS))) * 0.6
    vectors = np.empty((count, sum(WIDTHS)), np.float16)
    for start in range(0, count, 8192):
        of = np.arange(start, min(count, start + 8192)) % len(centres)
        vectors[start : start + len(of)] = centres[of] + 0.5 * random.normal(size=(len(of), sum(WIDTHS)))
    images = tuple(SnapshotImage(place + 1, Path(f"/{place}.jpg"), f"{place:064x}", (), None) for place in range(count))
    return Features(KIND, images, vectors)


def seconds(act: Callable[[], object]) -> tuple[float, float]:
    """Return processor seconds of this process, and seconds on the clock."""
    began, clock = time.process_time(), time.perf_counter()
    act()
    return time.process_time() - began, time.perf_counter() - clock


def show_similar(features: Features) -> None:
    """Print how long a search takes."""
    ranking = Ranking(features, {})
    examples = [ranking.example(each) for each in (1, 61, 121, 181, 241)]
    others = [ranking.example(each) for each in (2, 3, 4)]
    for name, like, unlike in (
        ("similar to 1", examples[:1], []),
        ("similar to 5", examples, []),
        ("5 and 3 not", examples, others),
    ):
        taken = [seconds(lambda a=like, b=unlike: ranking.rank(a, b, count=200)) for _ in range(REPEATS)]
        processor, clock = np.median(taken, axis=0) * 1000
        least = min(each[1] for each in taken) * 1000
        row = f"{processor:.0f} ms, clock {clock:.0f} ms, at best {least:.0f}"
        print(f"{len(features):>8,}  {name:<16}{row}", flush=True)


def main() -> None:
    """Print a block for each size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 30_000, 100_000])
    parser.add_argument("--tsne", type=int, default=0)
    given = parser.parse_args()
    for count in given.counts:
        features = features_of(count)
        print(f"{count:>8,}  directions      {seconds(lambda f=features: f.directions)[0]:.1f} s")
        show_similar(features)
        frame = fit_frame(features)
        rows = frame.project(features.vectors)
        pca = seconds(lambda f=features: fit_frame(f).project(f.vectors))
        print(f"{count:>8,}  PCA             {pca[0]:.1f} s, clock {pca[1]:.1f} s", flush=True)
        if count <= given.tsne:
            drawn: list[np.ndarray] = []
            tsne = seconds(lambda r=rows, d=drawn: d.append(lay_out(r)))
            placed = seconds(lambda r=rows, d=drawn: place_among(r, d[0], r[:1000] + 0.01))
            print(f"{count:>8,}  t-SNE           {tsne[0]:.0f} s, clock {tsne[1]:.0f} s")
            print(f"{count:>8,}  1,000 placed    {placed[0]:.1f} s, clock {placed[1]:.1f} s", flush=True)


if __name__ == "__main__":
    main()
