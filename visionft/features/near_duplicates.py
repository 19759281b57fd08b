"""Near-duplicates by fingerprints alone: the cheap first stage of the duplicate check, before anything is trained.

A pair is proposed by its hashes, in any orientation, and confirmed by the correlation of the two images at 32 pixels.
Nothing is read but the fingerprints, so that the result follows from the contents alone, and is stored by them: each
evaluation asks for the same images again, 50,000 of which take 10 s to search. The duplicate check compares
at 160 pixels and finds more: strong crops, and pairs that its features propose.
"""

import hashlib
import logging
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from visionft.core.errors import VisionFTError
from visionft.core.events import Progress
from visionft.core.files import read_json, write_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.features.connected import DisjointSets
from visionft.features.fingerprints import FINGERPRINTS_FOLDER, Fingerprints, fingerprints
from visionft.features.neighbours import MAX_EXACT_ROWS
from visionft.features.registration import CoarseTemplate, coarse_template, find_alignments

logger = logging.getLogger(__name__)

CANDIDATE_BITS: Final = 10  # of 63 allowed to differ between the hashes of a candidate pair
STAGE: Final = Message("Looking for pairs")
PAIRS_FILE: Final = "curation/near-duplicates.json"  # in the project
_SEARCHES: Final = 4  # stored searches: of the split, and of runs on other images

# Trashnet, hands, clothes and magnetic tiles have 22 million pairs of images: none of two sets is found. In trashnet
# 3 of the 27 found pairs are different (round caps on a plain table); with 10 bits and .95 it is 14 of 44.
_BITS, _ALIKE = 8, 0.97
_NEIGHBOUR_ROWS: Final = 16  # rows of a search, of which each image has eight
_PARTS, _PART_BITS = 3, 21  # of a hash; with 4 of 16 bits, a million images share buckets with 8,300 others each
_BLOCK: Final = 4096
_KNOWN_IMAGES: Final = 16_384  # prepared at 32 pixels, 4 kB each


def near_duplicates(
    project_dir: Path,
    images: Snapshot,
    *,
    apart: Collection[tuple[int, int]] = (),
    newer_than: int = 0,
    job: JobContext = SILENT_JOB,
) -> list[tuple[int, int]]:
    """Return pairs of images, by their ids, the lower first, that connect each group of near-duplicates.

    Images without a fingerprint are decoded through the image cache, as training does. Unreadable images and images
    without any contrast (a white wall) are in no pair.

    Args:
        project_dir: The project's folder, for stored fingerprints.
        images: The images to compare.
        apart: Pairs of ids, the lower first, that the user judged to be no duplicates.
        newer_than: Highest id of the images that were compared before: pairs of two of them are left out.
        job: Receives the progress.

    Raises:
        JobCancelled: The user cancelled; fingerprints computed so far are stored.
        VisionFTError: The disk is full, or the project's folder cannot be written.
    """
    digest = _digest(images, apart, newer_than)
    known = _stored_pairs(project_dir)
    if digest in known:
        return known[digest]
    job = job.in_stages(10)
    with job.stage(weight=8):
        prints = fingerprints(project_dir, images, job=job)
    with job.stage(weight=2):
        pairs = _near_pairs(prints, frozenset(apart), newer_than, job)
    if not prints.unreadable:
        _store_pairs(project_dir, {**known, digest: pairs})
    return pairs


def _digest(images: Snapshot, apart: Collection[tuple[int, int]], newer_than: int) -> str:
    """Return the digest of all that the pairs follow from."""
    rule = (FINGERPRINTS_FOLDER, _BITS, _ALIKE, images.image_reading.key, sorted(apart), newer_than)
    digest = hashlib.sha256(repr(rule).encode())
    for image in images.images:
        digest.update(f"{image.image_id} {image.sha256} ".encode())
    return digest.hexdigest()


def _stored_pairs(project_dir: Path) -> dict[str, list[tuple[int, int]]]:
    """Return the pairs of the latest searches by digest; a damaged file counts as empty, and is made anew."""
    try:
        found = read_json(project_dir / PAIRS_FILE)
        return {str(digest): [(int(low), int(high)) for low, high in pairs] for digest, pairs in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        logger.warning("The stored pairs of near-duplicates cannot be read: %s", error)
        return {}


def _store_pairs(project_dir: Path, searches: dict[str, list[tuple[int, int]]]) -> None:
    try:
        write_json(project_dir / PAIRS_FILE, dict(list(searches.items())[-_SEARCHES:]))
    except (OSError, VisionFTError) as error:
        logger.warning("The pairs of near-duplicates were not stored: %s", error)


def _near_pairs(
    prints: Fingerprints, apart: Collection[tuple[int, int]], newer_than: int, job: JobContext
) -> list[tuple[int, int]]:
    usable = np.flatnonzero(~prints.is_featureless)
    hashes = prints.rows["hashes"]
    first, second, bit = pairs_by_hash(hashes[usable], usable, max_exact=MAX_EXACT_ROWS, job=job).T
    turns = np.log2(np.maximum(bit, 1)).astype(np.int64)
    bits = np.bitwise_count(hashes[first, 0] ^ hashes[second, turns])
    near = bits <= _BITS
    rows = np.stack([bits[near], first[near], second[near], turns[near]], axis=1).astype(np.int64)
    sets = DisjointSets()
    near_pairs: list[tuple[int, int]] = []

    @lru_cache(_KNOWN_IMAGES)
    def coarse(index: int) -> CoarseTemplate:
        row = prints.rows[index]
        return coarse_template(row["coarse"][: row["coarse_height"], : row["coarse_width"]])

    # The most similar pairs first. Connected images are not compared again, so N equal images give N - 1 pairs.
    order = np.lexsort(rows.T[::-1])
    for done, (_, one, other, turn) in enumerate(rows[order].tolist()):
        if done % 256 == 0:
            job.check_cancelled()
            job.report(Progress(stage=STAGE, done=done, total=len(rows)))
        low, high = sorted((prints.images[one].image_id, prints.images[other].image_id))
        if high <= newer_than or (low, high) in apart or sets.root(low) == sets.root(high):
            continue
        starts = find_alignments(coarse(one), coarse(other).turned(turn))
        if starts and starts[0].correlation >= _ALIKE:
            sets.join(low, high)
            near_pairs.append((low, high))
    return sorted(near_pairs)


def pairs_by_hash(
    hashes: np.ndarray, places: np.ndarray, *, max_exact: int, job: JobContext = SILENT_JOB
) -> np.ndarray:
    """Return (P, 3): the indices of two images, and the bit of the second one's orientation most similar to the first.

    With more than 10,000 images, a multi-index finds all pairs with up to 8 different bits and most of the others; with
    more than `max_exact` images, all pairs with up to 5. It takes 0.2 ms per image of a million, instead of 2.4 ms.

    Args:
        hashes: (N, 8) uint64, as in `Fingerprints`.
        places: (N,) indices of the images, which are returned instead of row numbers.
        max_exact: Largest number of images for which all pairs with up to 8 different bits are found.
        job: Receives the progress.
    """
    found = [np.empty((0, 3), np.int64)]
    if len(places) < 2:
        return found[0]
    import faiss

    index: Any = faiss.IndexBinaryFlat(64)
    if len(hashes) > 10_000:
        index = faiss.IndexBinaryMultiHash(64, _PARTS, _PART_BITS)
        index.nflip = 2 if len(hashes) <= max_exact else 1  # different bits in the most similar part
    index.add(np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, 8))  # row 8 n + o: image n in orientation o
    queries = np.ascontiguousarray(hashes[:, 0]).view(np.uint8).reshape(-1, 8)
    for start in range(0, len(queries), _BLOCK):
        job.check_cancelled()
        bits, rows = index.search(np.ascontiguousarray(queries[start : start + _BLOCK]), _NEIGHBOUR_ROWS)
        line, column = np.nonzero((rows >= 0) & (bits <= CANDIDATE_BITS))
        row = rows[line, column]
        pairs = np.stack([places[line + start], places[row // 8], 1 << (row % 8)], axis=1)
        found.append(pairs[pairs[:, 0] != pairs[:, 1]])
        job.report(Progress(stage=STAGE, done=min(len(queries), start + _BLOCK), total=len(queries)))
    return np.concatenate(found)
