"""Two short training runs, each on half of the training pictures and judged on the other half, beside the probe.

What fine-tuning adds differs more between data sets than any table can say. Two halves together judge every training
picture once, and the closed-form classifier that knows the same half is judged by the same pictures.
"""

import dataclasses
import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.advice.held_out import HeldOut, Labelled, nested_orders
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import StoppedError
from visionft.evaluation.stored import read_evaluation
from visionft.events import EpochDone, Event, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.feature_store import Features
from visionft.training.config.train_config import TrainConfig

logger = logging.getLogger(__name__)

HALVES = 2
SHOWN = 2_000  # pictures that a short run shows in all
_LEAST_EPOCHS = 3
_LEAST_PICTURES = 24  # with fewer, half of them say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the short runs said of pictures that they had not learnt from, beside the probe.

    Attributes:
        learnt_from: Pictures in each half, the smaller one.
        epochs: Of each run.
        both_right: Pictures that run and probe are right for; `only_run`, `only_probe`, `both_wrong` likewise.
        seconds: Both runs took.
    """

    learnt_from: int
    epochs: int
    both_right: int
    only_run: int
    only_probe: int
    both_wrong: int
    seconds: float

    @property
    def pictures(self) -> int:
        """Return how many pictures were judged."""
        return self.both_right + self.only_run + self.only_probe + self.both_wrong

    def error_ratios(self, draws: int) -> np.ndarray:
        """Return (B) draws of the run's share of errors over the probe's (Dirichlet with Jeffreys' prior)."""
        counts = np.array([self.both_right, self.only_run, self.only_probe, self.both_wrong]) + 0.5
        shares = np.random.default_rng(3).dirichlet(counts, draws)
        return (shares[:, 2] + shares[:, 3]) / (shares[:, 1] + shares[:, 3])


def trial_config(config: TrainConfig, pictures: int) -> TrainConfig:
    """Return the settings of a short run on half of so many pictures."""
    half = max(1, pictures // HALVES)
    return dataclasses.replace(config, epochs=max(_LEAST_EPOCHS, min(config.epochs, round(SHOWN / half))))


def can_try(images: Snapshot) -> bool:
    """Tell whether there are enough pictures to learn from for a trial, and some to validate with."""
    return len(images.labelled("train")) >= _LEAST_PICTURES and bool(images.labelled("val"))


def run_trial(
    config: TrainConfig,
    images: Snapshot,
    features: Features,
    *,
    seed: int = 0,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Trial:
    """Train on one half and on the other, and judge both and the probe by what they did not see.

    Args:
        config: The settings of the run whose worth is asked; it is shortened.
        images: Pictures, labels and splits.
        features: Of these pictures, for the probe.
        seed: Draws the halves.
        on_event: Receives how far it is.
        should_stop: Asked within the runs.

    Raises:
        StoppedError: The user stopped.
        VisionFTError: The pictures cannot be trained on.
    """
    began = time.monotonic()
    train = [image for image in images.labelled("train") if image.image_id in features.place_of]
    labelled = _labelled(train, features, images)
    order = nested_orders(labelled, draws=1, seed=seed)[0]
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    held_out, settings = HeldOut(labelled), trial_config(config, len(train))
    counts = np.zeros((2, 2), np.int64)  # by run and probe, wrong and right
    for number, known in enumerate(halves):
        by_run = _judged(
            settings, _halved(images, train, known), number=number, on_event=on_event, should_stop=should_stop
        )
        by_probe = held_out.ask(known).right
        for place in halves[1 - number]:
            answer = by_run.get(train[place].image_id)
            if answer is not None and np.isfinite(by_probe[place]):
                counts[int(answer), int(by_probe[place])] += 1
    return Trial(
        learnt_from=min(map(len, halves)),
        epochs=settings.total_epochs,
        both_right=int(counts[1, 1]),
        only_run=int(counts[1, 0]),
        only_probe=int(counts[0, 1]),
        both_wrong=int(counts[0, 0]),
        seconds=time.monotonic() - began,
    )


def _labelled(train: list[SnapshotImage], features: Features, images: Snapshot) -> Labelled:
    targets = np.zeros((len(train), len(images.class_names)), np.float32)
    for row, image in enumerate(train):
        targets[row, list(image.labels)] = 1
    places = [features.place_of[image.image_id] for image in train]
    return Labelled(features.inputs[places], targets, images.task == "multi")


def _halved(images: Snapshot, train: list[SnapshotImage], known: np.ndarray) -> Snapshot:
    """Return one half to learn from, the validation pictures, and the other half as the test."""
    learnt = {train[place].image_id for place in known}
    halves = [dataclasses.replace(each, split="train" if each.image_id in learnt else "test") for each in train]
    chosen = sorted((*halves, *images.labelled("val")), key=lambda image: image.image_id)
    return dataclasses.replace(images, images=tuple(chosen))


def _judged(
    config: TrainConfig, images: Snapshot, *, number: int, on_event: OnEvent, should_stop: ShouldStop
) -> Mapping[int, bool]:
    """Train on what is train, and return {image id: whether the run is right} of what is test."""
    from visionft.evaluation.report import evaluate_run
    from visionft.training.loop.train import train

    def tell(event: Event) -> None:
        if isinstance(event, EpochDone):
            done = number * config.total_epochs + event.epoch
            on_event(Progress(stage="Two short trials", done=done, total=HALVES * config.total_epochs))

    with tempfile.TemporaryDirectory(prefix="visionft-trial-") as temporary:
        folder = Path(temporary) / "001-trial"
        train(config, images, folder, on_event=tell, should_stop=should_stop)
        if should_stop():
            raise StoppedError("The trial was stopped.", "Start again when you like.")
        evaluate_run(folder, images, "test", should_stop=should_stop)
        found = read_evaluation(folder, "test")
    return {} if found is None else {each.image_id: each.is_right for each in found.predictions}
