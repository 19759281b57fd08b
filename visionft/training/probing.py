"""Choosing a backbone for the user's images by the held-out accuracy of closed-form heads, in seconds.

The held-out accuracy of a linear head on frozen features nearly always ranks pretrained networks as fine-tuning does
(Kornblith et al. 2019, arXiv:1805.08974), at a hundredth of the cost.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.catalog import get_backbone
from models.messages import Message
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.events import Progress
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.project.names import count_of
from visionft.training.config.checks import check_config
from visionft.training.config.presets import PRESETS, Circumstances, preset_backbones, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.subsets import spread_by_class

MOST_IMAGES = 600
LEAST_PER_CLASS = 8
MUCH_SLOWER = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The held-out accuracy of one backbone's closed-form head on the user's images."""

    backbone: str
    accuracy: float | None  # held-out accuracy on training images; None where classes have one image each
    images: int
    milliseconds: float  # per image, reading included
    seconds: float

    @property
    def standard_error(self) -> float:
        """Return the standard error of `accuracy`, from the binomial distribution."""
        share = self.accuracy or 0.0
        return math.sqrt(max(share * (1 - share), 0.25 / self.images) / self.images)


def probe_backbones(
    names: Sequence[str], config: TrainConfig, images: Snapshot, *, job: JobContext = SILENT
) -> tuple[Probe, ...]:
    """Measure each backbone on the same training images, at most 600, in the order of `names`.

    `config` gives device, precision and seed. A cancelled job returns the finished probes.
    """
    check_config(config, images)
    per_class = max(LEAST_PER_CLASS, MOST_IMAGES // len(images.class_names))
    chosen = spread_by_class(images.labelled("train"), per_class)
    found: list[Probe] = []
    for name in names:
        try:
            found.append(_probe(name, config, images, chosen, job=job))
        except JobCancelled:
            break
    return tuple(found)


def _probe(
    name: str, config: TrainConfig, images: Snapshot, chosen: Sequence[SnapshotImage], *, job: JobContext
) -> Probe:
    import torch

    from visionft.heads.linear_head import fit_head
    from visionft.training.loop.batches import ProcessShard, cached_features, plain_batches
    from visionft.training.loop.run_context import RunContext, release

    began, stage = time.perf_counter(), Message("Trying {title}", title=get_backbone(name).title)
    job.report(Progress(stage=stage, done=0, total=0))
    settings = replace(config, backbone=name, method="linear", image_size=0, weights="pretrained")
    context = RunContext(settings, classes=len(images.class_names))
    try:
        source = plain_batches(settings, images, chosen, ProcessShard(device=context.accelerator.device))

        def extract(batch: torch.Tensor) -> torch.Tensor:
            with context.accelerator.autocast():
                return context.classifier.features(batch)

        context.classifier.eval()
        looked = time.perf_counter()
        options = {"total": len(chosen), "stage": stage, "job": job, "on_batch": lambda _batch: job.check_cancelled()}
        features = cached_features(source, extract, **options)
        milliseconds = 1000 * (time.perf_counter() - looked) / len(features.images)
        is_multilabel = images.task == "multi"
        targets = features.targets
        if not is_multilabel:
            targets = torch.nn.functional.one_hot(targets, len(images.class_names))
        fitted = fit_head(
            features.images.float().cpu().numpy(),
            targets.cpu().numpy(),
            widths=context.classifier.head_parts,
            is_multilabel=is_multilabel,
            seed=config.seed,
            job=job,
        )
    finally:
        release(context.classifier, None)
    return Probe(
        backbone=name,
        accuracy=fitted.accuracy,
        images=len(features.images),
        milliseconds=milliseconds,
        seconds=time.perf_counter() - began,
    )


def best_probe(probes: Sequence[Probe]) -> Probe:
    """Return the chosen probe: the first in order within a standard error of the most accurate one.

    The order is one of preference. Probes more than `MUCH_SLOWER` times slower than the fastest of them are skipped;
    smaller differences are noise on a busy computer.
    """
    if not probes:
        raise RunError("No backbone was tried.", "Start again, or name one yourself.")
    top = max(probes, key=lambda each: each.accuracy or 0.0)
    near = [each for each in probes if (each.accuracy or 0.0) >= (top.accuracy or 0.0) - top.standard_error]
    quickest = min(each.milliseconds for each in near)
    return next(each for each in near if each.milliseconds <= MUCH_SLOWER * quickest)


def preset_configs(circumstances: Circumstances, probes: Sequence[Probe], *, device: str) -> dict[str, TrainConfig]:
    """Return the settings of each preset, with the backbone measured best on the images."""
    configs = {
        name: preset_config(name, circumstances, backbone=measured_backbone(name, circumstances, probes))
        for name in PRESETS
    }
    return {name: replace(config, device=device) for name, config in configs.items()}


def measured_backbone(preset: str, circumstances: Circumstances, probes: Sequence[Probe]) -> str:
    """Return the best measured backbone among those suited to a preset; empty where there was no choice."""
    suited = preset_backbones(preset, circumstances)
    tried = [probe for name in suited for probe in probes if probe.backbone == name]
    return best_probe(tried).backbone if len(tried) > 1 else ""


def evidence(probes: Sequence[Probe]) -> str:
    chosen = best_probe(probes)
    measured = Message("{title} {accuracy} (± {value}), {milliseconds} ms an image")
    shown = list[str]()
    for each in probes:
        if each.accuracy is not None:
            figures = {"accuracy": f"{each.accuracy:.1%}", "value": f"{1.96 * each.standard_error:.1%}"}
            times = {"milliseconds": f"{each.milliseconds:.0f}"}
            shown.append(Message(measured, title=get_backbone(each.backbone).title, **figures, **times))
    text = "; ".join(shown) or "one image a class is too few to tell"
    words = Message("{title} suits these {counted} best by a linear probe: {text}.", text=text)
    return Message(words, title=get_backbone(chosen.backbone).title, counted=count_of(chosen.images, "image"))
