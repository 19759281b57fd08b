"""Ranking a project's pictures by their likeness to examples, beside the window. No Qt here."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from visionft.curation.similar import Alike, Example, Ranking, examples_from_files, ranking_of
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ImageError, VisionFTError
from visionft.features.feature_store import current_kind, load_features
from visionft.files import sha256_file
from visionft.project.store import Project

logger = logging.getLogger(__name__)

FOUND = 200  # pictures that the grid shows
Picked = int | Path  # a picture of the project, or a file


@dataclass(frozen=True, slots=True)
class Examples:
    """What is looked for, and what is not meant; nothing is both."""

    like: tuple[Picked, ...] = ()
    unlike: tuple[Picked, ...] = ()

    def with_more(self, more: Iterable[Picked], *, is_like: bool) -> "Examples":
        """Return these with more examples, or counter-examples; what was the other before changes sides."""
        new = tuple(dict.fromkeys(more))
        rest = self.without_all(new)
        return Examples((*rest.like, *new), rest.unlike) if is_like else Examples(rest.like, (*rest.unlike, *new))

    def without(self, one: object) -> "Examples":
        """Return these without one."""
        return self.without_all((one,))

    def without_all(self, gone: Iterable[object]) -> "Examples":
        """Return these without some."""
        left = set(gone)
        like = tuple(each for each in self.like if each not in left)
        return Examples(like, tuple(each for each in self.unlike if each not in left))


@dataclass(frozen=True)
class Ranked:
    """What was found.

    Attributes:
        found: The most alike, best first, by their ids.
        unseen: Files that the network has not seen: it has to look at them first.
        has_features: Whether the pictures of the project have any.
        refusal: Why nothing can be found, in words; empty where it can.
    """

    found: Mapping[int, Alike] = field(default_factory=dict[int, Alike])
    unseen: tuple[Path, ...] = ()
    has_features: bool = True
    refusal: str = ""


class RankReader:
    """Ranks; the features are read once, and again when pictures have come."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[Path, int, str], Ranking, Snapshot] | None = None

    def __call__(self, key: tuple[Project, Examples, int, int]) -> Ranked | None:
        """Rank; safe in any thread. None where the project was closed meanwhile, or its folder is gone."""
        project, examples, newest, _ = key
        try:
            return self._rank(project, examples, newest)
        except (VisionFTError, OSError) as error:
            logger.warning("Nothing was ranked: %s", error)
            return Ranked(refusal=error.message) if isinstance(error, VisionFTError) else None

    def _rank(self, project: Project, examples: Examples, newest: int) -> Ranked:
        kind = current_kind(project.path)
        if kind is None:
            return Ranked(has_features=False, unseen=_files(examples))
        at = (project.path, newest, kind.folder_name)
        if self._kept is None or self._kept[0] != at:
            images = project.snapshot()
            self._kept = (at, ranking_of(project.path, load_features(project.path, images)), images)
        _, ranking, images = self._kept
        files = _files(examples)
        unseen = tuple(path for path in files if _is_unseen(project.path, images, path))
        missing = {image.image_id for image in ranking.features.missing}
        if (
            unseen
            or not len(ranking.features)
            or missing.intersection(each for each in examples.like if each in missing)
        ):
            self._kept = None  # more will be known when the network has looked
            return Ranked(unseen=unseen, has_features=bool(unseen))
        sides = [self._examples(project.path, ranking, images, side) for side in (examples.like, examples.unlike)]
        return Ranked({each.image_id: each for each in ranking.rank(*sides, count=FOUND)})

    @staticmethod
    def _examples(project_dir: Path, ranking: Ranking, images: Snapshot, picked: Iterable[Picked]) -> list[Example]:
        files = [each for each in picked if isinstance(each, Path)]
        outside = examples_from_files(project_dir, images, ranking.features, files)
        return [ranking.example(each) for each in picked if isinstance(each, int)] + outside


def _files(examples: Examples) -> tuple[Path, ...]:
    return tuple(each for each in (*examples.like, *examples.unlike) if isinstance(each, Path))


def _is_unseen(project_dir: Path, images: Snapshot, path: Path) -> bool:
    try:
        image = SnapshotImage(0, path, sha256_file(path), (), None)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error
    return bool(load_features(project_dir, (image,)).missing)
