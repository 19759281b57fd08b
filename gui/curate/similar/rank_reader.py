"""Ranking a project's images by similarity to examples, in the background. No Qt here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from visionft.curation.similar import RankedImage, Ranking, examples_from_files, query_image, ranking_of
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.features.feature_store import current_kind, load_features
from visionft.project.store import Project

FOUND = 200  # images in the grid
Picked = int | Path  # an image of the project, or a file


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples and counter-examples of a search; no image is both."""

    like: tuple[Picked, ...] = ()
    unlike: tuple[Picked, ...] = ()

    def with_more(self, more: Iterable[Picked], *, is_like: bool) -> "Examples":
        """Return these with more examples, or counter-examples; images listed as the other change sides."""
        new = tuple(dict.fromkeys(more))
        rest = self.without(*new)
        return Examples((*rest.like, *new), rest.unlike) if is_like else Examples(rest.like, (*rest.unlike, *new))

    def without(self, *gone: object) -> "Examples":
        """Return these without some."""
        like, unlike = (tuple(each for each in side if each not in gone) for side in (self.like, self.unlike))
        return Examples(like, unlike)


@dataclass(frozen=True)
class RankResult:
    """The result of a search: the most similar images, best first, by id."""

    found: Mapping[int, RankedImage] = field(default_factory=dict[int, RankedImage])
    unseen: tuple[Path, ...] = ()  # files without features; compute those first
    has_features: bool = True  # whether any image of the project has features
    refusal: str = ""  # the reason why no search is possible, in words; empty where it is


class RankReader:
    """Rank images; the features are read once, and again after images were added."""

    def __init__(self) -> None:
        self._cached: tuple[tuple[Path, int, str], Ranking, Snapshot] | None = None

    def __call__(self, project: Project, examples: Examples, newest: int) -> RankResult:
        """Rank images; safe in any thread. `newest` is the highest image id of the project."""
        try:
            return self._rank(project, examples, newest)
        except VisionFTError as error:
            return RankResult(refusal=error.message)

    def _rank(self, project: Project, examples: Examples, newest: int) -> RankResult:
        kind, sides = current_kind(project.path), (examples.like, examples.unlike)
        files = tuple(each for side in sides for each in side if isinstance(each, Path))
        if kind is None:
            return RankResult(has_features=False, unseen=files)
        key = (project.path, newest, kind.folder_name)
        if self._cached is None or self._cached[0] != key:
            images = project.snapshot()
            self._cached = (key, ranking_of(project.path, load_features(project.path, images)), images)
        _, ranking, images = self._cached
        unseen = tuple(path for path in files if load_features(project.path, (query_image(path),)).missing)
        missing = {image.image_id for image in ranking.features.missing}
        if unseen or not len(ranking.features) or missing.intersection(examples.like):
            self._cached = None  # more results follow once features are computed
            return RankResult(unseen=unseen, has_features=bool(unseen))
        like, unlike = (
            [ranking.example(each) for each in side if isinstance(each, int)]
            + examples_from_files(
                project.path, images, ranking.features, [each for each in side if isinstance(each, Path)]
            )
            for side in sides
        )
        return RankResult({each.image_id: each for each in ranking.rank(like, unlike, count=FOUND)})
