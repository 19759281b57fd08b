"""Asking a project's labelled pictures about others: of the project, or any file on this computer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import features_under
from visionft.features.feature_store import Features, features_of
from visionft.files import sha256_file
from visionft.retrieval.evidence import SHOWN, Evidence, find_evidence
from visionft.retrieval.index import Index


@dataclass(frozen=True)
class Answered:
    """A picture that was asked about: its evidence, or why there is none."""

    path: Path
    evidence: Evidence | None
    error: str = ""


def ask(
    project_dir: Path,
    images: Snapshot,
    index: Index,
    files: Sequence[Path],
    *,
    groups: Mapping[int, int] | None = None,
    shown: int = SHOWN,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> tuple[Answered, ...]:
    """Return what the index says of pictures, in their order; one that cannot be read comes back with its error.

    Args:
        project_dir: The project's folder.
        images: Its pictures: an asked one that is among them does not vouch for itself.
        index: Of this project.
        files: The pictures.
        groups: {image id: number of its group} of duplicates, where the search for them ran.
        shown: Pictures of each kind of evidence.
        on_event: Receives how far it is.
        should_stop: Asked often.

    Raises:
        StoppedError: The user stopped.
        VisionFTError: As `embed`.
    """
    asked, faults = _contents(files)
    features = _features(project_dir, index, list(asked.values()), on_event, should_stop)
    directions = index.directions(features.vectors)
    place_of = {image.sha256: place for place, image in enumerate(features.images)}
    same = _same_pictures(images, groups or {})
    found: list[Answered] = []
    for file in files:
        image = asked.get(file)
        place = place_of.get(image.sha256) if image is not None else None
        if image is None or place is None:
            found.append(Answered(file, None, faults.get(file, "no decoder reads it")))
            continue
        doubles = same.get(image.sha256, frozenset())
        said = find_evidence(index.memory, index.class_names, directions[place], same=doubles, shown=shown)
        found.append(Answered(file, said))
    return tuple(found)


def _same_pictures(images: Snapshot, groups: Mapping[int, int]) -> dict[str, set[int]]:
    """Return {content: ids of the pictures that have it, and of their groups of duplicates}."""
    ids, members = defaultdict[str, set[int]](set), defaultdict[int, set[int]](set)
    for image_id, group in groups.items():
        members[group].add(image_id)
    for image in images.images:
        ids[image.sha256].add(image.image_id)
        if image.image_id in groups:
            ids[image.sha256] |= members[groups[image.image_id]]
    return ids


def _contents(files: Sequence[Path]) -> tuple[dict[Path, SnapshotImage], dict[Path, str]]:
    """Return the files as pictures outside of a project, and what is wrong with those that cannot be read."""
    asked: dict[Path, SnapshotImage] = {}
    faults: dict[Path, str] = {}
    for file in files:
        try:
            asked[file] = SnapshotImage(0, file.resolve(), sha256_file(file), (), None)
        except OSError as error:
            faults[file] = error.strerror or str(error)
    return asked, faults


def _features(
    project_dir: Path, index: Index, asked: list[SnapshotImage], on_event: OnEvent, should_stop: ShouldStop
) -> Features:
    """Return the features of what is asked about; the network looks at those that it has not seen.

    Raises:
        RunError: The network's weights are others now.
    """
    features = features_of(index.kind, index.kind.store(project_dir), asked)
    if not features.missing:
        return features
    found = features_under(project_dir, asked, index.network, on_event=on_event, should_stop=should_stop)
    if found.kind != index.kind:
        hint = "Fetch the weights that were used before, or make a new run."
        raise RunError(
            f"The weights of {index.kind.backbone} are not those that the pictures were looked at with.", hint
        )
    return found
