"""The project's images as a run uses them, with the derived facts for the set-up; read in the background."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gui.kit.translation import capitalised, tr
from gui.session import ProjectSession
from visionft.core.errors import VisionFTError
from visionft.data.types import Snapshot
from visionft.project.splits import SplitRequest, as_divided, is_divided
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import Circumstances
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts


@dataclass(frozen=True, slots=True)
class ImagesRequest:
    """A request to read the images of a session; for another snapshot than `known` only the shares of `wish` count."""

    session: ProjectSession
    wish: SplitRequest
    known: Snapshot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingImages:
    """The images at one moment.

    Attributes:
        wish: The requested split of images without one.
        divided: As a run uses them: Start splits the images without a split.
        is_divided: Whether every image has a split.
        counts: Labelled images by split, those of `divided`.
        untriable: Why nothing can be measured on them, translated; empty where measuring is possible.
        unadvisable: Why no recommendation is possible yet, translated; empty where one is.
    """

    now: Snapshot
    wish: SplitRequest
    divided: Snapshot
    is_divided: bool
    counts: Mapping[str, int]
    facts: SetFacts
    circumstances: Circumstances
    untriable: str
    unadvisable: str


def read_training_images(wanted: ImagesRequest) -> TrainingImages:
    """Read and count the images; thread-safe."""
    from visionft.analysis.advice import check_labels

    now = wanted.session.snapshot()
    wish = wanted.wish
    path = wanted.session.path
    unadvisable = ""
    try:
        check_labels(path, now)
    except VisionFTError as error:
        unadvisable = " ".join(filter(None, (tr(error.message), tr(error.hint or ""))))
    if now is not wanted.known and any(image.split for image in now.images):
        wish = replace(SplitRequest.like(now), group=wish.group, seed=wish.seed)
    divided = as_divided(now, wish)
    problems = config_problems(TrainConfig(), divided)[:1]
    return TrainingImages(
        now=now,
        wish=wish,
        divided=divided,
        is_divided=is_divided(now),
        counts=Counter(image.split or "unassigned" for image in divided.images if image.labels),
        facts=SetFacts.of(divided),
        circumstances=Circumstances.of(divided, device="cpu"),
        untriable=" ".join(f"{capitalised(tr(each.message))}. {tr(each.hint)}" for each in problems),
        unadvisable=unadvisable,
    )
