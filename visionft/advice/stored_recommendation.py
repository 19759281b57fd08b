"""The last recommendation of a project, saved until images, labels or splits change.

The window looks for one when the page opens, so heavy modules load only where there is one.
"""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from models.messages import load_message, store_message
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.files import read_json, write_json

if TYPE_CHECKING:
    from visionft.advice.learning_curve import LearningCurve
    from visionft.advice.recommend import Recommendation

logger = logging.getLogger(__name__)

FILE: Final = "recommendation.json"
T = TypeVar("T")


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
        for each in values["candidates"]:
            each["refusal"] = store_message(each["refusal"])
        write_json(project_dir / FILE, {"images": images.digest, "labelled": labelled, "recommendation": values})
    except (OSError, VisionFTError) as error:
        logger.warning("The recommendation was not saved: %s", error)


def read_recommendation(project_dir: Path, images: Snapshot) -> "Recommendation | None":
    """Return the saved recommendation for exactly these images, labels and splits; None without one."""

    def parse(stored: dict[str, Any]) -> "Recommendation | None":
        if stored["images"] != images.digest:
            return None
        from visionft.advice.model_candidates import ModelCandidate
        from visionft.advice.recommend import Recommendation
        from visionft.advice.trials import Trial

        values = stored["recommendation"]
        candidates = [{**each, "refusal": load_message(each["refusal"])} for each in values["candidates"]]
        read = {
            "candidates": tuple(ModelCandidate(**each) for each in candidates),
            "problem": load_message(values["problem"]),
            "to_label": tuple(values["to_label"]),
            "curve": _curve(values["curve"]),
            "trial": Trial(**values["trial"]) if values["trial"] is not None else None,
        }
        return Recommendation(**{**values, **read})

    return _read(project_dir, parse)


def read_curve(project_dir: Path) -> StoredCurve | None:
    """Return the curve of the last recommendation, even after changes; None without a readable one."""
    return _read(
        project_dir,
        lambda stored: StoredCurve(_curve(stored["recommendation"]["curve"]), int(stored["labelled"])),
    )


def _read(project_dir: Path, parse: Callable[[Any], T | None]) -> T | None:
    try:
        return parse(read_json(project_dir / FILE))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The recommendation of %s cannot be read: %s", project_dir, error)
        return None


def _curve(values: dict[str, Any]) -> "LearningCurve":
    from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve

    points = {name: tuple(CurvePoint(**each) for each in values[name]) for name in ("measured", "line", "ahead")}
    gains = tuple(Gain(**each) for each in values["gains"])
    now, spread = CurvePoint(**values["now"]), Gain(**values["spread"])
    return LearningCurve(**{**values, **points, "gains": gains, "now": now, "spread": spread})
