"""Models as of the current labels: a k-NN run predicts from an index of the labels of now; no run is changed by this.

Code that loads a run to predict calls `load_current_model`. An evaluation keeps the digest of the labels behind it
(`RunModel.labels`), so it is known to be outdated as soon as they change.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from visionft.data.types import Snapshot
from visionft.errors import ProjectError
from visionft.jobs import SILENT, JobContext
from visionft.retrieval.index import Index, index_digest, indexed_images, run_index
from visionft.training.runs.run_folder import BEST_FOLDER, RunSummary, read_run
from visionft.training.runs.run_snapshot import read_snapshot

if TYPE_CHECKING:
    from visionft.training.runs.run_model import FittedHead, RunModel


def load_current_model(run: RunSummary, images: Snapshot, *, job: JobContext = SILENT) -> "RunModel":
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


def is_live(run: RunSummary) -> bool:
    """Return whether a run predicts from the current labels."""
    return not run.parts and run.config.method_row.is_live


def members_of(run: RunSummary) -> tuple[RunSummary, ...]:
    """Return the runs that predict for a run: itself, or the members of an ensemble that still exist."""
    if not run.parts:
        return (run,)
    folders = (run.path.with_name(part.run) for part in run.parts)
    return tuple(read_run(folder) for folder in folders if (folder / BEST_FOLDER).is_dir())


def labels_digest(members: Sequence[RunSummary], images: Snapshot) -> str:
    """Return a digest of the labels that runs predict from; empty where no label of now matters to them."""
    live = [member.name for member in members if is_live(member)]
    if not live:
        return ""
    try:
        return index_digest(indexed_images(images), " ".join(sorted(live)))
    except ProjectError:
        return "no labels"


def training_snapshot(run: RunSummary, images: Snapshot) -> Snapshot:
    """Return the images and splits that a run predicts from: those of its training, or the current ones of k-NN.

    Raises:
        RunError: The run's own are missing or damaged.
    """
    return images if is_live(run) else read_snapshot(run.path)


def fitted_head(run: RunSummary, index: Index) -> "FittedHead":
    """Return the classifier head of a k-NN run for an index."""
    from visionft.heads.solutions import state_of
    from visionft.training.runs.run_model import FittedHead

    head = run.config.backbone_row.head
    return FittedHead(index.class_names, {f"{head}.{name}": value for name, value in state_of(index.memory).items()})
