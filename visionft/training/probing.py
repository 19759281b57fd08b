"""Which backbone suits the user's pictures: measured by the closed-form head of each, in seconds, without training.

How well a linear head on frozen features predicts pictures that it has not seen ranks pretrained networks as
fine-tuning does nearly always (Kornblith et al. 2019, arXiv:1805.08974), at a hundredth of the cost.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.catalog import get_backbone
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.project.names import count_of
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.samples import spread_by_class

MOST_PICTURES = 600
LEAST_PER_CLASS = 8
MUCH_SLOWER = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What the closed-form head of one backbone is worth on the user's pictures.

    Attributes:
        backbone: Its name in the catalog.
        accuracy: Share of training pictures that are right, each held out in turn; None where classes have one each.
        pictures: How many were looked at.
        milliseconds: To look at one, reading included.
        seconds: The whole probe took.
    """

    backbone: str
    accuracy: float | None
    pictures: int
    milliseconds: float
    seconds: float

    @property
    def standard_error(self) -> float:
        """Return that of `accuracy`, from the binomial distribution."""
        share = self.accuracy or 0.0
        return math.sqrt(max(share * (1 - share), 0.25 / self.pictures) / self.pictures)


def probe_backbones(
    names: Sequence[str],
    config: TrainConfig,
    images: Snapshot,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> tuple[Probe, ...]:
    """Measure each backbone on the same training pictures, at most 600; the order is that of `names`.

    Args:
        names: Backbones whose weights are on this computer.
        config: Device, precision and seed are its; everything else is a linear probe's.
        images: Pictures, labels and splits.
        on_event: Receives how far it is.
        should_stop: Asked before every batch; what was measured by then is returned.

    Raises:
        ConfigError: The pictures cannot be trained on.
        RunError: None of them can be read.
    """
    check_config(config, images)
    per_class = max(LEAST_PER_CLASS, MOST_PICTURES // len(images.class_names))
    chosen = spread_by_class(images.labelled("train"), per_class)
    found: list[Probe] = []
    for name in names:
        try:
            found.append(_probe(name, config, images, chosen, on_event=on_event, should_stop=should_stop))
        except InterruptedError:
            break
    return tuple(found)


def _probe(
    name: str,
    config: TrainConfig,
    images: Snapshot,
    chosen: Sequence[SnapshotImage],
    *,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Probe:
    import torch

    from visionft.data.dataset import Batch
    from visionft.heads.fitting import fit_head
    from visionft.training.loop.batches import Sharding, cached_features, plain_batches
    from visionft.training.loop.run_context import RunContext, release

    def check(_batch: Batch) -> None:
        if should_stop():
            raise InterruptedError

    backbone, began = get_backbone(name), time.perf_counter()
    on_event(Progress(stage=f"Trying {backbone.title}", done=0, total=0))
    settings = replace(config, backbone=name, method="linear", image_size=0, weights="pretrained")
    context = RunContext(settings, classes=len(images.class_names))
    try:
        source = plain_batches(settings, images, chosen, Sharding(device=context.accelerator.device))

        def extract(pictures: torch.Tensor) -> torch.Tensor:
            with context.accelerator.autocast():
                return context.classifier.features(pictures)

        context.classifier.eval()
        looked = time.perf_counter()
        features = cached_features(source, extract, stage=f"Trying {backbone.title}", on_event=on_event, on_batch=check)
        milliseconds = 1000 * (time.perf_counter() - looked) / len(features.images)
        is_multilabel = images.task == "multi"
        targets = features.targets
        fitted = fit_head(
            features.images,
            targets if is_multilabel else torch.nn.functional.one_hot(targets, len(images.class_names)),
            widths=context.classifier.head_parts,
            is_multilabel=is_multilabel,
            seed=config.seed,
            should_stop=should_stop,
        )
    finally:
        release(context.classifier, None)
    return Probe(
        backbone=name,
        accuracy=fitted.accuracy,
        pictures=len(features.images),
        milliseconds=milliseconds,
        seconds=time.perf_counter() - began,
    )


def best_probe(probes: Sequence[Probe]) -> Probe:
    """Return the probe to go by: of those within a standard error of the most accurate one, the first in order.

    The order is that of preference, and those that take more than `MUCH_SLOWER` times as long as the quickest of them
    are passed over. What a busy computer makes of a few milliseconds must not decide.

    Raises:
        RunError: There is none: the user stopped before the first was done.
    """
    if not probes:
        raise RunError("No backbone was tried.", "Start again, or name one yourself.")
    top = max(probes, key=lambda each: each.accuracy or 0.0)
    near = [each for each in probes if (each.accuracy or 0.0) >= (top.accuracy or 0.0) - top.standard_error]
    quickest = min(each.milliseconds for each in near)
    return next(each for each in near if each.milliseconds <= MUCH_SLOWER * quickest)


def evidence(probes: Sequence[Probe]) -> str:
    """Say in a line which backbone was chosen and what was measured of each."""
    chosen = best_probe(probes)
    shown = [
        f"{get_backbone(each.backbone).title} {each.accuracy:.1%} (± {1.96 * each.standard_error:.1%}), "
        f"{each.milliseconds:.0f} ms a picture"
        for each in probes
        if each.accuracy is not None
    ]
    text = "; ".join(shown) or "one picture a class is too few to tell"
    title = get_backbone(chosen.backbone).title
    return f"{title} suits these {count_of(chosen.pictures, 'picture')} best by a linear probe: {text}."
