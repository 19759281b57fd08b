"""What a record says of the pictures behind a model, of its worth on them, and of how it was trained. Torch-free."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionft.curation.leaks.honest_accuracy import accuracies_of_run
from visionft.data.types import SPLITS, Snapshot
from visionft.errors import RunError
from visionft.evaluation.stored import StoredEvaluation
from visionft.export.bundle.project_facts import ProjectFacts
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_snapshot import read_snapshot

if TYPE_CHECKING:
    from visionft.evaluation.report import Evaluation

_CONFUSED = 5


def data_of(run: RunSummary, images: Snapshot, facts: ProjectFacts) -> dict[str, Any]:
    """Return how many pictures of which class the run learned from and was measured on, and what is known of them.

    Args:
        run: Its own pictures count; `images` do where it does not know them any more.
        images: The project's pictures.
        facts: What the project knows beside them.
    """
    try:
        known = read_snapshot(run.path)
    except RunError:
        known = images
    counts = {split: known.class_counts(known.labelled(split)) for split in SPLITS}
    together = facts.together
    honest = () if together is None else accuracies_of_run(run.path, run.title, together)
    return {
        "pictures": {split: len(known.labelled(split)) for split in SPLITS},
        "unlabelled": sum(not image.labels for image in known.images),
        "classes": {name: {split: counts[split][name] for split in SPLITS} for name in known.class_names},
        "labelled_by": dict(facts.labelled_by),
        "near_duplicates": asdict(facts.doubles) if facts.doubles else None,
        "leaks": None if together is None else [asdict(each) for each in honest],
    }


def metrics_of(measured: "Sequence[Evaluation | StoredEvaluation | None]") -> dict[str, Any]:
    """Return what a run is worth, by split."""
    return {each.split: _figures(each) for each in measured if each is not None}


def _figures(measured: "Evaluation | StoredEvaluation") -> dict[str, Any]:
    if isinstance(measured, StoredEvaluation):
        rows = {each.name: each for each in measured.scores}
        several = measured.is_multilabel
    else:
        rows = measured.per_class
        several = measured.mean_average_precision is not None
    return {
        "pictures": measured.images,
        "unreadable": measured.unreadable,
        "top1": measured.top1,
        "top1_interval": list(measured.top1_interval),
        "balanced_accuracy": measured.balanced_accuracy,
        "ece": measured.ece,
        "ece_before": measured.ece_before,
        "classes": {name: _scores(row) for name, row in rows.items()},
        "confused": [] if several else _confused(measured.confusion, list(rows)),
    }


def _scores(row: Any) -> dict[str, Any]:
    return {
        "pictures": row.support,
        "recall": row.recall,
        "recall_interval": list(row.recall_interval),
        "precision": row.precision,
        "f1": row.f1,
    }


def _confused(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the most frequent mistakes: which class was taken for which, and how often."""
    pairs = Counter(
        {
            (names[true], names[said]): count
            for true, row in enumerate(confusion)
            for said, count in enumerate(row)
            if count and true != said
        }
    )
    return [{"true": true, "said": said, "pictures": count} for (true, said), count in pairs.most_common(_CONFUSED)]


def training_of(run: RunSummary) -> dict[str, Any]:
    """Return the run's settings, those of its own method alone, and what training took."""
    values = run.config.to_dict()
    others = {name for name, value in values.items() if isinstance(value, Mapping)} - {values["method"]}
    settings = {name: value for name, value in values.items() if name not in others}
    settings["weights"] = Path(run.config.weights).name  # a file of the author's own, without its folders
    result, best = run.result, run.best
    return {
        "settings": settings,
        "epochs": run.last_epoch,
        "kept_epoch": best.epoch if best else None,
        "seconds": result.seconds if result else None,
        "device": result.device if result else None,
        "precision": result.precision if result else None,
        "trainable_parameters": result.trainable_parameters if result else None,
        "parameters": result.total_parameters if result else None,
    }
