"""Where texts and pictures of a project lie in the space that a CLIP's two sides share; each is read once and kept.

Beside the features of the picture side lie the points of the texts that were read (`texts/`), and how features become
points (`space.npz`): measuring the same prompts again, or others of the same lines, loads no network.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.catalog import Backbone
from visionft.data.types import Snapshot
from visionft.errors import StoppedError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import embedded_by
from visionft.features.feature_store import FOLDER, FeatureKind, Features
from visionft.features.row_store import RowStore
from visionft.files import read_arrays, write_arrays

logger = logging.getLogger(__name__)

TEXTS, SPACE = "texts", "space.npz"


@dataclass(frozen=True)
class Points:
    """Pictures and texts in one space, all of length 1.

    Attributes:
        features: Of the pictures, and which pictures they are.
        pictures: (N, E).
        texts: (T, E), in the order that was asked for.
        scale: What a cosine is multiplied by.
        bias: What is added then.
    """

    features: Features
    pictures: np.ndarray
    texts: np.ndarray
    scale: float
    bias: float


def points_of(
    project_dir: Path,
    images: Snapshot,
    texts: Sequence[str],
    backbone: Backbone,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Points:
    """Return where pictures and texts lie; what is not known yet is computed and kept.

    Raises:
        StoppedError: The user stopped; what was computed is kept.
        VisionFTError: Weights, vocabulary or the package that reads texts cannot be had, or no picture can be read.
    """
    from visionft.zero_shot.text_encoder import text_side_of

    tower = text_side_of(backbone)
    features = embedded_by(project_dir, images, backbone, on_event=on_event, should_stop=should_stop)
    folder = project_dir / FOLDER / features.kind.folder_name
    store = RowStore(folder / TEXTS, np.dtype((np.float32, (tower.embedding,))))
    known, space = _known(store, texts), _known_space(folder, embedding_width(features.kind), tower.embedding)
    if space is None or not all(text in known for text in texts):
        space = _read(folder, store, [text for text in texts if text not in known], backbone, on_event, should_stop)
        known = _known(store, texts)
    pictures = _pictures(features, space["projection"], space["offset"])
    scale, bias = space["scale_bias"].tolist()
    return Points(features, pictures, np.stack([known[text] for text in texts]), scale, bias)


def _known(store: RowStore, texts: Sequence[str]) -> dict[str, np.ndarray]:
    places = store.places(texts)
    asked = np.flatnonzero(places >= 0)
    rows, are_whole = store.rows(places[asked])
    return {texts[place]: row for place, row, is_whole in zip(asked.tolist(), rows, are_whole, strict=True) if is_whole}


def _known_space(folder: Path, width: int, embedding: int) -> dict[str, np.ndarray] | None:
    """Return how pictures' own embeddings (N, `width`) become points (N, `embedding`); None where it is to be read."""
    shapes = {
        "projection": ((0,), (embedding, width)),
        "offset": ((0,), (embedding,)),
        "scale_bias": ((2,),),
    }
    try:
        space = read_arrays(folder / SPACE)
        if not all(space[name].shape in allowed for name, allowed in shapes.items()):
            raise ValueError("its parts do not fit together")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        logger.warning("How %s compares texts with pictures is read anew: %s", folder, error)
        return None
    return space


def _read(
    folder: Path,
    store: RowStore,
    texts: Sequence[str],
    backbone: Backbone,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> dict[str, np.ndarray]:
    """Read texts, and how they are compared with pictures; keep both, and return the latter."""
    from visionft.zero_shot.text_encoder import open_text_side

    try:
        side = open_text_side(backbone, on_event=on_event, should_stop=should_stop)
        unique = list(dict.fromkeys(texts))
        rows = side.encode(unique, on_event=on_event, should_stop=should_stop).numpy() if unique else None
    except InterruptedError:
        raise StoppedError("The prompts were not all read.", "Start again.") from None
    if rows is not None:
        store.append(unique, rows)
    space, nothing = side.space, np.zeros(0, np.float32)
    arrays = {
        "projection": nothing if space.projection is None else space.projection.numpy(),
        "offset": nothing if space.offset is None else space.offset.numpy(),
        "scale_bias": np.array([space.scale, space.bias]),
    }
    write_arrays(folder / SPACE, arrays)
    return arrays


def _pictures(features: Features, projection: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the points (N, E) of the picture side's own embedding, the last part of the features."""
    points = features.vectors[:, -embedding_width(features.kind) :].astype(np.float32)
    if projection.size:
        points = points @ projection.T + (offset if offset.size else 0)
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)


def embedding_width(kind: FeatureKind) -> int:
    """Return the width of the network's own embedding."""
    return kind.widths[-1]
