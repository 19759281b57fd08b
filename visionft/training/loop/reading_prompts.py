"""What a run hears of its classes: the prompts of the snapshot, read by the backbone's text side."""

from collections.abc import Callable

import torch  # noqa: TID253

from visionft.data.types import Snapshot
from visionft.events import Notice, OnEvent
from visionft.heads.common_space import ClassPoints
from visionft.training.config.train_config import TrainConfig
from visionft.zero_shot.prompts import ClassTexts, all_texts, same_texts
from visionft.zero_shot.text_encoder import open_text_side

_NAMED = 5  # classes that a notice names


def read_classes(
    config: TrainConfig,
    images: Snapshot,
    *,
    device: torch.device | str,
    on_event: OnEvent,
    should_stop: Callable[[], bool],
) -> ClassPoints:
    """Read what is said of each class, and tell what of it makes answers worse than they could be.

    Raises:
        InterruptedError: The user stopped.
        VisionFTError: Weights, vocabulary or the package that reads texts cannot be had.
    """
    classes = all_texts(images.class_names, images.prompts, config.method_row.templates(config.method_options))
    _tell(classes, on_event)
    side = open_text_side(
        config.backbone_row, config.weights, device=device, on_event=on_event, should_stop=should_stop
    )
    return side.class_points(classes, on_event=on_event, should_stop=should_stop)


def _tell(classes: tuple[ClassTexts, ...], on_event: OnEvent) -> None:
    for names in same_texts(classes):
        message = f"The same prompts stand for {_listed(names)}: their answers cannot differ."
        on_event(Notice(message=message, level="warning"))
    unsaid = [each.class_name for each in classes if each.is_name_alone]
    if unsaid:
        on_event(Notice(message=f"By its name alone stands: {_listed(unsaid)}."))


def _listed(names: "tuple[str, ...] | list[str]") -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
