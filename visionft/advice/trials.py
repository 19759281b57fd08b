"""Two short training runs, each on half of the training images and evaluated on the other half, against the probe.

The gain from fine-tuning varies widely between data sets. The two halves together evaluate every training image once,
and the closed-form classifier fitted to the same half is evaluated on the same images.
"""

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.advice.held_out_predictor import HeldOutPredictor, LabelledFeatures, nested_orders
from visionft.data.types import SPLITS, Snapshot
from visionft.evaluation.stored import read_evaluation
from visionft.events import EpochDone, Event, Progress
from visionft.features.feature_store import Features
from visionft.jobs import SILENT, JobContext
from visionft.training.config.train_config import TrainConfig

HALVES = 2
_SHOWN = 2_000  # images processed by a short run in total
_LEAST_EPOCHS = 3
_LEAST_IMAGES = 24  # with fewer, half of them say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Results of the short runs on their held-out halves, compared with the probe.

    Attributes:
        train_images: Images in the smaller half.
        both_right: Images right for run and probe; `only_run`, `only_probe`, `both_wrong` likewise.
    """

    train_images: int
    epochs: int
    both_right: int
    only_run: int
    only_probe: int
    both_wrong: int
    seconds: float

    @property
    def images(self) -> int:
        return self.both_right + self.only_run + self.only_probe + self.both_wrong

    def error_ratios(self, draws: int) -> np.ndarray:
        """Return (B) draws of the run's error rate over the probe's (Dirichlet with Jeffreys' prior)."""
        counts = np.array([self.both_right, self.only_run, self.only_probe, self.both_wrong]) + 0.5
        shares = np.random.default_rng(3).dirichlet(counts, draws)
        return (shares[:, 2] + shares[:, 3]) / (shares[:, 1] + shares[:, 3])


def trial_config(config: TrainConfig, images: int) -> TrainConfig:
    half = max(1, images // HALVES)
    return dataclasses.replace(config, epochs=max(_LEAST_EPOCHS, min(config.epochs, round(_SHOWN / half))))


def can_try(images: Snapshot) -> bool:
    """Return whether there are enough training images for a trial, and some validation images."""
    return len(images.labelled("train")) >= _LEAST_IMAGES and bool(images.labelled("val"))


def run_trial(
    config: TrainConfig, images: Snapshot, features: Features, *, seed: int = 0, job: JobContext = SILENT
) -> Trial:
    """Train on one half and on the other, and evaluate each run and the probe on the other half.

    Both also learn from the validation images: the run's head is fitted to them.

    Args:
        config: The settings of the run to forecast; shortened here.
        features: Of these images, for the probe.

    Raises:
        VisionFTError: The images cannot be trained on.
    """
    began = time.monotonic()
    train, val = ([each for each in images.labelled(name) if each.image_id in features.place_of] for name in SPLITS[:2])
    is_multilabel, every = images.task == "multi", [*train, *val]
    labelled = LabelledFeatures.of(every, features, len(images.class_names), is_multilabel=is_multilabel)
    order = nested_orders(labelled.among(np.arange(len(train))), draws=1, seed=seed)[0]
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    predictor = HeldOutPredictor(labelled)
    settings = trial_config(config, len(train))
    counts = np.zeros((2, 2), np.int64)  # by run and probe, wrong and right
    for number, known in enumerate(halves):
        learned = {train[place].image_id for place in known}
        split = [dataclasses.replace(each, split="train" if each.image_id in learned else "test") for each in train]
        chosen = sorted((*split, *images.labelled("val")), key=lambda image: image.image_id)
        half = dataclasses.replace(images, images=tuple(chosen))
        by_run = _train_and_test(settings, half, number=number, job=job)
        by_probe = predictor.predict(np.append(known, np.arange(len(train), len(every))))[0]
        for place in halves[1 - number]:
            is_right = by_run.get(train[place].image_id)
            if is_right is not None and np.isfinite(by_probe[place]):
                counts[int(is_right), int(by_probe[place])] += 1
    (both_wrong, only_probe), (only_run, both_right) = counts.tolist()
    return Trial(
        train_images=min(map(len, halves)),
        epochs=settings.total_epochs,
        both_right=both_right,
        only_run=only_run,
        only_probe=only_probe,
        both_wrong=both_wrong,
        seconds=time.monotonic() - began,
    )


def _train_and_test(config: TrainConfig, images: Snapshot, *, number: int, job: JobContext) -> dict[int, bool]:
    """Train on the train split, and return {image id: whether the run is right} of the test split."""
    from visionft.evaluation.report import evaluate_run
    from visionft.training.loop.train import train

    def report(event: Event) -> None:
        if isinstance(event, EpochDone):
            done = number * config.total_epochs + event.epoch
            job.report(Progress(stage="Two short trial runs", done=done, total=HALVES * config.total_epochs))

    with tempfile.TemporaryDirectory(prefix="visionft-trial-") as temporary:
        folder = Path(temporary) / "001-trial"
        train(config, images, folder, job=job.with_report(report))
        job.check_cancelled()
        evaluate_run(folder, images, "test", job=job.without_events())
        evaluation = read_evaluation(folder, "test")
    return {} if evaluation is None else {each.image_id: each.is_right for each in evaluation.predictions}
