"""Retrieval: predictions of k-NN runs by the current labels, with neighbours as evidence. NumPy only.

An index is cached in a file and rebuilt when labels or images change. The file holds a digest of its inputs and a hash
of its content, so an outdated or damaged one is never used. Code that loads a run to predict calls
`load_current_model`; no run is changed. An evaluation keeps the digest of the labels behind it (`RunModel.labels`), so
it is known to be outdated as soon as they change.

Evidence is the supporting and the contradicting labelled images. Contradicting images are the nearest of the other
probable classes: beside the supporting ones they help people to judge a prediction better than the nearest alone (PCNN:
Nguyen et al. 2023, arXiv:2308.13651).
"""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from models.heads.calibration import sigmoid, softmax
from models.heads.knn import FittedKnn, KnnClassifier, fit_memory, nearest_first, set_aside, vote_shares
from visionft.core.errors import NextStep, ProjectError, RunError, VisionFTError
from visionft.core.events import Notice, Progress
from visionft.core.files import atomic_path, umask_permissions, write_error
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, SnapshotImage, group_numbers
from visionft.features.embedding import features_under
from visionft.features.neighbours import MAX_EXACT_ROWS, nearest
from visionft.training.runs.manifest import BEST_FOLDER
from visionft.training.runs.run_folder import LIVE_INDEX_FILE, StoredRun, project_of_run, read_run, require_weights
from visionft.training.runs.run_snapshot import read_snapshot

if TYPE_CHECKING:
    from visionft.training.runs.run_model import ReplacementHead, RunModel

SHOWN: Final = 5  # images on each side
TOP_CLASSES: Final = 3  # classes with evidence: the predicted one and the next ones
MIN_LABEL_PROBABILITY: Final = 0.5  # with several labels per image


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A labelled image near the query: its similarity, from -1 to 1, and its share of the vote."""

    image_id: int
    classes: tuple[str, ...]
    similarity: float
    share: float


@dataclass(frozen=True, slots=True)
class Evidence:
    COMPUTED_FIELDS: ClassVar = ("probability",)

    classes: tuple[str, ...]  # the prediction: one class, or for several labels any number
    ranked: tuple[tuple[str, float], ...]  # (class, probability) of the most probable, best first
    supporting: tuple[Neighbour, ...]  # nearest images of the predicted classes
    contradicting: tuple[Neighbour, ...]  # nearest images of the other probable classes, without any predicted one
    doubles: tuple[Neighbour, ...]  # labelled duplicates of the query (equal, cropped, saved again), without a vote

    @property
    def probability(self) -> float:
        """The probability of the first predicted class; where none is predicted, the highest."""
        shares = dict(self.ranked)
        return shares[self.classes[0]] if self.classes else self.ranked[0][1]


def find_evidence(
    memory: KnnClassifier,
    class_names: tuple[str, ...],
    direction: np.ndarray,
    *,
    same: Collection[int] = (),
    temperature: float = 1.0,
) -> Evidence:
    """Return the prediction for one image with the labelled images for and against it.

    Args:
        memory: The classifier.
        class_names: In the order of its classes.
        direction: (K,) of the image in its space.
        same: Ids of duplicates of the image, by content or by the search for duplicates.
        temperature: Of the calibration on validation.
    """
    if len(memory) > MAX_EXACT_ROWS:
        places = nearest(memory.rows, direction[None], k=2_000).places[0]  # of an index of faiss
        memory = memory.among(places[places >= 0])
    direction = direction[None].astype(np.float32)
    doubles = memory.is_duplicate(direction)[0] | np.isin(memory.image_ids, list(same))
    products = memory.products(direction)[0]
    aside = set_aside(products, doubles)[None]
    voters, voter_products = nearest_first(aside, memory.voting.neighbours)
    shares = np.zeros(len(memory))
    if not doubles.all():
        shares[voters[0]] = vote_shares(voter_products, memory.counts[voters], memory.voting.temperature)[0]

    def has_any(classes: Sequence[int]) -> np.ndarray:
        return np.asarray(np.isin(memory.labels, list(classes)).any(axis=1))

    row = calibrated(memory.predict_from(aside), temperature, is_multilabel=memory.is_multilabel)[0]
    ranked = np.argsort(-row, kind="stable")
    chosen = [each for each in ranked if row[each] >= MIN_LABEL_PROBABILITY] if memory.is_multilabel else ranked[:1]
    classes = [int(each) for each in chosen]
    nearest_of = np.full(memory.classes, -np.inf)  # classes without votes are ranked by their nearest image
    for column in memory.labels.T:
        known = column >= 0
        np.maximum.at(nearest_of, column[known], np.where(doubles, -np.inf, products)[known])
    next_ones = [int(each) for each in np.lexsort((-nearest_of, -row.round(9))) if each not in classes]
    by_nearness = np.argsort(-products, kind="stable")

    def neighbours(among: np.ndarray) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(
                image_id=int(memory.image_ids[place]),
                classes=tuple(class_names[label] for label in memory.labels[place] if label >= 0),
                similarity=round(float(products[place]), 4),
                share=round(float(shares[place]), 4),
            )
            for place in by_nearness[among[by_nearness]][:SHOWN]
        )

    supports = has_any(classes)
    contradicts = has_any(next_ones[: TOP_CLASSES - 1])
    return Evidence(
        classes=tuple(class_names[each] for each in classes),
        ranked=tuple((class_names[each], round(float(row[each]), 6)) for each in ranked[:5]),
        supporting=neighbours(supports & ~doubles),
        contradicting=neighbours(contradicts & ~supports & ~doubles),
        doubles=neighbours(doubles),
    )


def calibrated(answers: np.ndarray, temperature: float, *, is_multilabel: bool) -> np.ndarray:
    """Return (M, C) probabilities after temperature scaling, as in an exported graph."""
    if is_multilabel:
        return sigmoid((np.log(answers) - np.log1p(-answers)) / temperature)
    return softmax(np.log(answers) / temperature)


logger = logging.getLogger(__name__)

VERSION: Final = 1  # another number whenever an index of the same images is another
_HELD_OUT, _HELD_OUT_IDS = "held_out", "held_out_ids"


@dataclass(frozen=True)
class Index:
    """A k-NN classifier with the images behind its rows.

    `held_out` are {image id: (C,) probabilities} of indexed images by classifiers without them: a classifier is much
    too confident on its own images.
    """

    memory: KnnClassifier
    class_names: tuple[str, ...]
    images: Mapping[int, SnapshotImage]  # {image id: image} of the indexed images
    held_out: Mapping[int, np.ndarray]

    def directions(self, vectors: np.ndarray) -> np.ndarray:
        """Map features (M, D') of its kind to (M, K) directions in the space of its memory."""
        return self.memory.directions(vectors[:, -len(self.memory.mean) :])


def indexed_images(images: Snapshot) -> Snapshot:
    """Return the images of an index: labelled ones outside of validation and test; those without a split belong to it.

    Raises:
        ProjectError: No such image has a label.
    """
    chosen = tuple(image for image in images.images if image.labels and image.split not in ("val", "test"))
    if not chosen:
        hint = "Label a few of each class; images for validation and test do not count."
        raise ProjectError("No training image has a label yet.", hint, NextStep("label"))
    return replace(images, images=chosen)


def index_digest(indexed: Snapshot, name: str) -> str:
    """Return a SHA-256, equal for equal indexes; `name` identifies the feature extractor."""
    digest = hashlib.sha256(repr((VERSION, name, indexed.task, indexed.class_names)).encode())
    for image in indexed.images:
        digest.update(repr((image.image_id, image.sha256, image.labels)).encode())
    return digest.hexdigest()


def run_index(run: StoredRun, images: Snapshot, *, job: JobContext = SILENT_JOB) -> Index:
    """Return the index of a k-NN run for the labels of `images`, with the run's network and settings.

    It is read from its file, or fitted and written there.

    Raises:
        ProjectError: No image for the index has a label, or none can be read.
        RunError: The run does not use k-NN, or its weights were deleted.
        WeightsError: The network's weights are missing.
    """
    if not run.config.method_row.is_live:
        raise RunError(Message("{path} holds no images.", path=run.title), "Name a run of the method knn.")
    require_weights(run)
    indexed = indexed_images(images)
    by_id = {image.image_id: image for image in indexed.images}
    digest, path = index_digest(indexed, run.name), run.path / LIVE_INDEX_FILE
    memory, held_out = _read(path, digest, by_id) or (None, {})
    if memory is None:
        job.report(Progress(stage="Building the retrieval index", done=0, total=0))
        fitted = _fit(run, indexed, job)
        memory, ids = fitted.memory, fitted.memory.image_ids
        job.report(Notice(message=fitted.description))
        held_out = dict(zip(ids[fitted.places].tolist(), fitted.held_out, strict=True))
        arrays = memory.arrays() | {_HELD_OUT: fitted.held_out, _HELD_OUT_IDS: ids[fitted.places]}
        about = {"digest": digest, "accuracy": fitted.accuracy, "missing": sorted(by_id.keys() - set(ids.tolist()))}
        try:
            write_index(path, arrays, about)
        except VisionFTError as error:  # a project that cannot be written still has an index
            logger.warning("The index is not cached: %s", error)
    return Index(memory, indexed.class_names, {each: by_id[each] for each in memory.image_ids.tolist()}, held_out)


def _fit(run: StoredRun, indexed: Snapshot, job: JobContext) -> FittedKnn:
    """Fit a k-NN classifier to features of the indexed images, as far as they have any.

    Raises:
        ProjectError: None of the images can be read.
    """
    config = run.config
    options: Any = config.method_options
    widths = config.method_row.head_parts(config.backbone_row, options)
    project_dir = project_of_run(run.path) or run.path
    features = features_under(project_dir, indexed.images, config.features, device=config.device, job=job)
    if not len(features):
        hint = Message("Check that their disk is connected.")
        raise ProjectError("None of the labelled images can be read.", hint, NextStep("check"))
    targets = np.zeros((len(features), len(indexed.class_names)), np.float32)
    for row, image in zip(targets, features.images, strict=True):
        row[list(image.labels)] = 1
    weights = None
    if config.balance != "none":
        from visionft.training.loop.batches import sampling_weights

        weights = sampling_weights(features.images, len(indexed.class_names))
        weights /= weights.mean()
    return fit_memory(
        features.vectors[:, -sum(widths) :].astype(np.float32),
        targets,
        widths=widths,
        is_multilabel=indexed.task == "multi",
        neighbours=options.neighbours,
        weights=weights,
        groups=np.array(group_numbers(features.images)),
        image_ids=np.array([image.image_id for image in features.images]),
        seed=config.seed,
        job=job,
    )


def write_index(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write arrays as safetensors, whole or not at all, with `about` and a hash of both as its metadata.

    Raises:
        VisionFTError: The disk is full or cannot be written.
    """
    from safetensors.numpy import save_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path.parent, error) from error
    arrays = {name: np.require(value, requirements="C") for name, value in arrays.items()}
    text = json.dumps(about)
    with atomic_path(path) as temporary, umask_permissions(temporary):
        save_file(dict(arrays), temporary, metadata={"about": text, "sha256": _content_hash(arrays, text)})


def _content_hash(arrays: Mapping[str, np.ndarray], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    return digest.hexdigest()


def _read(
    path: Path, digest: str, by_id: Mapping[int, SnapshotImage]
) -> tuple[KnnClassifier, dict[int, np.ndarray]] | None:
    """Return the cached classifier of a digest, and its held-out probabilities.

    None without one, where it is damaged, or where an image that it misses can be read again.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            about = json.loads(metadata["about"])
            if about["digest"] != digest or any(by_id[image_id].path.is_file() for image_id in about["missing"]):
                return None
            arrays: dict[str, np.ndarray] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != _content_hash(arrays, metadata["about"]):
            raise ValueError("its content has changed since it was written")
        held_out = dict(zip(arrays[_HELD_OUT_IDS].tolist(), arrays[_HELD_OUT], strict=True))
        return KnnClassifier.from_arrays(arrays), held_out
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        logger.warning("The index %s is built again, for it cannot be read: %s", path.name, error)
        return None


def load_current_model(run: StoredRun, images: Snapshot, *, job: JobContext = SILENT_JOB) -> "RunModel":
    """Load the model of a run; k-NN, alone or in an ensemble, predicts from the current labels.

    Raises:
        ProjectError: No image for an index has a label, or none can be read.
        RunError, WeightsError: As `load_run_model` and `run_index`.
    """
    from visionft.training.runs.run_model import load_run_model

    members = members_of(run)
    heads = {
        member.name: fitted_head(member, run_index(member, images, job=job)) for member in members if is_live(member)
    }
    model = load_run_model(run, heads, job=job)
    return replace(model, labels=labels_digest(members, images))


def is_live(run: StoredRun) -> bool:
    """Return whether a run predicts from the current labels."""
    return not run.parts and run.config.method_row.is_live


def members_of(run: StoredRun) -> tuple[StoredRun, ...]:
    """Return the runs that predict for a run: itself, or the members of an ensemble that still exist."""
    if not run.parts:
        return (run,)
    folders = (run.path.with_name(part.run) for part in run.parts)
    return tuple(read_run(folder) for folder in folders if (folder / BEST_FOLDER).is_dir())


def labels_digest(members: Sequence[StoredRun], images: Snapshot) -> str:
    """Return a digest of the labels that runs predict from; empty where no label of now matters to them."""
    live = [member.name for member in members if is_live(member)]
    if not live:
        return ""
    try:
        return index_digest(indexed_images(images), " ".join(sorted(live)))
    except ProjectError:
        return "no labels"


def training_snapshot(run: StoredRun, images: Snapshot) -> Snapshot:
    """Return the images and splits that a run predicts from: its training snapshot, or the current images for k-NN.

    Raises:
        RunError: The run's own are missing or damaged.
    """
    return images if is_live(run) else read_snapshot(run.path)


def fitted_head(run: StoredRun, index: Index) -> "ReplacementHead":
    """Return the classifier head of a k-NN run for an index."""
    from models.heads.solutions import state_of
    from visionft.training.runs.run_model import ReplacementHead

    head = run.config.backbone_row.head
    return ReplacementHead(
        index.class_names, {f"{head}.{name}": value for name, value in state_of(index.memory).items()}
    )
