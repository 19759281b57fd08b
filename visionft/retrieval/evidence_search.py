"""Neighbor evidence for images of a project, or for any file on this computer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.messages import Message
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.features.embedding import features_under
from visionft.features.feature_store import features_of
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
    `groups`, {image id: number of its duplicate group}. `shown` images of each kind of evidence are returned. Raises
    RunError: the network's weights have changed; VisionFTError: as `embed`.
    """
    queries: dict[Path, SnapshotImage] = {}
    errors: dict[Path, str] = {}
    for file in files:
        try:
            queries[file] = SnapshotImage(0, file.resolve(), sha256_file(file), (), None)
        except OSError as error:
            errors[file] = error.strerror or str(error)
    features = features_of(index.kind, index.kind.store(project_dir), list(queries.values()))
    if features.missing:
        features = features_under(project_dir, list(queries.values()), index.network, job=job)
    if features.kind != index.kind:
        hint = Message("Fetch the weights that were used before, or make a new run.")
        message = Message("The weights of {backbone} are not those of the embeddings.", backbone=index.kind.backbone)
        raise RunError(message, hint)
    directions = index.directions(features.vectors)
    row_of = {image.sha256: row for row, image in enumerate(features.images)}
    members, same_as = defaultdict[int, set[int]](set), defaultdict[str, set[int]](set)
    for image_id, group in (groups or {}).items():
        members[group].add(image_id)
    for image in images.images:  # the images with the same content, and of their duplicate groups
        same_as[image.sha256] |= {image.image_id, *members.get((groups or {}).get(image.image_id, 0), ())}
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
