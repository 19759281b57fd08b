"""What the set-up of a run measures in tasks: what settings cost, which learning rate and which network suit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from visionft.events import OnEvent, Progress, ShouldStop
from visionft.libraries import load_libraries

if TYPE_CHECKING:
    from visionft.data.types import Snapshot
    from visionft.training.config.train_config import TrainConfig
    from visionft.training.estimate import Estimate
    from visionft.training.lr_finder import RateCurve
    from visionft.training.probing import Probe

ONE_MEASURED = "Measured"


def estimate_costs(
    configs: "Sequence[TrainConfig]",
    images: "Snapshot",
    *,
    is_quiet: bool = False,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> "tuple[tuple[TrainConfig, Estimate | str], ...]":
    """Measure a few steps of each of these settings; the measurements are kept for `known_estimate`.

    Args:
        configs: The settings.
        images: What they would be trained on.
        is_quiet: Nobody asked for it: what cannot be trained here is no failure of the task.
        on_event: Receives a `Progress` of the stage `ONE_MEASURED` after each.
        should_stop: Asked before every batch.

    Returns:
        For each config its estimate, or why it cannot be trained here.
    """
    load_libraries(on_event)
    from visionft.errors import VisionFTError
    from visionft.training.estimate import estimate_run

    found: list[tuple[TrainConfig, Estimate | str]] = []
    for config in configs:
        try:
            found.append((config, estimate_run(config, images, on_event=on_event, should_stop=should_stop)))
        except VisionFTError as error:
            if len(configs) == 1 and not should_stop() and not is_quiet:
                raise
            found.append((config, error.message))
        on_event(Progress(stage=ONE_MEASURED, done=len(found), total=len(configs)))
        if should_stop():
            break
    return tuple(found)


def find_rate(
    config: "TrainConfig", images: "Snapshot", *, on_event: OnEvent, should_stop: ShouldStop
) -> "RateCurve | None":
    """Try rising learning rates on a network that is thrown away; None when it was stopped."""
    load_libraries(on_event)
    from visionft.errors import VisionFTError
    from visionft.training.lr_finder import find_learning_rate

    try:
        return find_learning_rate(config, images, on_event=on_event, should_stop=should_stop)
    except VisionFTError:
        if should_stop():
            return None
        raise


def try_networks(
    names: "Sequence[str]", config: "TrainConfig", images: "Snapshot", *, on_event: OnEvent, should_stop: ShouldStop
) -> "tuple[Probe, ...]":
    """Measure what each network is worth on the pictures; when stopped, those that were done."""
    load_libraries(on_event)
    from visionft.training.probing import probe_backbones

    return probe_backbones(names, config, images, on_event=on_event, should_stop=should_stop)
