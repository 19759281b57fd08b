"""The stored features of a project: one row per image content for each backbone and input. Torch-free; see `embedding`.

Each kind of features has a folder in the project's `features/`; `current.json` names the current kind.

The disk space of features is limited like that of decoded images. They may be deleted at any time, even while they are
read, because they can be computed again. Only the record of the features in use is kept, as the user may have chosen
their network.
"""

import contextlib
import hashlib
import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from models.heads.numerics import ScaledRows, part_scaling, unit_rows
from visionft.core.errors import NextStep, ProjectError, VisionFTError
from visionft.core.files import read_json, write_json
from visionft.data import image_cache
from visionft.data.image_cache import CacheUse, Entry
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_spec import FeatureSpec
from visionft.features.row_store import KEYS, ROWS, RowStore, delete_rows

logger = logging.getLogger(__name__)

FEATURES_FOLDER: Final = "features"
CURRENT, ABOUT, SPEED = "current.json", "about.json", "speed.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureKind:
    backbone: str  # its name in the catalog
    size: int  # square root of the input's area, in pixels
    weights: str  # SHA-256 of the weights file, or the seed of random weights
    preprocessing: str  # the preprocessing as text
    widths: tuple[int, ...]  # widths of the multi-stage features, the final embedding last; their sum is D
    framing: str = "centre"  # framing, aspect and region as in a `FeatureSpec`
    aspect: float = 0.0
    region: str = ""
    image_reading: ImageReading = AS_STORED
    is_mirrored: bool = False  # whether these are features of mirrored copies, for fitting a head

    @property
    def folder_name(self) -> str:
        digest = hashlib.sha256(repr((self.weights, self.preprocessing, self.widths)).encode()).hexdigest()
        safe = "".join(character if character.isalnum() else "_" for character in self.backbone)[:60]
        return f"{safe}-{self.size}-{digest[:12]}{'-mirrored' if self.is_mirrored else ''}"

    @property
    def spec(self) -> FeatureSpec:
        """Return the spec that gives these features with the local pretrained weights."""
        names = ("backbone", "framing", "aspect", "region", "image_reading")
        return FeatureSpec(image_size=self.size, **{name: getattr(self, name) for name in names})

    def store(self, project_dir: Path) -> RowStore:
        """Open the store of these features, with (D,) float16 rows."""
        return RowStore(project_dir / FEATURES_FOLDER / self.folder_name, np.dtype((np.float16, (sum(self.widths),))))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        reading = ImageReading.from_dict(values.get("image_reading", {}))
        return cls(**{**values, "widths": tuple(values["widths"]), "image_reading": reading})

    @classmethod
    def of(cls, spec: FeatureSpec, weights: str, widths: Sequence[int], *, is_mirrored: bool = False) -> Self:
        """Return the kind of the multi-stage features of a network.

        Args:
            spec: The network and its input, with a known aspect ratio.
            weights: SHA-256 of the weights file; empty for random weights.
            widths: Widths of the stages.
            is_mirrored: Whether they are features of the mirrored images.
        """
        return cls(
            backbone=spec.backbone,
            size=spec.input_size,
            weights=weights or f"random {spec.seed}",
            preprocessing=spec.preprocessing.key,
            widths=tuple(widths),
            framing=spec.framing,
            aspect=spec.aspect,
            region=spec.region,
            image_reading=spec.image_reading,
            is_mirrored=is_mirrored,
        )


@dataclass(frozen=True)
class Features:
    """Features of a project's images, in the order of the snapshot; images without features are left out."""

    kind: FeatureKind  # the feature extractor
    images: tuple[SnapshotImage, ...]  # (N) images with features
    vectors: np.ndarray  # (N, D) float16, unscaled
    missing: tuple[SnapshotImage, ...] = ()  # images without features yet, or with an unreadable file
    unusable: tuple[SnapshotImage, ...] = ()  # images with non-finite features

    def __len__(self) -> int:
        return len(self.images)

    def among(self, indices: Sequence[int]) -> "Features":
        return Features(self.kind, tuple(self.images[index] for index in indices), self.vectors[list(indices)])

    @cached_property
    def place_of(self) -> dict[int, int]:
        return {image.image_id: index for index, image in enumerate(self.images)}

    @cached_property
    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (D,) float32 means and divisors of `inputs`."""
        return part_scaling(self.vectors, self.kind.widths)

    @cached_property
    def inputs(self) -> ScaledRows:
        """Return (N, D) float32 inputs of a head: centred, each stage scaled to a mean squared norm of 1."""
        return ScaledRows(self.vectors, *self.scaling)

    @cached_property
    def directions(self) -> ScaledRows:
        """Return `inputs` scaled to unit length, for cosines; an image equal to the mean has only zeros."""
        return ScaledRows(self.vectors, *self.scaling, are_directions=True)

    def directions_of(self, vectors: np.ndarray) -> np.ndarray:
        """Return (M, D) float32 unit vectors of other features (M, D), comparable with `directions`."""
        means, divisors = self.scaling
        return unit_rows((vectors.astype(np.float32) - means) / divisors)


def current_kind(project_dir: Path, image_reading: ImageReading) -> FeatureKind | None:
    """Return the project's current kind of features, or None if it has another `Snapshot.image_reading`."""
    kind = latest_kind(project_dir)
    return kind if kind is not None and kind.image_reading == image_reading else None


def current_folder(project_dir: Path) -> str:
    """Return the name of the folder of the current features; empty if none are stored or the record is damaged."""
    try:
        return Path(str(read_json(project_dir / FEATURES_FOLDER / CURRENT)["folder"])).name
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def latest_kind(project_dir: Path) -> FeatureKind | None:
    """Return the latest kind of features, or None if its record is missing or damaged."""
    try:
        name = str(read_json(project_dir / FEATURES_FOLDER / CURRENT)["folder"])
        return FeatureKind.from_dict(read_json(project_dir / FEATURES_FOLDER / Path(name).name / ABOUT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The features of %s cannot be read: %s", project_dir, error)
        kinds = [kind for kind in stored_kinds(project_dir) if not kind.is_mirrored]
        return kinds[0] if len(kinds) == 1 else None


def stored_kinds(project_dir: Path) -> Iterator[FeatureKind]:
    """Yield all stored kinds of features; unreadable records are skipped with a warning."""
    for about in sorted((project_dir / FEATURES_FOLDER).glob(f"*/{ABOUT}")):
        try:
            yield FeatureKind.from_dict(read_json(about))
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("%s cannot be read: %s", about, error)


def noted_at(project_dir: Path, kind: FeatureKind) -> float:
    """Return when the kind was last recorded, in seconds since the epoch; 0 if its record is missing."""
    try:
        return (project_dir / FEATURES_FOLDER / kind.folder_name / ABOUT).stat().st_mtime
    except OSError:
        return 0.0


def make_current(project_dir: Path, kind: FeatureKind) -> None:
    note_kind(project_dir, kind)
    write_json(project_dir / FEATURES_FOLDER / CURRENT, {"folder": kind.folder_name})


def note_kind(project_dir: Path, kind: FeatureKind) -> None:
    folder = project_dir / FEATURES_FOLDER / kind.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    values = asdict(kind)
    if not kind.is_mirrored:
        del values["is_mirrored"]  # earlier versions do not know it
    write_json(folder / ABOUT, values)


def note_speed(project_dir: Path, kind: FeatureKind, milliseconds: float) -> None:
    """Store the milliseconds per image with the features; ignored if the disk is full."""
    with suppress(OSError, VisionFTError):
        write_json(project_dir / FEATURES_FOLDER / kind.folder_name / SPEED, {"milliseconds": round(milliseconds, 3)})


def speed_of(project_dir: Path, kind: FeatureKind) -> float:
    """Return the milliseconds per image when such features were last computed, or 0 if unknown."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        milliseconds = float(read_json(project_dir / FEATURES_FOLDER / kind.folder_name / SPEED)["milliseconds"])
        return milliseconds if math.isfinite(milliseconds) and milliseconds >= 0 else 0.0
    return 0.0


def known_kind(project_dir: Path, spec: FeatureSpec, weights: str, *, is_mirrored: bool = False) -> FeatureKind | None:
    """Return the stored kind of features for a network, its weights (SHA-256) and its input, or None."""
    key = (spec.backbone, spec.preprocessing.key, weights, is_mirrored)
    for kind in stored_kinds(project_dir):
        if (kind.backbone, kind.preprocessing, kind.weights, kind.is_mirrored) == key:
            return kind
    return None


def load_features(project_dir: Path, images: Snapshot) -> Features:
    """Return the stored features of images, without computing missing ones (see `embedding.embedded`).

    Raises:
        ProjectError: No features are stored for the `image_reading` of the images.
    """
    kind = current_kind(project_dir, images.image_reading)
    if kind is None:
        step = NextStep("find_issues", project=project_dir)
        raise ProjectError("The images have no embeddings yet.", "Compute their features.", step)
    return features_of(kind, kind.store(project_dir), images.images)


def features_of(kind: FeatureKind, store: RowStore, images: Sequence[SnapshotImage]) -> Features:
    """Read the features of images from a store."""
    vectors, exists = store.read([image.sha256 for image in images])
    is_finite = np.isfinite(vectors.sum(axis=1, dtype=np.float32))
    is_usable = exists & is_finite
    usable, missing, unusable = (tuple(compress(images, mask)) for mask in (is_usable, ~exists, exists & ~is_finite))
    usable_vectors = vectors if is_usable.all() else vectors[is_usable]
    return Features(kind, usable, usable_vectors, missing=missing, unusable=unusable)


_OLD_SPEED_FILE: Final = "speed.json"  # of earlier versions


def feature_use(project_dir: Path) -> CacheUse:
    """Return the number of a project's kinds of features, and the bytes of their rows."""
    entries = _list_stores(project_dir)
    return CacheUse(len(entries), sum(entry.bytes for entry in entries))


def clear_features(project_dir: Path) -> CacheUse:
    """Delete all features of a project, and return the use of the rest, such as locked files."""
    for entry in _list_stores(project_dir):
        with contextlib.suppress(OSError):
            _delete(entry.path)
    return feature_use(project_dir)


def make_room(project_dir: Path, *, keeps: str) -> None:
    """Delete the least recently used features of a project until the rest is within the limit of the image cache.

    Decoded images are counted separately. The project's current features and recently used ones are kept, because a
    measurement of the framing reads them again (`image_cache.make_room`).

    Args:
        project_dir: The project.
        keeps: Name of the folder of the features that are about to grow.
    """
    kept = {keeps, current_folder(project_dir)}
    if stores := _list_stores(project_dir):
        entries = (replace(store, used=math.inf) if store.path.name in kept else store for store in stores)
        image_cache.make_room(entries, project_dir, image_cache.cache_limit(), _delete)


def _delete(folder: Path) -> None:
    """Delete the rows of a kind of features; raises `OSError` if a file is read-only, or open on Windows."""
    logger.info("features are deleted: %s", folder.name)
    try:
        delete_rows(folder)
    except VisionFTError as error:  # the folder is a link out of the project
        raise OSError(str(error)) from error
    (folder / _OLD_SPEED_FILE).unlink(missing_ok=True)
    if folder.name != current_folder(folder.parents[1]):
        (folder / ABOUT).unlink(missing_ok=True)


def _list_stores(project_dir: Path) -> list[Entry]:
    """Return the feature stores of the project; linked folders are skipped, as they may point outside it."""
    stores: list[Entry] = []
    with contextlib.suppress(OSError), os.scandir(project_dir / FEATURES_FOLDER) as folders:
        for folder in folders:
            with contextlib.suppress(OSError):
                if folder.is_dir(follow_symlinks=False):
                    rows, keys = (Path(folder.path, name).stat() for name in (ROWS, KEYS))
                    stores.append(Entry(Path(folder.path), rows.st_mtime, rows.st_size + keys.st_size))
    return stores
