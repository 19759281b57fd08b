"""What an exported file and the record beside it say of themselves."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

import visionft
from visionft.data.types import Snapshot
from visionft.export.bundle.described import data_of, training_of
from visionft.export.bundle.project_facts import ProjectFacts
from visionft.export.distance import FittedDistance
from visionft.export.graph import preprocessing_metadata
from visionft.export.parity import ExportResult, SampleRun
from visionft.training.base_weights import base_weights_of
from visionft.training.runs.answerer import Answerer
from visionft.training.runs.loaded_run import LoadedRun
from visionft.training.runs.run_folder import BaseWeights
from visionft.weights.locations import PRETRAINED


def metadata_of(
    answerer: Answerer,
    images: Snapshot,
    temperature: float,
    thresholds: np.ndarray | None,
    fitted: FittedDistance | None,
) -> dict[str, Any]:
    """Return what the model file itself says: of what it is made, what its numbers mean, from which data."""
    several = {} if thresholds is None else {"thresholds": [round(float(limit), 6) for limit in thresholds]}
    border = {} if fitted is None else {"distance": asdict(fitted.border)}
    return {
        **several,
        **border,
        **_made_of(answerer),
        "task": images.task,
        "temperature": f"{temperature:.6f}",
        "data_digest": images.digest,
        "producer": f"VisionFT {visionft.__version__}",
    }


def _made_of(answerer: Answerer) -> dict[str, Any]:
    """Return which run it is, and what of: of a combination the strongest part's, and beside it every part."""
    parts = [_part(part) for part in answerer.parts]
    licences = dict.fromkeys(part["license"] for part in parts)
    found = {
        **_part(answerer.strongest),
        "run": answerer.run.name,
        "method": answerer.run.config.method,
        "license": " and ".join(licences),
        "class_names": list(answerer.run.class_names),
    }
    if answerer.is_combined:
        found["parts"] = [{**part, "share": share} for part, share in zip(parts, answerer.shares, strict=True)]
    return found


def _part(part: LoadedRun) -> dict[str, Any]:
    config, weights = part.run.config, base_weights_of(part.run)
    caveat = config.backbone_row.caveat if weights.source == PRETRAINED else ""
    return {
        "run": part.run.name,
        "backbone": config.backbone,
        "network": config.backbone_row.construction,
        "method": config.method,
        "license": weights.licence,
        "weights": _source(weights),
        **({"caveat": caveat} if caveat else {}),
        "preprocessing": preprocessing_metadata(part.preprocessing),
    }


def _source(weights: BaseWeights) -> dict[str, str]:
    """Return where the weights that training started from came from, for those who must answer for their licence.

    A file of the author's own is named without its folders: an export tells nobody how their disk is laid out.
    """
    said = {name: getattr(weights, name) for name in ("source", "file", "origin", "revision", "sha256", "licence")}
    return said | {name: Path(said[name]).name for name in ("source", "origin") if Path(said[name]).is_absolute()}


def record_of(
    answerer: Answerer, result: ExportResult, images: Snapshot, facts: ProjectFacts, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what `export.json` holds beside its list of files: of what the model is made, what was measured of it.

    Args:
        answerer: What was exported.
        result: What the file was measured to be.
        images: The project's pictures.
        facts: What the project knows of them.
        metrics: What the model is worth, by split (`metrics_of`).
    """
    made, run = _made_of(answerer), answerer.run
    caveats = dict.fromkeys(part["caveat"] for part in made.get("parts", [made]) if "caveat" in part)
    return {
        **made,
        "title": run.title,
        "method_title": run.config.method_row.title,
        "task": images.task,
        "caveats": list(caveats),
        "data": data_of(run, images, facts),
        "metrics": metrics,
        "training": training_of(run),
        "bytes": result.bytes,
        "sha256": result.sha256,
        "temperature": result.temperature,
        "opset": result.opset,
        "parity": asdict(result.parity),
        "latency": asdict(result.latency),
        "border": asdict(result.border) if result.border else None,
        "remembered": result.remembered,
        "samples": {each.name: _came_of(each) for each in result.samples},
        "large_ms": result.large_ms,
        "variants": [asdict(variant) for variant in result.variants],
        "label_certificates": [{"sentence": each.sentence, **asdict(each)} for each in facts.certificates],
        "visionft": visionft.__version__,
        "torch": torch.__version__,
    }


def _came_of(sample: SampleRun) -> dict[str, Any]:
    return {name: value for name, value in asdict(sample).items() if name != "name"}
