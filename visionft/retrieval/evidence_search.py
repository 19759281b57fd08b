"""Neighbor evidence for images of a project, or for any file on this computer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.messages import Message
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.features.embedding import features_under
from visionft.features.feature_store import Features, features_of
from visionft.files import sha256_file
from visionft.jobs import SILENT, JobContext
from visionft.retrieval.evidence import SHOWN, Evidence, find_evidence
from visionft.retrieval.index import Index


@dataclass(frozen=True)
class EvidenceResult:
    """A query image: its evidence, or the reason for none."""

    path: Path
    evidence: Evidence | None
    error: str = ""


def search_evidence(
    project_dir: Path,
    images: Snapshot,
    index: Index,
    files: Sequence[Path],
    *,
    groups: Mapping[int, int] | None = None,
    shown: int = SHOWN,
    job: JobContext = SILENT,
) -> tuple[EvidenceResult, ...]:
    """Return the evidence for image files, in their order; an unreadable one has an error instead.

    A query among the project's images is excluded from its own evidence, and so are its duplicates by content or by
    `groups`, {image id: number of its duplicate group}. `shown` images of each kind of evidence are returned.

    Raises:
        RunError: The network's weights have changed.
        VisionFTError: As `embed`.
    """
    queries: dict[Path, SnapshotImage] = {}
    errors: dict[Path, str] = {}
    for file in files:
        try:
            queries[file] = SnapshotImage(0, file.resolve(), sha256_file(file), (), None)
        except OSError as error:
            errors[file] = error.strerror or str(error)
    features = _features_of(list(queries.values()), project_dir, index, job)
    directions = index.directions(features.vectors)
    row_of = {image.sha256: row for row, image in enumerate(features.images)}
    same_as = _same_images(images, groups or {})
    found: list[EvidenceResult] = []
    for file in files:
        sha256 = queries[file].sha256 if file in queries else ""
        if sha256 not in row_of:
            found.append(EvidenceResult(file, None, errors.get(file, "no decoder reads it")))
            continue
        same = same_as.get(sha256, frozenset())
        held_out = next((index.held_out[each] for each in sorted(same) if each in index.held_out), None)
        direction = directions[row_of[sha256]]
        evidence = find_evidence(index.memory, index.class_names, direction, same=same, held_out=held_out, shown=shown)
        found.append(EvidenceResult(file, evidence))
    return tuple(found)


def _features_of(queries: Sequence[SnapshotImage], project_dir: Path, index: Index, job: JobContext) -> Features:
    """Return the features of the queries as the index has them: stored ones, or computed now."""
    features = features_of(index.kind, index.kind.store(project_dir), queries)
    if features.missing:
        features = features_under(project_dir, queries, index.spec, device=index.device, job=job)
    if features.kind != index.kind:
        hint = Message("Fetch the weights that were used before, or make a new run.")
        message = Message("The weights of {backbone} are not those of the embeddings.", backbone=index.kind.backbone)
        raise RunError(message, hint)
    return features


def _same_images(images: Snapshot, groups: Mapping[int, int]) -> dict[str, set[int]]:
    """Return {content: ids of the images that have it, and of all in their duplicate groups}."""
    members: defaultdict[int, set[int]] = defaultdict(set)
    for image_id, group in groups.items():
        members[group].add(image_id)
    same_as: defaultdict[str, set[int]] = defaultdict(set)
    for image in images.images:
        same_as[image.sha256].add(image.image_id)
        if image.image_id in groups:
            same_as[image.sha256] |= members[groups[image.image_id]]
    return same_as
