"""Events of long jobs: frozen dataclasses of plain numbers and text, never tensors or exceptions.

A job sends them through its `JobContext` (`visionft.core.jobs`).
"""

from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from visionft.core.errors import NextStep
from visionft.core.records import from_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of a stage. `total` is 0 while unknown; `unit` is the unit of both numbers.

    `share`: finished part of the whole job, 0 to 1; None for a job without known stages (`JobContext.in_stages`).
    """

    stage: str
    done: int
    total: int
    unit: Literal["items", "images", "bytes"] = "items"
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultStored:
    """The job has stored one of its results, and goes on."""

    name: str  # of a run or a check, or the path of an exported model


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice for the user with a suggested action; the job goes on."""

    message: str
    level: Literal["info", "warning"] = "info"
    next_step: NextStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesClassified:
    """Held-out images that a run has classified, one class each: their ids, assigned classes and labels."""

    split: str  # or the framing being measured; images of another split replace the earlier ones
    image_ids: tuple[int, ...]
    predicted: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A training run has its model and data ready.

    `first_epoch` is above 1 when a run is continued; `processes` train together, on a device each.
    """

    run: str
    backbone: str
    method: str
    epochs: int
    first_epoch: int
    steps_per_epoch: int
    train_images: int
    val_images: int
    trainable_parameters: int
    total_parameters: int
    device: str
    precision: str
    processes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One optimiser step; throttled to about ten a second. `step` counts from 1 within `epoch` (from 1).

    `memory_mb` is the most memory in use so far, as in `TrainResult`; `share` is as in `Progress`.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    images_per_second: float
    eta_s: float
    memory_mb: int = 0
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDone:
    """One epoch and its validation; one line of `metrics.jsonl`. Accuracies are shares of 1.

    Epoch 0 is a linear probe on the initial features, before the first step (the initial head for random weights): its
    training loss and accuracy are missing (None), unless only the head is trained.

    `learning_rate` and `images_per_second` are of the epoch's steps: None where there were none.

    Without a validation image (a method without labels) both validation figures are missing (None).

    `is_best`: the best one so far. `waited`: epochs since the highest accuracy, compared with the patience. `share`:
    the interpolation weight of the kept weights between the start (0) and the epoch (1); below 1 the validation figures
    belong to the interpolated weights. `at_s`: seconds from the click to here, pauses left out; 0 in runs of earlier
    versions.
    """

    epoch: int
    epochs: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float | None
    seconds: float
    images_per_second: float | None
    is_best: bool
    waited: int = 0
    share: float = 1.0
    at_s: float = 0.0

    @property
    def figures(self) -> tuple[float, float] | None:
        """Return validation loss and accuracy; None where nothing was validated."""
        is_known = self.val_loss is not None and self.val_accuracy is not None
        return (self.val_loss or 0.0, self.val_accuracy or 0.0) if is_known else None

    @property
    def accuracy_for_ranking(self) -> float:
        """Return the validation accuracy for comparisons: below 0 where it is not known."""
        return -1.0 if self.val_accuracy is None else self.val_accuracy

    @property
    def accuracy_text(self) -> str:
        """Return the validation accuracy for a person, such as `93.5%`; a dash where it is not known."""
        return "–" if self.val_accuracy is None else f"{self.val_accuracy:.1%}"

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Rebuild from `asdict`'s values, also as the first version wrote them (`train_top1`, `val_top1`).

        Raises:
            ValueError: They are no such values.
        """
        if isinstance(values, dict):
            stored = cast("dict[str, Any]", values)
            values = {_OLD_NAMES.get(name, name): value for name, value in stored.items()}
        return from_plain(cls, values)


_OLD_NAMES = {"train_top1": "train_accuracy", "val_top1": "val_accuracy"}


Event = Progress | Notice | ResultStored | ImagesClassified | RunStarted | StepDone | EpochDone
