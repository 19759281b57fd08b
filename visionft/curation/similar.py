"""Pictures like one or several others, and unlike some: a ranking of the whole project in one product.

One example alone: the cosine of directions. Several: ridge regression on them, with some of all pictures as background.
With counter-examples: the mean cosine, less a quarter of the mean cosine to those. Of the first 24 found from ten
examples were right on trashnet and sign_digits: mean .85 and .91, ridge .90 and .94; with three hard counter-examples
beside three examples .89 and .88 (half of their mean taken off .81 and .83; ridge with -1 for them .57 and .59).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from visionft.curation.duplicates.check import known_groups
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ImageError, ProjectError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import embed
from visionft.features.feature_store import Features, load_features
from visionft.files import sha256_file

MOST: Final = 60
NEARLY_SAME: Final = 0.95  # cosine: of trashnet's pairs above, those looked at were doubles or of one burst
_BACKGROUND, _BACKGROUND_WEIGHT = 300, 0.1
_RIDGE: Final = 1.0
_AGAINST: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """A picture of the ranking.

    Attributes:
        image_id: The picture.
        score: How alike it is: what ranks; of one example the cosine, from -1 to 1.
        is_double: It looks nearly the same as an example, has the same content, or the search for duplicates says so.
    """

    image_id: int
    score: float
    is_double: bool


@dataclass(frozen=True)
class Example:
    """A picture to look for: its direction (D,) and content, whether it belongs to the project or not (id 0)."""

    direction: np.ndarray
    sha256: str
    image_id: int = 0


@dataclass(frozen=True)
class Ranking:
    """What is needed to rank a project's pictures again and again.

    Attributes:
        features: Of all pictures.
        groups: {image id: number of its group of duplicates}, where the search for duplicates ran.
    """

    features: Features
    groups: Mapping[int, int]

    def example(self, image_id: int) -> Example:
        """Return a picture of the project as an example.

        Raises:
            ProjectError: It has no features.
        """
        place = self.features.place_of.get(image_id)
        if place is None:
            raise ProjectError("This picture cannot be compared: a network makes nothing of it, or never saw it.")
        return Example(self.features.directions[place], self.features.images[place].sha256, image_id)

    def rank(self, like: Sequence[Example], unlike: Sequence[Example] = (), *, count: int = MOST) -> tuple[Alike, ...]:
        """Return the pictures most like the examples and least like the counter-examples, best first.

        The examples themselves are left out, whatever was labelled or removed meanwhile is not.

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
        doubles = self._doubles(chosen, like)
        return tuple(
            Alike(image_id=images[place].image_id, score=float(scores[place]), is_double=is_double)
            for place, is_double in zip(chosen, doubles, strict=True)
        )

    def _weights(self, like: Sequence[Example], unlike: Sequence[Example]) -> np.ndarray:
        """Return (D,) weights: of several examples by ridge regression in its dual form."""
        if len(like) == 1 and not unlike:
            return like[0].direction
        wanted = np.stack([each.direction for each in like])
        if unlike:
            return wanted.mean(axis=0) - _AGAINST * np.mean([each.direction for each in unlike], axis=0)
        background, inverse = self._background
        across = wanted @ background.T  # (P, B)
        own = wanted @ wanted.T + _RIDGE * np.eye(len(wanted), dtype=np.float32)
        # The background's target is 0: its equations are solved beforehand, and leave as many as there are examples.
        shares = np.linalg.solve(own - across @ inverse @ across.T, np.ones(len(wanted), np.float32))
        return wanted.T @ shares - background.T @ (inverse @ (across.T @ shares))

    @cached_property
    def _background(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (B, D) weighted directions of some pictures, and the (B, B) inverse of their regularised products."""
        count = len(self.features)
        chosen = np.random.default_rng(0).choice(count, min(count, _BACKGROUND), replace=False)
        rows = self.features.directions[np.sort(chosen)] * np.float32(_BACKGROUND_WEIGHT**0.5)
        return rows, np.linalg.inv(rows @ rows.T + _RIDGE * np.eye(len(rows), dtype=np.float32))

    def _doubles(self, chosen: Sequence[int], like: Sequence[Example]) -> list[bool]:
        found = self.features.directions[list(chosen)] @ np.stack([each.direction for each in like]).T
        is_near = found.max(axis=1) >= NEARLY_SAME if len(chosen) else np.zeros(0, bool)
        contents = {each.sha256 for each in like}
        groups = {self.groups[each.image_id] for each in like if each.image_id in self.groups}
        images = [self.features.images[place] for place in chosen]
        return [
            bool(near) or image.sha256 in contents or self.groups.get(image.image_id) in groups
            for near, image in zip(is_near, images, strict=True)
        ]


def ranking_of(project_dir: Path, features: Features) -> Ranking:
    """Return what ranks a project's pictures; the groups of duplicates are those found last."""
    return Ranking(features, known_groups(project_dir))


def examples_from_files(
    project_dir: Path,
    images: Snapshot,
    features: Features,
    files: Collection[Path],
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> list[Example]:
    """Return any pictures on this computer as examples; the network looks at those that it has not seen.

    Raises:
        ImageError: One cannot be read.
        VisionFTError: As `embed`.
    """
    outside = tuple(_outside(path) for path in files)
    asked = Snapshot(images.task, images.class_names, outside)
    if load_features(project_dir, asked).missing:
        report = embed(project_dir, asked, on_event=on_event, should_stop=should_stop)
        for path, reason in report.unreadable:
            raise ImageError(f"{path} cannot be read: {reason}")
    found = load_features(project_dir, asked)
    if found.unusable or found.missing:
        path = (*found.unusable, *found.missing)[0].path
        raise ImageError(f"{path} cannot be compared: the network makes nothing of it.")
    return [
        Example(direction, image.sha256)
        for image, direction in zip(found.images, features.directions_of(found.vectors), strict=True)
    ]


def _outside(path: Path) -> SnapshotImage:
    try:
        return SnapshotImage(0, path.resolve(), sha256_file(path), (), None)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error
