"""Images similar to one or several others, and dissimilar to some: a ranking of the whole project in one product.

One example alone: the cosine of directions. Several: ridge regression on them, with a sample of all images as
background. With counter-examples: the mean cosine, minus a quarter of the mean cosine to those. Precision of the first
24 results from ten examples on trashnet and sign_digits: mean .85 and .91, ridge .90 and .94; with three hard
counter-examples beside three examples .89 and .88 (with half of their mean subtracted .81 and .83; ridge with -1 for
them .57 and .59).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from visionft.analysis.duplicates import known_groups
from visionft.core.errors import ImageError, ProjectError
from visionft.core.files import sha256_file
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.plane_files import why_no_image
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.embedding import embedded, features_under
from visionft.features.feature_store import Features, load_features

RESULT_COUNT: Final = 60
NEARLY_SAME: Final = 0.95  # cosine: all inspected pairs of trashnet above it were duplicates or of one burst
_BACKGROUND, _BACKGROUND_WEIGHT = 300, 0.1
_RIDGE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedImage:
    """An image of the ranking."""

    image_id: int
    score: float  # similarity, used for the order; for one example the cosine, from -1 to 1
    is_duplicate: bool  # whether it is nearly identical to an example, has its content, or was found as its duplicate


@dataclass(frozen=True)
class Example:
    """A query image: its direction (D,) and content, in the project or not (id 0)."""

    direction: np.ndarray
    sha256: str
    image_id: int = 0


@dataclass(frozen=True)
class Ranking:
    """Data for repeated similarity searches: all features, and {image id: number of its group of duplicates}."""

    features: Features
    groups: Mapping[int, int]

    def example(self, image_id: int) -> Example:
        """Return an image of the project as an example (ProjectError: it has no features)."""
        place = self.features.place_of.get(image_id)
        if place is None:
            raise ProjectError("This image cannot be compared: it has no usable features.")
        return Example(self.features.directions[place], self.features.images[place].sha256, image_id)

    def rank(
        self, like: Sequence[Example], unlike: Sequence[Example] = (), *, count: int = RESULT_COUNT
    ) -> tuple[RankedImage, ...]:
        """Return the images most similar to the examples and least similar to the counter-examples, best first.

        The examples themselves are left out; images labelled or removed meanwhile are not.

        Raises:
            ValueError: There is no example.
        """
        if not like:
            raise ValueError("nothing to look for")
        directions, images = self.features.directions, self.features.images
        scores = directions @ self._weights(like, unlike)
        given = {each.image_id for each in (*like, *unlike)}
        wanted = min(len(images), count + len(given))
        best = np.argpartition(-scores, wanted - 1)[:wanted] if wanted else np.zeros(0, np.int64)
        best = best[np.lexsort((best, -scores[best]))]  # equal scores in the order of the project
        chosen = [int(place) for place in best if images[place].image_id not in given][:count]
        near = directions[chosen] @ np.stack([each.direction for each in like]).T
        contents = {each.sha256 for each in like}
        groups = {self.groups[each.image_id] for each in like if each.image_id in self.groups}
        return tuple(
            RankedImage(
                image_id=images[place].image_id,
                score=float(scores[place]),
                is_duplicate=bool(cosines.max() >= NEARLY_SAME)
                or images[place].sha256 in contents
                or self.groups.get(images[place].image_id) in groups,
            )
            for place, cosines in zip(chosen, near, strict=True)
        )

    def _weights(self, like: Sequence[Example], unlike: Sequence[Example]) -> np.ndarray:
        """Return (D,) weights: of several examples by ridge regression in its dual form."""
        if len(like) == 1 and not unlike:
            return like[0].direction
        wanted = np.stack([each.direction for each in like])
        if unlike:
            return wanted.mean(axis=0) - 0.25 * np.mean([each.direction for each in unlike], axis=0)
        background, inverse = self._background
        across = wanted @ background.T  # (P, B)
        own = wanted @ wanted.T + _RIDGE * np.eye(len(wanted), dtype=np.float32)
        # The background's target is 0: its equations are solved beforehand; one equation per example remains.
        shares = np.linalg.solve(own - across @ inverse @ across.T, np.ones(len(wanted), np.float32))
        return wanted.T @ shares - background.T @ (inverse @ (across.T @ shares))

    @cached_property
    def _background(self) -> tuple[np.ndarray, np.ndarray]:
        """(B, D) weighted directions of sampled images, and the (B, B) inverse of their regularized products."""
        count = len(self.features)
        chosen = np.random.default_rng(0).choice(count, min(count, _BACKGROUND), replace=False)
        rows = self.features.directions[np.sort(chosen)] * np.float32(_BACKGROUND_WEIGHT**0.5)
        return rows, np.linalg.inv(rows @ rows.T + _RIDGE * np.eye(len(rows), dtype=np.float32))


def ranking_of(project_dir: Path, features: Features) -> Ranking:
    """Return the data for similarity searches in a project; the last duplicate check gives the groups."""
    return Ranking(features, known_groups(project_dir))


def examples_from_files(
    project_dir: Path, images: Snapshot, features: Features, files: Collection[Path], *, job: JobContext = SILENT_JOB
) -> list[Example]:
    """Return any images on this computer as examples; missing features are computed.

    Raises:
        ImageError: One cannot be read.
        VisionFTError: As `embedded`.
    """
    queries = query_images(images, files)
    found = load_features(project_dir, queries)
    if found.missing:
        found = features_under(project_dir, queries.images, found.kind.spec, job=job)
    if found.missing:
        path = found.missing[0].path
        raise ImageError(Message("{path} cannot be read: {reason}", path=path, reason=why_no_image(path)))
    if found.unusable:
        path = found.unusable[0].path
        raise ImageError(Message("{path} cannot be compared: it has no usable features.", path=path))
    directions = features.directions_of(found.vectors)
    return [Example(direction, image.sha256) for image, direction in zip(found.images, directions, strict=True)]


def compute_features(
    project_dir: Path, images: Snapshot, files: Collection[Path], *, job: JobContext = SILENT_JOB
) -> None:
    """Compute the missing features of a project's images and of any files; raises as `examples_from_files`."""
    examples_from_files(project_dir, images, embedded(project_dir, images, job=job), files, job=job)


def query_images(images: Snapshot, files: Iterable[Path]) -> Snapshot:
    """Return files outside a project as images without an id or a label, to be read as its images are.

    Raises:
        ImageError: One cannot be read.
    """
    return replace(images, images=tuple(map(_query_image, files)), prompts=())


def _query_image(path: Path) -> SnapshotImage:
    try:
        return SnapshotImage(0, path.resolve(), sha256_file(path), (), None)
    except OSError as error:
        reason = error.strerror or error
        raise ImageError(Message("{path} cannot be read: {reason}", path=path, reason=reason)) from error
