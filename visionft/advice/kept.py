"""The last advice of a project, kept beside it until pictures, labels or splits change.

The window looks whether there is one when the page opens, so what an answer is made of loads only where there is.
"""

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.files import read_json, write_json

if TYPE_CHECKING:
    from visionft.advice.learning_curve import LearningCurve
    from visionft.advice.recommend import Recommendation

logger = logging.getLogger(__name__)

FILE: Final = "advice.json"


def keep_advice(project_dir: Path, images: Snapshot, advice: "Recommendation") -> None:
    """Keep what was said of these pictures; a full disk costs only the memory of it."""
    try:
        labelled = sum(bool(image.labels) for image in images.images)
        values = {"images": images.digest, "labelled": labelled, "advice": dataclasses.asdict(advice)}
        write_json(project_dir / FILE, values)
    except (OSError, VisionFTError) as error:
        logger.warning("The advice was not kept: %s", error)


def has_advice(project_dir: Path) -> bool:
    """Tell whether anything was kept, without looking whether it still holds."""
    return (project_dir / FILE).is_file()


def kept_advice(project_dir: Path, images: Snapshot) -> "Recommendation | None":
    """Return what was said of just these pictures, labels and splits; None where nothing was, or of others."""
    try:
        kept = read_json(project_dir / FILE)
        return _advice(kept["advice"]) if kept["images"] == images.digest else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The advice of %s cannot be read: %s", project_dir, error)
        return None


@dataclasses.dataclass(frozen=True)
class KeptCurve:
    """The curve of the last advice, which still tells something when labels were added.

    Attributes:
        curve: As it was measured.
        labelled: Pictures of the project that had a label then, those that the curve leaves out among them.
    """

    curve: "LearningCurve"
    labelled: int

    def labels_of(self, labelled: int) -> int:
        """Return where on the curve a project stands that has `labelled` pictures with a label now."""
        return max(0, self.curve.labels + labelled - self.labelled)


def kept_curve(project_dir: Path) -> KeptCurve | None:
    """Return the curve of the last advice, whatever changed since; None where there is none that can be read."""
    if not has_advice(project_dir):
        return None
    try:
        kept = read_json(project_dir / FILE)
        return KeptCurve(_curve(kept["advice"]["curve"]), int(kept["labelled"]))
    except KeyError:  # kept by an earlier program, which did not note the labels
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning("The curve of %s cannot be read: %s", project_dir, error)
        return None


def _advice(values: dict[str, Any]) -> "Recommendation":
    from visionft.advice.answerers import Answerer
    from visionft.advice.recommend import Recommendation
    from visionft.advice.trials import Trial

    trial = values["trial"]
    read = {
        "evidence": tuple(values["evidence"]),
        "change": tuple(values["change"]),
        "answerers": tuple(Answerer(**each) for each in values["answerers"]),
        "to_label": tuple(values["to_label"]),
        "curve": _curve(values["curve"]),
        "trial": Trial(**trial) if trial is not None else None,
    }
    return Recommendation(**{**values, **read})


def _curve(values: dict[str, Any]) -> "LearningCurve":
    from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve

    points = {name: tuple(CurvePoint(**each) for each in values[name]) for name in ("measured", "line", "ahead")}
    gains = tuple(Gain(**each) for each in values["gains"])
    now, spread = CurvePoint(**values["now"]), Gain(**values["spread"])
    return LearningCurve(**{**values, **points, "gains": gains, "now": now, "spread": spread})
