"""Recommend whether to train: compare all model candidates, measured or forecast, within limits.

Training is recommended only where it gains enough over the best free candidate.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.messages import Message
from visionft.advice.forecast import ratio_after
from visionft.advice.label_check import check_labels
from visionft.advice.learning_curve import LearningCurve, curve_of, labelled_images
from visionft.advice.model_candidates import (
    ModelCandidate,
    cost_of,
    merge_runs,
    run_candidates,
    trained_candidate,
    training_free_candidates,
    with_cost,
)
from visionft.advice.trials import HALVES, Trial, can_try, run_trial, trial_config
from visionft.amounts import memory_text, rough_duration_text
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.jobs import SILENT, JobContext
from visionft.project.splits import SplitRequest, as_divided, is_divided
from visionft.suggest.feature_suggester import FeatureSuggester, LabelsSoFar
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import preset_backbones
from visionft.training.config.train_config import TrainConfig
from visionft.training.preset_choice import project_circumstances
from visionft.training.probing import Probe, preset_configs, probe_backbones

WORTH = 0.01  # less than a point is not worth training for ...
_WORTH_OF_ERRORS = 0.25  # ... unless it removes this share of the remaining errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on making a model; None for no limit.

    Attributes:
        minutes: Of computing; with 0 nothing is trained.
        memory_mb: In MiB.
    """

    minutes: float | None = None
    memory_mb: int | None = None

    def refusal(self, candidate: ModelCandidate) -> str:
        """Return the reason against a candidate under these limits; empty for none."""
        if candidate.refusal or candidate.kind == "run":
            return candidate.refusal
        if self.memory_mb is not None and (candidate.memory_mb or 0) > self.memory_mb:
            return Message("It needs {memory} of memory.", memory=memory_text(candidate.memory_mb or 0))
        if self.minutes is None or not candidate.is_forecast:
            return ""
        if candidate.seconds is None or candidate.seconds > 60 * self.minutes:
            takes = rough_duration_text(candidate.seconds) if candidate.seconds is not None else "an unknown time"
            return Message("It takes about {time}.", time=takes)
        return ""


def is_worth(accuracy: float, better: float) -> bool:
    gain = round(better - accuracy, 6)  # .69 - .68 is less than .01
    return gain > 0 and gain >= min(WORTH, _WORTH_OF_ERRORS * (1 - accuracy))


def choose(candidates: Sequence[ModelCandidate], limits: Limits) -> ModelCandidate:
    """Return the recommended candidate: training only where it is worth it over the best free one.

    Without training, an existing run about as good as the best one is chosen first: it is already there.

    Raises:
        VisionFTError: Nothing is possible.
    """
    trained, free = best_trained(candidates), best_free(candidates)
    if free is None and trained is None:
        least = min(each.memory_mb or 0 for each in candidates)
        raise VisionFTError(
            Message("No model fits into {memory} of memory.", memory=memory_text(limits.memory_mb or 0)),
            Message("The smallest needs {memory} to be made.", memory=memory_text(least)),
        )
    if free is None or (trained is not None and is_worth(free.expected, trained.expected)):
        return trained or candidates[0]
    run = _best([each for each in candidates if each.kind == "run"]) or free
    return free if any(each and is_worth(run.expected, each.expected) for each in (free, trained)) else run


def best_trained(candidates: Sequence[ModelCandidate]) -> ModelCandidate | None:
    return _best([each for each in candidates if each.is_forecast])


def best_free(candidates: Sequence[ModelCandidate]) -> ModelCandidate | None:
    """Return the most accurate run or training-free method; None without any."""
    return _best([each for each in candidates if not each.is_forecast])


def _best(candidates: Sequence[ModelCandidate]) -> ModelCandidate | None:
    return max((each for each in candidates if not each.refusal), key=lambda each: each.expected, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A recommendation with its figures; `recommendation_text` explains it.

    Attributes:
        candidates: All compared candidates, the most accurate first.
        to_label: Ids of unlabelled images to label first, at most as many as the best gain of `curve` assumes.
        trial_s: Estimated seconds of short runs; None where they were run or cannot be.
        backbone: The feature extractor of the curve and of the training-free methods.
        problem: Reason why nothing can be trained; empty otherwise.
    """

    chosen: str
    candidates: tuple[ModelCandidate, ...]
    curve: LearningCurve
    to_label: tuple[int, ...]
    trial: Trial | None
    trial_s: float | None
    train_images: int
    backbone: str
    problem: str
    seconds: float

    @property
    def best(self) -> ModelCandidate:
        return next(each for each in self.candidates if each.name == self.chosen)


def recommend(
    project_dir: Path,
    images: Snapshot,
    *,
    accepted: frozenset[int] = frozenset(),
    limits: Limits = Limits(),
    device: str = "auto",
    probes: Sequence[Probe] = (),
    tries: bool | None = None,
    seed: int = 0,
    job: JobContext = SILENT,
) -> Recommendation:
    """Compare training-free models with forecasts of training, and recommend one.

    Args:
        project_dir: The project's folder; its runs count where they were measured on today's validation images.
        images: Its images, labels and splits; images without a split are divided as training would divide them.
        accepted: Images with a label accepted from suggestions only.
        limits: Limits on making a model.
        probes: Earlier measurements of backbones on these images; else they are measured now.
        tries: Whether to make two short runs; None makes them where the time limit suffices for them too.

    Raises:
        ProjectError: There are too few labels.
        VisionFTError: Nothing fits into the memory, or the features cannot be computed.
    """
    began = time.monotonic()
    check_labels(project_dir, images, accepted)
    divided = images if is_divided(images) else as_divided(images, SplitRequest())
    job = job.in_stages(33)
    with job.stage(weight=8):
        features = embedded(project_dir, images, job=job)
    with job.stage(weight=3):
        labelled, total = labelled_images(features, divided, accepted, seed=seed)
        curve, laws = curve_of(labelled, images.class_names, total=total, seed=seed, job=job)
    problems = config_problems(TrainConfig(), divided)
    problem = Message("Not trainable: {problem}.", problem=problems[0].message) if problems else ""
    circumstances = project_circumstances(divided, project_dir, device=device)
    with job.stage(weight=8):
        if not probes and not problem:
            suited = preset_backbones("balanced", circumstances)
            probes = probe_backbones(suited, TrainConfig(device=device), divided, job=job)
    job.check_cancelled()
    presets = preset_configs(circumstances, probes, device=device)
    quick, balanced = presets["quick"], presets["balanced"]
    speeds = {probe.backbone: probe.milliseconds for probe in probes}
    with job.stage(weight=2):
        free = training_free_candidates(labelled, laws, quick, divided, milliseconds=speeds, job=job)
    with job.stage(weight=3):
        cost = cost_of(quick, divided, job=job)
    candidates = [with_cost(each, cost) for each in free]  # all cost as much as Quick
    trial = None
    trial_s = None
    train_images = max(1, len(divided.labelled("train")))
    if balanced.total_epochs and not problem:
        with job.stage(weight=3):
            cost = cost_of(balanced, divided, job=job)
        has_time = False
        if not isinstance(cost, str) and can_try(divided):
            shown = HALVES * trial_config(balanced, train_images).epochs * (train_images // HALVES)
            trial_s = cost.seconds * shown / max(1, balanced.epochs * train_images)
            has_time = limits.minutes is not None and trial_s + cost.seconds <= 60 * limits.minutes
        if trial_s is not None and (has_time if tries is None else tries):
            with job.stage(weight=6):
                trial = run_trial(balanced, divided, features, seed=seed, job=job)
                trial_s = None
        base = max(free, key=lambda each: each.expected)
        ratio = ratio_after(trial, train_images / max(1, curve.classes))
        candidates.append(with_cost(trained_candidate(balanced, base, ratio, divided, milliseconds=speeds), cost))
    job.check_cancelled()
    candidates = merge_runs(candidates, run_candidates(project_dir, images), train_images)
    candidates = [replace(each, refusal=limits.refusal(each)) for each in candidates]
    gain = curve.best_gain
    return Recommendation(
        chosen=choose(candidates, limits).name,
        candidates=tuple(sorted(candidates, key=lambda each: -each.accuracy)),
        curve=curve,
        to_label=_images_to_label(features, images, accepted, class_name=gain.class_name, count=gain.added),
        trial=trial,
        trial_s=trial_s,
        train_images=train_images,
        backbone=features.kind.backbone,
        problem=problem,
        seconds=time.monotonic() - began,
    )


def _images_to_label(
    features: Features, images: Snapshot, accepted: frozenset[int], *, class_name: str, count: int
) -> tuple[int, ...]:
    """Return the ids of up to `count` unlabelled images, the most likely of the class first.

    Without a class name, those with the lowest confidence come first.
    """
    given = {
        image.image_id: images.labels_of(image)
        for image in images.images
        if image.labels and image.image_id not in accepted
    }
    names, is_multilabel = images.class_names, images.task == "multi"
    if len(given) + len(accepted) >= len(features):
        return ()
    suggester = FeatureSuggester(features, LabelsSoFar(given, accepted, names), is_multilabel=is_multilabel)
    if suggester.needs:
        return ()
    rows = suggester.predictions.probabilities
    scores = rows[:, names.index(class_name)] if class_name else -rows.max(axis=1)
    places = sorted(suggester.open_places, key=lambda place: -scores[place])[:count]
    return tuple(int(suggester.image_ids[place]) for place in places)
