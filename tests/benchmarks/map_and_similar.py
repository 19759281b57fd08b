"""How the map and the search for similar images grow with the images: generated features, processor time.

    python tests/benchmarks/map_and_similar.py [--counts 10000 30000 100000] [--tsne MOST]

t-SNE is drawn up to MOST images.
"""

import time
from pathlib import Path

import numpy as np
from bench import median_of, read_options, timed

from visionft.curation.map.image_map import fit_frame
from visionft.curation.map.layout import lay_out, place_among
from visionft.curation.similar import Ranking
from visionft.data.types import SnapshotImage
from visionft.features.feature_store import FeatureKind, Features

WIDTHS = (128, 256, 512)
KIND = FeatureKind(backbone="made up", size=0, weights="", preprocessing="", widths=WIDTHS)


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


def measure(count: int, tsne: int) -> None:
    """Print a line for each computation."""
    features, clock = features_of(count), time.process_time
    print(f"{count:>8,}  directions      {timed(lambda: features.directions, clock)}")
    ranking = Ranking(features, {})
    likes, unlikes = ([ranking.example(each) for each in ids] for ids in ((1, 61, 121, 181, 241), (2, 3, 4)))
    for name, like, unlike in (
        ("similar to 1", likes[:1], []),
        ("similar to 5", likes, []),
        ("5 and 3 not", likes, unlikes),
    ):
        found = median_of(lambda a=like, b=unlike: ranking.rank(a, b, count=200), repeats=9)
        print(f"{count:>8,}  {name:<16}{found}", flush=True)
    print(f"{count:>8,}  PCA             {timed(lambda: fit_frame(features).project(features.vectors), clock)}")
    if count <= tsne:
        rows, drawn = fit_frame(features).project(features.vectors), list[np.ndarray]()
        print(f"{count:>8,}  t-SNE           {timed(lambda: drawn.append(lay_out(rows)), clock)}")
        placed = timed(lambda: place_among(rows, drawn[0], rows[:1000] + 0.01), clock)
        print(f"{count:>8,}  1,000 placed    {placed}", flush=True)


if __name__ == "__main__":
    options = read_options(__doc__, counts=[10_000, 30_000, 100_000], tsne=0)
    for count in options.counts:
        measure(count, options.tsne)
