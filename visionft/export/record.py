"""The metadata of an exported file, and the content of the record beside it, with facts of its project. Torch-free."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

import visionft
from models.backbone import NOT_STATED
from models.weights.locations import PRETRAINED
from visionft.analysis.check import read_result
from visionft.analysis.duplicate_groups import duplicate_groups
from visionft.analysis.duplicates import Duplicates
from visionft.analysis.leaks import Leaks, RelatedImages, accuracies_of_run, related_images
from visionft.core.errors import RunError
from visionft.data.types import SPLITS, Snapshot
from visionft.export.export_result import Border, ExportResult
from visionft.project.edits.changes import LabelSource
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import NO_LIMIT, ImageFilter, find_images, read_notes_and_tags
from visionft.project.store import ProjectStore
from visionft.training.base_weights import NO_LICENCE, base_weights_of
from visionft.training.config.train_config import METHODS_FIELD
from visionft.training.evaluation.stored import Evaluation
from visionft.training.evaluation.unseen import is_unseen
from visionft.training.retrieval import training_snapshot
from visionft.training.runs.run_folder import StoredRun

if TYPE_CHECKING:
    from visionft.training.runs.run_model import RunModel

_MAX_CONFUSIONS = 5
# SPDX identifiers among the licences of pretrained weights.
_SPDX = ("Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT")
_STEPS = "largest box of the input's aspect ratio in the region, antialiased resize, normalise"
Remarks = Mapping[int, tuple[str, tuple[str, ...]]]  # {image id: (note, tags)}


@dataclass(frozen=True, kw_only=True)
class ProjectFacts:
    """Facts of a project beside its images, labels and splits.

    Attributes:
        labelled_by: Number of images with a label of each source.
        related: None without a leak check.
        duplicates: Numbers of near-duplicate groups, of images in them, and of images compared; None without a check.
    """

    remarks: Remarks = field(default_factory=dict[int, tuple[str, tuple[str, ...]]])
    labelled_by: Mapping[LabelSource, int] = field(default_factory=dict[LabelSource, int])
    related: RelatedImages | None = None
    duplicates: Mapping[str, int] | None = None


NO_FACTS = ProjectFacts()


def facts_of(project: ProjectStore) -> ProjectFacts:
    leaks, pairs = read_result(project.path, Leaks.name), read_result(project.path, Duplicates.name)
    duplicates = None
    if pairs is not None:
        groups = duplicate_groups(pairs, fine=verdicts_of(project, Duplicates.name))
        images = sum(len(each.image_ids) for each in groups)
        duplicates = {"groups": len(groups), "images": images, "looked_at": pairs.checked}
    return ProjectFacts(
        remarks=read_notes_and_tags(project),
        labelled_by={
            source: len(find_images(project, ImageFilter(source=source), limit=NO_LIMIT))
            for source in get_args(LabelSource)
        },
        related=related_images(project, leaks) if leaks is not None else None,
        duplicates=duplicates,
    )


def metadata_of(
    model: "RunModel", images: Snapshot, temperature: float, thresholds: np.ndarray | None, border: Border | None
) -> dict[str, Any]:
    """Return the metadata of the model file: its origin, how to interpret its outputs, and the data it was trained on.

    `border` describes the distance from which an image is out of distribution.
    """
    return {
        **({} if thresholds is None else {"thresholds": thresholds.tolist()}),
        **({} if border is None else {"distance": asdict(border)}),
        **_components(model),
        "task": images.task,
        "temperature": f"{temperature:.6f}",
        "data_digest": images.digest,
        "producer": f"VisionFT {visionft.__version__}",
    }


def _components(model: "RunModel") -> dict[str, Any]:
    """Return the run and its components: for an ensemble the strongest part, and a list of all parts."""
    parts = [_part(part) for part in model.parts]
    found = {
        **_part(model.strongest),
        "run": model.run.name,
        "method": model.run.config.method,
        "license": licence_expression(part["license"] for part in parts),
        "class_names": list(model.run.class_names),
    }
    if model.is_combined:
        found["parts"] = [{**part, "share": share} for part, share in zip(parts, model.shares, strict=True)]
    return found


def licence_expression(licences: Iterable[str]) -> str:
    """Return the SPDX expression of licences that all apply; a name that SPDX does not have becomes a `LicenseRef-`.

    Without a licence of others, as with random weights, it is `LicenseRef-not-stated`: the author's is unknown.
    """
    names = [name for each in licences if each != NO_LICENCE for name in re.split(r"(?i)\s+and\s+", each)]
    return " AND ".join(dict.fromkeys(map(_spdx_name, names))) or _spdx_name(NOT_STATED)


def _spdx_name(licence: str) -> str:
    name = re.sub("[^A-Za-z0-9.]+", "-", licence).strip("-")
    return licence if licence in _SPDX else f"LicenseRef-{name or 'other'}"


def _part(part: "RunModel") -> dict[str, Any]:
    config = part.run.config
    weights = base_weights_of(part.run)
    caveat = config.backbone_row.caveat if weights.source == PRETRAINED else ""
    origin = {name: getattr(weights, name) for name in ("source", "file", "origin", "revision", "sha256", "licence")}
    for name in ("source", "origin"):  # of a user's file only its name, not the user's folders
        if Path(origin[name]).is_absolute():
            origin[name] = Path(origin[name]).name
    return {
        "run": part.run.name,
        "backbone": config.backbone,
        "network": config.backbone_row.construction,
        "method": config.method,
        "license": weights.licence,
        "weights": origin,
        **({"caveat": caveat} if caveat else {}),
        "preprocessing": {**asdict(part.preprocessing), "color_order": "RGB", "steps": _STEPS},
    }


def record_of(
    model: "RunModel", result: ExportResult, images: Snapshot, facts: ProjectFacts, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of `export.json` without its list of files: the model's components and measurements."""
    import torch

    measured = asdict(result)
    for name in ("model", "files"):
        del measured[name]
    components = _components(model)
    run = model.run
    caveats = dict.fromkeys(part["caveat"] for part in components.get("parts", [components]) if "caveat" in part)
    return {
        **components,
        "title": run.title,
        "method_title": run.config.method_row.title,
        "task": images.task,
        "caveats": list(caveats),
        "data": _data_of(run, images, facts),
        "metrics": metrics,
        "training": _training_of(run),
        **measured,
        "samples": {each.pop("name"): each for each in measured["samples"]},
        "visionft": visionft.__version__,
        "torch": torch.__version__,
    }


def _data_of(run: StoredRun, images: Snapshot, facts: ProjectFacts) -> dict[str, Any]:
    """Return the number of images per split and class of a run, its label sources, near-duplicates and leaks.

    The images of its training are counted; the project's images for k-NN, and where its own cannot be read.
    """
    try:
        known = training_snapshot(run, images)
    except RunError:
        known = images
    counts = {split: known.class_counts(known.labelled(split)) for split in SPLITS}
    leaks = [*accuracies_of_run(run, images, facts.related)]
    is_known = facts.related is not None or any(each.leaked for each in leaks)  # no leak at a glance proves little
    return {
        "images": {split: len(known.labelled(split)) for split in SPLITS},
        "unlabelled": sum(not image.labels for image in known.images),
        "classes": {name: {split: counts[split][name] for split in SPLITS} for name in known.class_names},
        "labelled_by": dict(facts.labelled_by),
        "near_duplicates": facts.duplicates,
        "leaks": [asdict(each) for each in leaks] if is_known else None,
    }


def metrics_of(run: StoredRun, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    return {each.split: {**_metrics_of(each), "unseen": is_unseen(run, each)} for each in evaluations}


def _metrics_of(evaluation: Evaluation) -> dict[str, Any]:
    names = list(evaluation.per_class)
    confused = Counter[tuple[str, str]]()
    if not evaluation.is_multilabel:
        for true, row in zip(names, evaluation.confusion, strict=True):
            confused.update(
                {(true, name): count for name, count in zip(names, row, strict=True) if count and name != true}
            )
    return {
        **{name: getattr(evaluation, name) for name in ("images", "unreadable", "top1", "balanced_accuracy", "ece")},
        "top1_interval": list(evaluation.top1_interval),
        "ece_before": evaluation.ece_before,
        "classes": {
            name: {
                "images": row.support,
                "recall": row.recall,
                "recall_interval": row.recall_interval and list(row.recall_interval),
                "precision": row.precision,
                "f1": row.f1,
            }
            for name, row in evaluation.per_class.items()
        },
        "confused": [
            {"true": true, "said": predicted, "images": count}
            for (true, predicted), count in confused.most_common(_MAX_CONFUSIONS)
        ],
    }


def _training_of(run: StoredRun) -> dict[str, Any]:
    """Return the run's settings, limited to its own method, and the costs of its training."""
    values = run.config.to_dict()
    settings = {name: value for name, value in values.items() if name not in run.config.unused_settings}
    settings[METHODS_FIELD] = {run.config.method: asdict(run.config.method_options)}
    settings["weights"] = Path(run.config.weights).name  # for a user's file, only its name
    result, has_epochs = run.result, run.config.total_epochs > 0
    return {
        "settings": settings,
        "epochs": run.last_epoch if has_epochs else None,
        "kept_epoch": run.best.epoch if run.best and has_epochs else None,
        **{name: getattr(result, name, None) for name in ("seconds", "device", "precision", "trainable_parameters")},
        "parameters": result.total_parameters if result else None,
    }
