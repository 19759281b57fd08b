"""The last recommendation of a project, saved until images, labels or splits change.

The window looks for one when the page opens, so heavy modules load only where there is one.
"""

import dataclasses
import logging
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from models.messages import load_message, store_message
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.files import read_json, write_json
from visionft.records import none_if_unreadable
from visionft.training.config.presets import PRESETS

if TYPE_CHECKING:
    from visionft.advice.learning_curve import LearningCurve
    from visionft.advice.recommend import Recommendation

logger = logging.getLogger(__name__)

FILE: Final = "recommendation.json"
_TEXTS = ("title", "refusal")  # of a model


@dataclasses.dataclass(frozen=True)
class StoredCurve:
    """The curve of the last recommendation, still useful after more labels were added.

    Attributes:
        labelled: Number of labelled images at that time, those left out of the curve included.
    """

    curve: "LearningCurve"
    labelled: int

    def labels_of(self, labelled: int) -> int:
        return max(0, self.curve.labels + labelled - self.labelled)


def store_recommendation(project_dir: Path, images: Snapshot, found: "Recommendation") -> None:
    """Save the recommendation for these images; on a full disk it is only not saved."""
    try:
        labelled = sum(bool(image.labels) for image in images.images)
        values: dict[str, Any] = dataclasses.asdict(found) | {"problem": store_message(found.problem)}
        for each in values["rows"]:
            each |= {name: store_message(each[name]) for name in _TEXTS}
        write_json(project_dir / FILE, {"images": images.digest, "labelled": labelled, "recommendation": values})
    except (OSError, VisionFTError) as error:
        logger.warning("The recommendation was not saved: %s", error)


@none_if_unreadable
def read_recommendation(project_dir: Path, images: Snapshot) -> "Recommendation | None":
    """Return the saved recommendation for exactly these images, labels and splits; None without one."""
    stored = read_json(project_dir / FILE)
    if stored["images"] != images.digest:
        return None
    from visionft.advice.recommend import Recommendation

    values = stored["recommendation"]
    values["problem"] = load_message(values["problem"])
    if "candidates" in values:
        values |= _since_one_type(values.pop("candidates"))
    for each in values["rows"]:
        each |= {name: load_message(each[name]) for name in _TEXTS}
    found: Recommendation = _restored(Recommendation, values)
    if found.chosen not in (each.name for each in found.rows):
        raise ValueError(f"{found.chosen} is none of the models")
    if found.recommended.preset not in ("", *PRESETS):
        raise ValueError(f"{found.recommended.preset} is no preset")
    return found


def _since_one_type(candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of a file written before runs and other models had one type (docs/decisions/0074).

    Their ranks and splits were not stored: they are told again with the next recommendation.
    """
    states = {"run": "measured", "free": "held_out", "trained": "forecast"}
    rows = []
    for each in candidates:
        is_run = each["kind"] == "run"
        size_mb = each["size_mb"]
        cost = {
            "seconds": None if is_run else each["seconds"],  # 0 stood for an existing run
            "memory_mb": each["memory_mb"],
            "shipped_bytes": None if size_mb is None else round(size_mb * 1e6),
        }
        kept = ("title", "method", "backbone", "images", "milliseconds", "preset", "refusal", "is_unseen")
        row = {
            "run": each["name"] if is_run else "",
            "state": states[each["kind"]],
            "is_training_free": each["kind"] == "free",
            "top1": each["accuracy"],
            "top1_interval": [each["low"], each["high"]],
            "cost": cost,
        }
        rows.append(row | {name: each[name] for name in kept})
    return {"split": "val", "images": 0, "rows": rows}


@none_if_unreadable
def read_curve(project_dir: Path) -> StoredCurve | None:
    """Return the curve of the last recommendation, even after changes; None without a readable one."""
    stored = read_json(project_dir / FILE)
    from visionft.advice.learning_curve import LearningCurve

    return StoredCurve(_restored(LearningCurve, stored["recommendation"]["curve"]), int(stored["labelled"]))


def _restored(kind: Any, value: Any) -> Any:
    """Return a value of JSON as its annotated type: a dataclass, a tuple of values, or None."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _restored(hints[name], each) for name, each in value.items()})
    if get_origin(kind) is tuple:
        return tuple(_restored(get_args(kind)[0], each) for each in value)
    return _restored(get_args(kind)[0], value) if get_origin(kind) is UnionType and value is not None else value
