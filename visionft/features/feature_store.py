"""The features of a project: of one backbone, at one input size, one row a content. Torch-free; see `embedding`.

They lie in `features/` of the project, a folder for each kind; `current.json` names the current one.

Their disk space is counted with the decoded images, limited, and cleared: features are computed again from the images,
so that all may be deleted at any time, also while they are read. What stays is which features the project uses: a
network that the user chose for them.
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
    weights: str  # SHA-256 of the weights' file; of random ones the seed
    preprocessing: str  # the preprocessing as text
    widths: tuple[int, ...]  # of the multi-stage features, the network's own embedding last; their sum is D
    framing: str = "centre"  # framing, aspect and region as in a `FeatureSpec`
    aspect: float = 0.0
    region: str = ""
    image_reading: ImageReading = AS_STORED
    is_mirrored: bool = False  # whether the images are mirrored: copies that a solved head learns from

    @property
    def folder_name(self) -> str:
        digest = hashlib.sha256(repr((self.weights, self.preprocessing, self.widths)).encode()).hexdigest()
        safe = "".join(sign if sign.isalnum() else "_" for sign in self.backbone)[:60]
        return f"{safe}-{self.size}-{digest[:12]}{'-mirrored' if self.is_mirrored else ''}"

    @property
    def spec(self) -> FeatureSpec:
        """Return what gives these features, with the pretrained weights that are here."""
        names = ("backbone", "framing", "aspect", "region", "image_reading")
        return FeatureSpec(image_size=self.size, **{name: getattr(self, name) for name in names})

    def store(self, project_dir: Path) -> RowStore:
        """Return the rows of this kind: (D,) float16 each."""
        return RowStore(project_dir / FEATURES_FOLDER / self.folder_name, np.dtype((np.float16, (sum(self.widths),))))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        reading = ImageReading.from_dict(values.get("image_reading", {}))
        return cls(**{**values, "widths": tuple(values["widths"]), "image_reading": reading})

    @classmethod
    def of(cls, spec: FeatureSpec, weights: str, widths: Sequence[int], *, is_mirrored: bool = False) -> Self:
        """Return the kind of the features of all stages of a network.

        Args:
            spec: The network and its input; its aspect ratio is known.
            weights: SHA-256 of the weights' file; empty for random ones.
            widths: Of the stages.
            is_mirrored: Whether they are of the mirrored images.
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
    """Features of a project's images, in the order of the snapshot; images without any are left out."""

    kind: FeatureKind  # the feature extractor
    images: tuple[SnapshotImage, ...]  # (N) images with features
    vectors: np.ndarray  # (N, D) float16, unscaled
    missing: tuple[SnapshotImage, ...] = ()  # images without features yet, or with an unreadable file
    unusable: tuple[SnapshotImage, ...] = ()  # images with non-finite features

    def __len__(self) -> int:
        return len(self.images)

    def among(self, places: Sequence[int]) -> "Features":
        return Features(self.kind, tuple(self.images[place] for place in places), self.vectors[list(places)])

    @cached_property
    def place_of(self) -> dict[int, int]:
        return {image.image_id: place for place, image in enumerate(self.images)}

    @cached_property
    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (D,) float32 means and divisors of `inputs`."""
        return part_scaling(self.vectors, self.kind.widths)

    @cached_property
    def inputs(self) -> ScaledRows:
        """Return (N, D) float32: centred, and each part of a mean squared norm of 1, as heads do."""
        return ScaledRows(self.vectors, *self.scaling)

    @cached_property
    def directions(self) -> ScaledRows:
        """Return (N, D) float32 of length 1: `inputs` for cosines. An image like the mean of all is all zeros."""
        return ScaledRows(self.vectors, *self.scaling, are_directions=True)

    def directions_of(self, vectors: np.ndarray) -> np.ndarray:
        """Return (M, D) float32 of length 1 for other features (M, D), comparable with `directions`."""
        means, divisors = self.scaling
        return unit_rows((vectors.astype(np.float32) - means) / divisors)


def current_kind(project_dir: Path, image_reading: ImageReading) -> FeatureKind | None:
    """Return which features everybody reads; None without any of images read so (`Snapshot.image_reading`)."""
    kind = latest_kind(project_dir)
    return kind if kind is not None and kind.image_reading == image_reading else None


def current_folder(project_dir: Path) -> str:
    """Return the name of the folder of the current features; empty if none are stored or the record is damaged."""
    try:
        return Path(str(read_json(project_dir / FEATURES_FOLDER / CURRENT)["folder"])).name
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def latest_kind(project_dir: Path) -> FeatureKind | None:
    """Return the latest kind of features; None if none are stored or the record is damaged."""
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
    """Yield all kinds of features that there are; what cannot be read is passed over."""
    for about in sorted((project_dir / FEATURES_FOLDER).glob(f"*/{ABOUT}")):
        try:
            yield FeatureKind.from_dict(read_json(about))
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("%s cannot be read: %s", about, error)


def noted_at(project_dir: Path, kind: FeatureKind) -> float:
    """Return when the kind was last noted, in seconds of the system's clock; 0 where it is gone."""
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
        del values["is_mirrored"]  # as earlier versions read it
    write_json(folder / ABOUT, values)


def note_speed(project_dir: Path, kind: FeatureKind, milliseconds: float) -> None:
    """Keep the time of an image beside the features; on a full disk it is only not kept."""
    with suppress(OSError, VisionFTError):
        write_json(project_dir / FEATURES_FOLDER / kind.folder_name / SPEED, {"milliseconds": round(milliseconds, 3)})


def speed_of(project_dir: Path, kind: FeatureKind) -> float:
    """Return the milliseconds of an image when such features were last computed; 0 where that is not known."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = float(read_json(project_dir / FEATURES_FOLDER / kind.folder_name / SPEED)["milliseconds"])
        return found if math.isfinite(found) and found >= 0 else 0.0
    return 0.0


def known_kind(project_dir: Path, spec: FeatureSpec, weights: str, *, is_mirrored: bool = False) -> FeatureKind | None:
    """Return the kind of existing features of a network's weights file (SHA-256) and its input, or None."""
    wanted = (spec.backbone, spec.preprocessing.key, weights, is_mirrored)
    for kind in stored_kinds(project_dir):
        if (kind.backbone, kind.preprocessing, kind.weights, kind.is_mirrored) == wanted:
            return kind
    return None


def load_features(project_dir: Path, images: Snapshot) -> Features:
    """Return the known features of images; nothing is computed (see `embedding.embedded`).

    Raises:
        ProjectError: There are no features of images that are read as these.
    """
    kind = current_kind(project_dir, images.image_reading)
    if kind is None:
        step = NextStep("find_issues", project=project_dir)
        raise ProjectError("The images have no embeddings yet.", "Compute their features.", step)
    return features_of(kind, kind.store(project_dir), images.images)


def features_of(kind: FeatureKind, store: RowStore, images: Sequence[SnapshotImage]) -> Features:
    """Return the features of images from their store."""
    vectors, exists = store.read([image.sha256 for image in images])
    is_finite = np.isfinite(vectors.sum(axis=1, dtype=np.float32))
    good = exists & is_finite
    found, missing, unusable = (tuple(compress(images, chosen)) for chosen in (good, ~exists, exists & ~is_finite))
    return Features(kind, found, vectors if good.all() else vectors[good], missing=missing, unusable=unusable)


_OLD_SPEED_FILE: Final = "speed.json"  # of earlier versions


def feature_use(project_dir: Path) -> CacheUse:
    """Return the number of kinds of features of a project, and what their rows take."""
    entries = _survey(project_dir)
    return CacheUse(len(entries), sum(entry.bytes for entry in entries))


def clear_features(project_dir: Path) -> CacheUse:
    """Delete all features of a project; return the rest, such as undeletable files."""
    for entry in _survey(project_dir):
        with contextlib.suppress(OSError):
            _delete(entry.path)
    return feature_use(project_dir)


def make_room(project_dir: Path, *, keeps: str) -> None:
    """Delete the features of a project that were unused for the longest until the rest fits (`image_cache.make_room`).

    The limit equals the limit of decoded images, which are counted separately. The project's current features stay, and
    recently used ones: a measurement of the framing returns to each.

    Args:
        project_dir: The project.
        keeps: Name of the folder of features that are about to grow.
    """
    stay = {keeps, current_folder(project_dir)}
    if entries := _survey(project_dir):
        used = (replace(each, used=math.inf) if each.path.name in stay else each for each in entries)
        image_cache.make_room(used, project_dir, image_cache.cache_limit(), _delete)


def _delete(folder: Path) -> None:
    """Delete the rows of a kind of features (OSError: a file is open on Windows, or may not be written)."""
    logger.info("features are deleted: %s", folder.name)
    try:
        delete_rows(folder)
    except VisionFTError as error:  # behind a link of others
        raise OSError(str(error)) from error
    (folder / _OLD_SPEED_FILE).unlink(missing_ok=True)
    if folder.name != current_folder(folder.parents[1]):
        (folder / ABOUT).unlink(missing_ok=True)


def _survey(project_dir: Path) -> list[Entry]:
    """Return the folders with rows, without links that lead out of the project."""
    found: list[Entry] = []
    with contextlib.suppress(OSError), os.scandir(project_dir / FEATURES_FOLDER) as folders:
        for folder in folders:
            with contextlib.suppress(OSError):
                if folder.is_dir(follow_symlinks=False):
                    rows, keys = (Path(folder.path, name).stat() for name in (ROWS, KEYS))
                    found.append(Entry(Path(folder.path), rows.st_mtime, rows.st_size + keys.st_size))
    return found
