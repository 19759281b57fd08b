"""Which features a project has: of one backbone, at one picture size, one row a content. Torch-free; see `embedding`.

They lie in `features/` of the project, a folder for each kind; `current.json` names the one that everybody reads.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import NextStep, ProjectError
from visionft.features.row_store import RowStore
from visionft.files import read_json, write_json
from visionft.heads.axes import part_scaling

logger = logging.getLogger(__name__)

FOLDER: Final = "features"
CURRENT, ABOUT = "current.json", "about.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureKind:
    """What decides the features of a picture.

    Attributes:
        backbone: Its name in the catalog.
        size: Side of the network's square input, in pixels.
        weights: SHA-256 of the weights' file; of random ones the seed.
        preprocessing: What `Preprocessing` says, as text.
        widths: Of the parts side by side, the network's own embedding last; their sum is D.
    """

    backbone: str
    size: int
    weights: str
    preprocessing: str
    widths: tuple[int, ...]

    @property
    def folder_name(self) -> str:
        """Return the name of its folder: another kind, another folder."""
        digest = hashlib.sha256(repr((self.weights, self.preprocessing, self.widths)).encode()).hexdigest()
        safe = "".join(sign if sign.isalnum() else "_" for sign in self.backbone)[:60]
        return f"{safe}-{self.size}-{digest[:12]}"

    def store(self, project_dir: Path) -> RowStore:
        """Return the rows of this kind: (D,) float16 each."""
        width = sum(self.widths)
        return RowStore(project_dir / FOLDER / self.folder_name, np.dtype((np.float16, (width,))))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild a kind from what `asdict` gave."""
        return cls(**{**values, "widths": tuple(values["widths"])})


@dataclass(frozen=True)
class Features:
    """Features of a project's pictures, in the order of the snapshot; those without any are left out.

    Attributes:
        kind: Of which network.
        images: (N) the pictures that have them.
        vectors: (N, D) float16, as the network gave them.
        missing: Pictures that have none yet, or whose file could not be read.
        unusable: Pictures of which the network makes no finite number.
    """

    kind: FeatureKind
    images: tuple[SnapshotImage, ...]
    vectors: np.ndarray
    missing: tuple[SnapshotImage, ...] = ()
    unusable: tuple[SnapshotImage, ...] = ()

    def __len__(self) -> int:
        """Return N."""
        return len(self.images)

    def among(self, places: Sequence[int]) -> "Features":
        """Return the features of some of the pictures."""
        return Features(self.kind, tuple(self.images[place] for place in places), self.vectors[list(places)])

    @cached_property
    def place_of(self) -> dict[int, int]:
        """Return {image id: its place among `images`}."""
        return {image.image_id: place for place, image in enumerate(self.images)}

    @cached_property
    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (D,) float32 means and divisors that make `inputs`; later pictures may be scaled alike."""
        return part_scaling(self.vectors, self.kind.widths)

    @cached_property
    def inputs(self) -> np.ndarray:
        """Return (N, D) float32: centred, and each part of a mean squared norm of 1. For heads and distances.

        The same as `heads.fitting.standardise`: one scale a part, for within it the network's own scales say what
        matters.
        """
        return self.scaled_by(self.scaling)

    def scaled_by(self, scaling: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return (N, D) float32 with the means and divisors of other pictures."""
        values = self.vectors.astype(np.float32)
        values -= scaling[0]
        values /= scaling[1]
        return values

    def directions_of(self, vectors: np.ndarray) -> np.ndarray:
        """Return (M, D) float32 of length 1 of features (M, D) that are not among these: beside `directions`."""
        means, divisors = self.scaling
        values = (vectors.astype(np.float32) - means) / divisors
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)

    @cached_property
    def directions(self) -> np.ndarray:
        """Return (N, D) float32 of length 1: `inputs` for cosines. A picture like the mean of all is all zeros."""
        lengths = np.sqrt(np.einsum("nd,nd->n", self.inputs, self.inputs))
        return self.inputs / np.maximum(lengths, 1e-12)[:, None]


def current_kind(project_dir: Path) -> FeatureKind | None:
    """Return which features everybody reads; None while there are none."""
    try:
        name = str(read_json(project_dir / FOLDER / CURRENT)["folder"])
        return FeatureKind.from_dict(read_json(project_dir / FOLDER / Path(name).name / ABOUT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The features of %s cannot be read: %s", project_dir, error)
        return None


def make_current(project_dir: Path, kind: FeatureKind) -> None:
    """Let everybody read this kind."""
    note_kind(project_dir, kind)
    write_json(project_dir / FOLDER / CURRENT, {"folder": kind.folder_name})


def note_kind(project_dir: Path, kind: FeatureKind) -> None:
    """Write down beside its features which kind they are."""
    folder = project_dir / FOLDER / kind.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ABOUT, asdict(kind))


def known_kind(project_dir: Path, backbone: str, size: int, weights: str) -> FeatureKind | None:
    """Return which features of a backbone there are, at a picture size and of a weights file (SHA-256), or None."""
    for about in sorted((project_dir / FOLDER).glob(f"*/{ABOUT}")):
        try:
            kind = FeatureKind.from_dict(read_json(about))
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("%s cannot be read: %s", about, error)
            continue
        if (kind.backbone, kind.size, kind.weights) == (backbone, size, weights):
            return kind
    return None


def load_features(project_dir: Path, images: Snapshot | Sequence[SnapshotImage]) -> Features:
    """Return what is known of pictures; nothing is computed (`embedding.embed` does).

    Raises:
        ProjectError: There are no features at all.
    """
    kind = current_kind(project_dir)
    if kind is None:
        step = NextStep("embed", project=project_dir)
        raise ProjectError("The pictures have not been looked at by a network yet.", "Compute their features.", step)
    return features_of(kind, kind.store(project_dir), images.images if isinstance(images, Snapshot) else images)


def features_of(kind: FeatureKind, store: RowStore, images: Sequence[SnapshotImage]) -> Features:
    """Return the features of pictures from their store."""
    places = store.places([image.sha256 for image in images])
    known = np.flatnonzero(places >= 0)
    vectors, is_whole = store.rows(places[known])
    is_finite = np.isfinite(vectors.sum(axis=1, dtype=np.float32))
    state = np.zeros(len(images), np.int8)  # 0 missing, 1 unusable, 2 fine
    state[known] = np.where(is_whole, np.where(is_finite, 2, 1), 0)
    parts = [tuple(image for image, each in zip(images, state, strict=True) if each == wanted) for wanted in range(3)]
    good = is_whole & is_finite
    return Features(kind, parts[2], vectors if good.all() else vectors[good], missing=parts[0], unusable=parts[1])
