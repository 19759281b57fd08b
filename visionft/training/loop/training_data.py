"""The data of a run: training and validation split as batches of images or cached features, and the initial head.

Before all features are trained the head is strongly regularised ridge regression, W = (X'X + k I)^-1 X'Y on centred
features (Hoerl and Kennard 1970). An optimal head for the pretrained features would harm: it fits the training images
nearly perfectly, so little loss is left to train the features, and they end below a random head's. A strength k
far above the features' variance leaves little more than the differences of the class means, with small logits: the
first epochs keep most of the lead, and the last lose nothing. LoRA on the starter ResNet ended at .88 to .91 from the
exact head, at .95 from this one (from 32 images a class) and at .95 to .97 from a random one.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.heads.calibration import DOUBT, are_right, cross_entropies, fit_temperature
from models.heads.scatter import Scatter, solve
from models.heads.solutions import FIT_VALIDATION, SOLUTIONS, Material
from models.heads.text_head import ClassPoints
from visionft.core.errors import RunError, no_readable_images_error
from visionft.core.events import Notice, Progress
from visionft.core.jobs import JobCancelled, JobContext
from visionft.core.messages import Message, listed
from visionft.data.dataset import Batch, targets_of
from visionft.data.types import Snapshot, SnapshotImage, group_numbers
from visionft.features.embedding import feature_batches
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.batches import (
    Batches,
    epoch_sampler,
    joined,
    plain_batches,
    sampling_weights,
    training_batches,
)
from visionft.training.loop.run_context import RunContext, feature_drift
from visionft.training.runs.manifest import HeldOutPredictions
from visionft.training.runs.run_snapshot import DRIFT_IMAGES, RIDGE_INIT_PER_CLASS, spread, spread_by_class

STRENGTH = 100.0  # relative to the features' mean variance
_MIN_CLASS_SHARE = 0.02  # smaller shares are raised to it


@torch.no_grad()
def set_gentle_head(head: nn.Linear, features: Tensor, targets: Tensor) -> None:
    """Set a head from features (N, D) and class indices (N,), or zeros and ones (N, C) of several labels, in place.

    The logits are scaled to calibrate their softmax on the leave-one-out predictions, up to a factor of 20; these have
    a closed form: y_loo = (y_hat - h y) / (1 - h) with the leverage h. For several labels they are the log odds of each
    label's share p, and d logit = d share / (p (1 - p)).
    """
    inputs, labels = features.double().cpu(), targets.cpu()
    wanted = (labels if labels.ndim == 2 else nn.functional.one_hot(labels, head.out_features)).double()
    sums = Scatter.of(inputs, wanted, torch.ones(len(inputs)))
    covariance = sums.covariance()
    centred = inputs - sums.mean
    ridge = STRENGTH * float(covariance.diagonal().mean())
    weight = solve(covariance, sums.moment / sums.count - torch.outer(sums.mean, sums.prior), ridge=ridge)  # (D, C)
    if labels.ndim == 2:
        share = sums.prior.clamp(_MIN_CLASS_SHARE, 1 - _MIN_CLASS_SHARE)
        weight = weight / (share * (1 - share))
        offset = share.logit()
    else:
        leverage = (centred * solve(covariance, centred.T, ridge=ridge).T).sum(dim=1) / sums.count + 1 / sums.count
        leverage = leverage.clamp(max=0.999)[:, None]
        left_out = (centred @ weight + sums.prior - leverage * wanted) / (1 - leverage)
        scale = 1 / fit_temperature(left_out.numpy(), wanted.argmax(dim=1).numpy(), spread=None)
        weight, offset = weight * scale, sums.prior * scale
    head.weight.copy_(weight.T)
    head.bias.copy_(offset - sums.mean @ weight)


class Judged(NamedTuple):
    """A classifier on the N validation images; NaN where one is unreadable, or the only one of its class."""

    losses: np.ndarray  # (N,) log loss
    right: np.ndarray  # (N,) 1 where it is classified right, else 0


class TrainingData:
    """The training and validation split of a run, as batches of images or, `is_cached`, of frozen features (B, D).

    The solved head of the start may learn from mirrored copies: they cost a second look at a few images. Heads of
    weights between start and end would pay for it several times, and do without.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: Snapshot,
        context: RunContext,
        *,
        project_dir: Path | None = None,
        uses_mirrored: bool = True,
        job: JobContext,
    ) -> None:
        """Open the data.

        Args:
            config: The settings of the run.
            images: Its images.
            context: Its device and classifier.
            project_dir: The project whose stored features a frozen network uses; None computes them anew.
            uses_mirrored: Whether a solved head may learn from mirrored copies.
            job: Receives the progress.
        """
        self._config, self._images, self._classifier = config, images, context.classifier
        self._accelerator, self._job = context.accelerator, job
        self._project_dir = project_dir if self._accelerator.is_main_process else None
        self._reported: set[Path] = set()
        self.held_out: HeldOutPredictions | None = None  # of the solved head, for `solved_images`
        self.is_at_start = True  # whether the weights are untrained
        self._remembered: Batch | None = None
        self.device: torch.device = self._accelerator.device
        looks = config.method_row.looks_at_training_images(config.method_options)
        self.train_images: tuple[SnapshotImage, ...] = images.labelled("train") if looks else ()
        self.val_images = images.labelled("val")
        self.is_cached = config.method_row.caches_features
        # A head that is trained on must not have seen validation images; one that stays as solved gains by them.
        is_final = not (self.is_cached and config.total_epochs)
        takes_val = is_final and config.method_row.solution in FIT_VALIDATION
        self.solved_images: tuple[SnapshotImage, ...] = self.train_images
        if takes_val:
            self.solved_images += self.val_images
        self.looks_mirrored = uses_mirrored and config.looks_mirrored(len(self.solved_images))
        self._mirrored: list[Tensor] = []  # their features (N, D), in the order of `solved_images`
        if self.is_cached:
            self.train_batches: Batches = self._cached(self.train_images, shuffle=True)
            self.val_batches: Batches = self._cached(self.val_images, shuffle=False)
        else:
            self.train_batches = training_batches(config, images, self._accelerator)
            self.val_batches = plain_batches(config, images, self.val_images, self._accelerator)

    @property
    def _is_pretrained(self) -> bool:
        """Tell whether the network still computes the features of its weights: what is added changes nothing yet."""
        return self.is_at_start and self._config.method_row.interpolates and not self._config.start_from

    @property
    def trained(self) -> nn.Module:
        """Return the trained module: the classifier, or its head where batches hold features."""
        return self._classifier.head if self.is_cached else self._classifier

    def _cached(self, chosen: tuple[SnapshotImage, ...], *, shuffle: bool) -> Batches:
        if chosen:
            features = self._features_of_start(chosen, f"Reading {'training' if shuffle else 'validation'} images")
        else:  # a method without labels may have no images
            device, classes = self.device, len(self._images.class_names)
            is_single = self._images.task == "single"
            targets = torch.zeros(0, dtype=torch.long) if is_single else torch.zeros(0, classes)
            indices = torch.zeros(0, dtype=torch.long, device=device)
            nothing = torch.zeros(0, sum(self._classifier.head_parts), device=device)
            features = Batch(nothing, targets.to(device), indices, ())
        sampler = epoch_sampler(self._config, len(features.images), self._accelerator, shuffle=shuffle)
        return Batches(sampler, features=features)

    def _features_of_start(self, chosen: tuple[SnapshotImage, ...], stage: str) -> Batch:
        """Return the features (N, D) for the solved head, and keep the features of its mirrored copies."""
        if self._classifier.reads_stages and (self.is_cached or self._is_pretrained):
            features = self._stored_features(chosen, stage)
            if self.looks_mirrored:
                self._mirrored.append(self._stored_features(chosen, stage, is_mirrored=True).images)
            return features
        features = self._features(chosen, stage, looks_mirrored=self.looks_mirrored)
        if not self.looks_mirrored:
            return features
        seen, mirrored = features.images.tensor_split(2, dim=1)
        self._mirrored.append(mirrored)
        return features._replace(images=seen.contiguous())

    def _stored_features(self, chosen: tuple[SnapshotImage, ...], stage: str, *, is_mirrored: bool = False) -> Batch:
        """Return the features (N, D) of images by the frozen network, from the project's store."""
        source = feature_batches(
            self._project_dir,
            chosen,
            self._config.features,
            self._classifier,
            autocast=self._accelerator.autocast,
            is_mirrored=is_mirrored,
            workers=self._config.workers,
            stage=stage,
            job=self._job,
        )
        rows: list[Tensor] = []
        places: list[Tensor] = []
        for batch in source:
            self.check(batch, chosen)
            rows.append(self._classifier.seen_of(batch.images))
            places.append(batch.indices)
        indices = torch.cat(places)
        if not len(indices):
            raise no_readable_images_error("images")
        targets = targets_of(
            [chosen[place] for place in indices.tolist()], self._images.task, len(self._images.class_names)
        )
        device = self.device
        return Batch(torch.cat(rows).to(device).float(), torch.from_numpy(targets).to(device), indices.to(device), ())

    @torch.no_grad()
    def _features(self, chosen: tuple[SnapshotImage, ...], stage: str, *, looks_mirrored: bool = False) -> Batch:
        """Return the features (N, D) of images as the classifier sees them now; every process computes them all.

        With `looks_mirrored` (N, 2D): the features of an image and of its mirrored copy.
        """
        self._classifier.eval()
        found: list[Batch] = []
        done = 0
        for batch in plain_batches(self._config, self._images, chosen, self._accelerator, is_shared=False).epoch(0):
            self.check(batch, chosen)
            if len(batch.images):
                views = (batch.images, batch.images.flip(3)) if looks_mirrored else (batch.images,)
                with self._accelerator.autocast():
                    seen = torch.cat([self._classifier.features(view) for view in views], dim=1)
                found.append(batch._replace(images=seen.float()))
            done += batch.requested
            self._job.report(Progress(stage=stage, done=done, total=len(chosen), unit="images"))
        if not found:
            raise no_readable_images_error("images")
        return joined(found)

    def check(self, batch: Batch, chosen: tuple[SnapshotImage, ...]) -> None:
        """Send a notice on each unreadable image, once."""
        self._job.check_cancelled()
        for position, reason in batch.unreadable:
            path = chosen[position].path
            if path not in self._reported:
                self._reported.add(path)
                message = Message("Left out {path}: {reason}.", path=path, reason=reason)
                self._job.report(Notice(message=message, level="warning"))

    @property
    def left_out(self) -> int:
        return len(self._reported)

    def set_head(self) -> None:
        """Initialise the head: the optimal one for frozen features, a strongly regularised one for trained features."""
        if self.is_cached:
            self._solve_head()
            return
        chosen = {image.image_id for image in spread_by_class(self.train_images, RIDGE_INIT_PER_CLASS)}
        features = self._features_at_start
        some = [self.solved_images[index].image_id in chosen for index in features.indices.tolist()]
        set_gentle_head(self._classifier.linear_head, features.images[some], features.targets[some])

    @contextlib.contextmanager
    def solved_head(self, *, is_start: bool = True) -> Iterator[None]:
        """Exchange the head, for the time being, for the best one for the features as they are: a linear probe.

        Its held-out accuracy means nothing, and is not reported, once training images have tuned the features.
        """
        self.looks_mirrored &= is_start
        head = self._classifier.head
        kept = {name: value.clone() for name, value in head.state_dict().items()}
        self._solve_head(is_reported=is_start)
        try:
            yield
        finally:
            head.load_state_dict(kept)
            self.held_out, self._mirrored = None, []
            vars(self).pop("_features_at_start", None)  # they are large, and later weights have others

    @cached_property
    def _features_at_start(self) -> Batch:
        train, val = self.train_batches.features, self.val_batches.features
        if train is None:
            features = self._features_of_start(self.solved_images, "Looking at the images")
            if not (features.indices < len(self.train_images)).any():
                raise no_readable_images_error("training images")
            return features
        if len(self.solved_images) == len(self.train_images) or val is None:
            return train
        return joined([train, val._replace(indices=val.indices + len(self.train_images))])

    @torch.no_grad()
    def calibrate_head(self, *, is_probe: bool = False) -> Judged:
        """Scale the logits of the linear head to the least loss on the validation images, and judge it at that scale.

        A solved head is judged by its held-out predictions, which get the same scale. Only the validation images keep
        theirs: training images have tuned the features. The probe of the start keeps the scale of its solution.
        """
        head, val = self._classifier.linear_head, self.val_images
        losses, right = (np.full(len(val), np.nan) for _ in range(2))
        place_of = {image.image_id: place for place, image in enumerate(val)}
        if self.held_out is not None:
            known = self.held_out.subset(place_of).predicted
            logits = known.logits.astype(np.float64)
            places = np.array([place_of[image_id] for image_id in known.image_ids.tolist()], np.int64)
        else:
            features = self._features(val, "Trying weights between start and end")
            logits = head(features.images.to(head.weight.dtype)).double().cpu().numpy()
            places = features.indices.cpu().numpy()
        targets = self.targets([val[place] for place in places])
        temperature = fit_temperature(logits, targets, spread=None, doubt=DOUBT)
        if not is_probe:
            head.weight.div_(temperature)
            head.bias.div_(temperature)
        if self.held_out is not None and not is_probe:
            seen = self.held_out.subset(place_of)
            self.held_out = HeldOutPredictions(seen.image_ids, seen.logits / np.float32(temperature))
        losses[places] = cross_entropies(logits / temperature, targets)
        right[places] = are_right(logits, targets)
        return Judged(losses, right)

    def targets(self, chosen: Sequence[SnapshotImage]) -> np.ndarray:
        """Return the (N,) class indices of labelled images, or (N, C) zeros and ones of several labels."""
        if self._images.task == "single":
            return np.array([image.labels[0] for image in chosen], np.int64)
        wanted = np.zeros((len(chosen), len(self._images.class_names)), np.float32)
        for row, image in zip(wanted, chosen, strict=True):
            row[list(image.labels)] = 1
        return wanted

    def held_out_accuracy(self) -> tuple[float, int] | None:
        """Return the share of images that the solved head gets right though held out, and their number, or None."""
        known = self.held_out and self.held_out.predicted
        if not known or not len(known.image_ids):
            return None
        chosen = [self._images.by_id[image_id] for image_id in known.image_ids.tolist()]
        right = are_right(known.logits, self.targets(chosen))
        return float(right.mean()), len(chosen)

    def _solve_head(self, *, is_reported: bool = True) -> None:
        """Fit the closed-form head of the method to `solved_images`, with its held-out predictions."""
        config, images, features = self._config, self._images, self._features_at_start
        self._job.report(Progress(stage="Fitting the classifier", done=0, total=0))
        targets, weights, texts = features.targets, None, None
        if images.task == "single":
            targets = nn.functional.one_hot(targets, len(images.class_names))
        if config.balance != "none" and len(targets):
            drawn = sampling_weights(self.solved_images, len(images.class_names))[features.indices.cpu().numpy()]
            weights = torch.from_numpy(drawn / drawn.mean())
        if config.method_row.reads_prompts:
            texts = self._class_points()
        material = Material(
            features=features.images.cpu(),
            targets=targets.cpu(),
            widths=self._classifier.head_parts,
            options=config.method_options,
            is_multilabel=images.task == "multi",
            tries_last_alone=self._classifier.may_leave_parts_out,
            weights=weights,
            mirrored=torch.cat(self._mirrored).cpu() if self._mirrored else None,
            groups=np.array(group_numbers([self.solved_images[place] for place in features.indices.tolist()])),
            texts=texts,
            seed=config.seed,
            job=self._job,
        )
        solved = SOLUTIONS[config.method_row.solution](material)
        self._classifier.load_head(solved.state)
        if solved.held_out is not None and solved.places is not None:
            logits = np.full((len(features.indices), len(images.class_names)), np.nan, np.float32)
            logits[solved.places] = solved.held_out
            ids = [self.solved_images[place].image_id for place in features.indices.tolist()]
            self.held_out = HeldOutPredictions(np.array(ids, np.int64), logits)
        if is_reported:
            self._job.report(Notice(message=solved.description))

    def _class_points(self) -> ClassPoints:
        """Embed the prompts of each class, with notices about classes with equal prompts, or without prompts."""
        from models.text.class_texts import all_texts, same_texts
        from models.text.text_encoder import open_text_side

        config, images = self._config, self._images
        classes = all_texts(images.class_names, images.prompts, config.method_row.templates(config.method_options))
        for names in same_texts(classes):
            message = Message("The prompts of {names} are equal: their predictions cannot differ.")
            self._job.report(Notice(message=Message(message, names=listed(names, most=5)), level="warning"))
        if bare := [each.class_name for each in classes if each.is_name_alone]:
            self._job.report(
                Notice(
                    message=Message(
                        "Classes without a prompt, described by their name: {names}.", names=listed(bare, most=5)
                    )
                )
            )
        side = open_text_side(config.backbone_row, config.weights, device=self.device, job=self._job)
        return side.class_points(classes, job=self._job)

    def remember_features(self, stage: str) -> None:
        """Look at some validation images, to compare with later; the features of a linear probe stay as they are."""
        if not self.is_cached:
            self._remembered = self._features(spread(self.val_images, DRIFT_IMAGES), stage)

    def drift(self, stage: str) -> float | None:
        """Return the drift since `remember_features`; None when the user cancelled, or no image can be read."""
        before = self._remembered
        if before is None:
            return 0.0
        with contextlib.suppress(JobCancelled, RunError):
            after = self._features(spread(self.val_images, DRIFT_IMAGES), stage)
            known = before.images[torch.isin(before.indices, after.indices)]
            now = after.images[torch.isin(after.indices, before.indices)]
            return feature_drift(known, now) if len(known) else None

    def class_counts(self) -> Tensor:
        return torch.tensor(list(self._images.class_counts(self.train_images).values()))
