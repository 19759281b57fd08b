"""What a run learns from and is checked on: both splits as batches, and features of them where those are wanted."""

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.classifier import Classifier
from visionft.data.dataset import Batch, EpochSampler
from visionft.data.picture_cache import not_kept_text
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.events import Notice, OnEvent, Progress
from visionft.heads.common_space import ClassPoints
from visionft.heads.solutions import SOLUTIONS, Material
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.batches import (
    BatchSource,
    FeatureBatches,
    PictureBatches,
    Sharding,
    Stopped,
    cached_features,
    plain_batches,
    sampling_weights,
    training_batches,
)
from visionft.training.loop.costs import feature_drift
from visionft.training.loop.ridge_init import set_gentle_head
from visionft.training.loop.samples import DRIFT_PICTURES, RIDGE_INIT_PER_CLASS, spread, spread_by_class
from visionft.training.runs.held_out import HeldOutAnswers


class TrainingData:
    """The training and validation split of a run.

    A method that caches features sees each picture once: its batches are features of the frozen network.

    Attributes:
        is_cached: Whether batches hold features (B, D) instead of pictures.
        held_out: What the head that was solved for says of training pictures that it left out; None before, or for
            heads that leave none out.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: Snapshot,
        classifier: Classifier,
        *,
        accelerator: Any,
        on_event: OnEvent,
        is_asked_to_stop: Callable[[], bool],
    ) -> None:
        self._config, self._images, self._classifier = config, images, classifier
        self._accelerator, self._on_event, self._is_asked_to_stop = accelerator, on_event, is_asked_to_stop
        self._reported: set[Path] = set()
        self._is_cache_reported = False
        self.held_out: HeldOutAnswers | None = None
        self._remembered: Batch | None = None
        self.sharding = Sharding(
            device=accelerator.device, rank=accelerator.process_index, world=accelerator.num_processes
        )
        looks = config.method_row.looks_at_training_pictures(config.method_options)
        self.train_images: tuple[SnapshotImage, ...] = images.labelled("train") if looks else ()
        self.val_images = images.labelled("val")
        self.is_cached = config.method_row.caches_features
        if self.is_cached:
            self.train_batches: BatchSource = self._cached(self.train_images, shuffle=True)
            self.val_batches: BatchSource = self._cached(self.val_images, shuffle=False)
        else:
            self.train_batches = training_batches(config, images, self.sharding)
            self.val_batches = plain_batches(config, images, self.val_images, self.sharding)

    @property
    def trained(self) -> nn.Module:
        """Return what takes a batch: the classifier, or its head where batches hold features."""
        return self._classifier.head if self.is_cached else self._classifier

    def _cached(self, chosen: tuple[SnapshotImage, ...], *, shuffle: bool) -> FeatureBatches:
        stage = f"Reading {'training' if shuffle else 'validation'} pictures"
        features = self._features(chosen, stage) if chosen else self._no_features()
        sampler = EpochSampler(
            len(features.images),
            self._config.batch_size,
            seed=self._config.seed,
            shuffle=shuffle,
            rank=self.sharding.rank,
            world=self.sharding.world,
        )
        return FeatureBatches(features, sampler)

    def _no_features(self) -> Batch:
        """Return the features (0, D) of no picture: a method that needs no labels may have none."""
        classes, device = len(self._images.class_names), self._accelerator.device
        targets = torch.zeros(0, classes) if self._images.task == "multi" else torch.zeros(0, dtype=torch.long)
        features = torch.zeros(0, sum(self._classifier.head_parts), device=device)
        return Batch(features, targets.to(device), torch.zeros(0, dtype=torch.long, device=device), ())

    def _features(self, chosen: tuple[SnapshotImage, ...], stage: str) -> Batch:
        """Return the features (N, D) of pictures as the classifier sees them now; every process computes them all."""

        def extract(pictures: Tensor) -> Tensor:
            with self._accelerator.autocast():
                return self._classifier.features(pictures)

        self._classifier.eval()
        source: PictureBatches = plain_batches(self._config, self._images, chosen, self.sharding.alone)
        return cached_features(
            source, extract, stage=stage, on_event=self._on_event, on_batch=lambda batch: self.check(batch, chosen)
        )

    def check(self, batch: Batch, chosen: tuple[SnapshotImage, ...]) -> None:
        """Name pictures that cannot be read, and why decoded ones are not kept, each once.

        Raises:
            Stopped: The user asked to stop.
        """
        if self._is_asked_to_stop():
            raise Stopped
        if batch.not_kept and not self._is_cache_reported:
            self._is_cache_reported = True
            self._on_event(Notice(message=not_kept_text(batch.not_kept), level="warning"))
        for position, reason in batch.unreadable:
            path = chosen[position].path
            if path not in self._reported:
                self._reported.add(path)
                self._on_event(Notice(message=f"Left out {path}: {reason}.", level="warning"))

    @property
    def left_out(self) -> int:
        """Return how many pictures could not be read, each counted once."""
        return len(self._reported)

    def set_head(self) -> None:
        """Give the classifier a head: the best one for features that stay, a gentle one where they learn too."""
        if self.is_cached:
            self._solve_head()
            return
        chosen = {image.image_id for image in spread_by_class(self.train_images, RIDGE_INIT_PER_CLASS)}
        features = self._features_at_start
        some = [self.train_images[index].image_id in chosen for index in features.indices.tolist()]
        set_gentle_head(self._classifier.linear_head, features.images[some], features.targets[some])

    @contextlib.contextmanager
    def solved_head(self) -> Iterator[None]:
        """Exchange the head, for the time being, for the best one for the features as they are: a linear probe."""
        head = self._classifier.head
        kept = {name: value.clone() for name, value in head.state_dict().items()}
        self._solve_head()
        try:
            yield
        finally:
            head.load_state_dict(kept)
            vars(self).pop("_features_at_start", None)  # they are large, and those of later weights are others

    @cached_property
    def _features_at_start(self) -> Batch:
        if isinstance(self.train_batches, FeatureBatches):
            return self.train_batches.features
        return self._features(self.train_images, "Looking at the training pictures")

    def _solve_head(self) -> None:
        features = self._features_at_start
        self._on_event(Progress(stage="Solving for the classifier head", done=0, total=0))
        try:
            solved = SOLUTIONS[self._config.method_row.solution](self._material(features))
        except InterruptedError:
            raise Stopped from None
        self._classifier.load_head(solved.state)
        self._on_event(Notice(message=solved.words))
        if solved.held_out is not None and solved.askable is not None:
            places = features.indices.cpu().numpy()[solved.askable]
            ids = np.array([self.train_images[place].image_id for place in places], np.int64)
            self.held_out = HeldOutAnswers(ids, solved.held_out)

    def _material(self, features: Batch) -> Material:
        return Material(
            features=features.images.cpu(),
            targets=self._wanted(features.targets).cpu(),
            widths=self._classifier.head_parts,
            class_names=self._images.class_names,
            options=self._config.method_options,
            is_multilabel=self._images.task == "multi",
            tries_last_alone=self._classifier.may_leave_parts_out,
            weights=self._weights(features.indices),
            said=self._what_is_said(),
            seed=self._config.seed,
            should_stop=self._is_asked_to_stop,
        )

    def _what_is_said(self) -> ClassPoints | None:
        """Read the prompts where the method answers from them."""
        if not self._config.method_row.reads_prompts:
            return None
        from visionft.training.loop.reading_prompts import read_classes

        return read_classes(
            self._config,
            self._images,
            device=self._accelerator.device,
            on_event=self._on_event,
            should_stop=self._is_asked_to_stop,
        )

    def _wanted(self, targets: Tensor) -> Tensor:
        """Return targets as (N, C) zeros and ones."""
        classes = len(self._images.class_names)
        return targets if self._images.task == "multi" else nn.functional.one_hot(targets, classes)

    def _weights(self, indices: Tensor) -> Tensor | None:
        """Return how much each training picture counts in a head; None where all count alike."""
        if self._config.balance == "none" or not len(indices):
            return None
        weights = sampling_weights(self.train_images, len(self._images.class_names))[indices.cpu().numpy()]
        return torch.from_numpy(weights / weights.mean())

    def remember_features(self, stage: str) -> None:
        """Look at some validation pictures, to compare with later; the features of a linear probe stay as they are."""
        if not self.is_cached:
            self._remembered = self._features(spread(self.val_images, DRIFT_PICTURES), stage)

    def drift(self, stage: str) -> float | None:
        """Return the drift of the features since `remember_features`, over the pictures that could be read both times.

        None when the user stopped, or none of them can be read any more.
        """
        before = self._remembered
        if before is None:
            return 0.0
        with contextlib.suppress(Stopped, RunError):
            after = self._features(spread(self.val_images, DRIFT_PICTURES), stage)
            both = (
                before.images[torch.isin(before.indices, after.indices)],
                after.images[torch.isin(after.indices, before.indices)],
            )
            return feature_drift(*both) if len(both[0]) else None

    def class_counts(self) -> Tensor:
        """Return (C,) counts of the training split's labels."""
        return torch.tensor(list(self._images.class_counts(self.train_images).values()))
