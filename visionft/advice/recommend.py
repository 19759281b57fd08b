"""Recommend whether to train: compare the runs with the models that can still be made, within limits.

Training is recommended only where it gains enough over the best model without it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.messages import Message
from visionft.advice.choice import NO_LIMITS, Limits, choose
from visionft.advice.forecast import ratio_after
from visionft.advice.label_check import check_labels
from visionft.advice.learning_curve import LearningCurve, curve_of, labelled_images
from visionft.advice.models_to_make import (
    cost_of,
    forecast_model,
    held_out_models,
    not_made,
    training_images,
    with_cost,
)
from visionft.advice.trials import HALVES, Trial, can_try, run_trial, trial_config
from visionft.data.types import Snapshot, Split
from visionft.evaluation.leaderboard import ComparedModel, Leaderboard, read_leaderboard
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.jobs import SILENT, JobContext
from visionft.project.splits import SplitRequest, as_divided, is_divided
from visionft.suggest.feature_suggester import FeatureSuggester, LabelsSoFar
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import suited_backbones
from visionft.training.config.train_config import TrainConfig
from visionft.training.preset_choice import project_circumstances
from visionft.training.probing import Probe, preset_configs, probe_backbones
from visionft.training.runs.run_folder import list_runs
from visionft.training.stronger import stronger_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation(Leaderboard):
    """The ranked runs and the models that are not made yet, the most accurate first; with the recommended one.

    Attributes:
        chosen: Name of the recommended model.
        to_label: Ids of unlabelled images to label first, at most as many as the best gain of `curve` assumes.
        trial_s: Estimated seconds of short runs; None where they were run or cannot be.
        backbone: The feature extractor of the curve and of the training-free methods.
        problem: Reason why nothing can be trained; empty otherwise.
        stronger: Name of a stronger network to fetch; empty where there is none.
    """

    chosen: str
    curve: LearningCurve
    to_label: tuple[int, ...]
    trial: Trial | None
    trial_s: float | None
    train_images: int
    backbone: str
    problem: str
    seconds: float
    stronger: str = ""

    @property
    def recommended(self) -> ComparedModel:
        return next(each for each in self.rows if each.name == self.chosen)


def recommend(
    project_dir: Path,
    images: Snapshot,
    *,
    accepted: frozenset[int] = frozenset(),
    limits: Limits = NO_LIMITS,
    device: str = "auto",
    probes: Sequence[Probe] = (),
    tries: bool | None = None,
    seed: int = 0,
    job: JobContext = SILENT,
) -> Recommendation:
    """Compare training-free models with forecasts of training, and recommend one.

    Args:
        project_dir: The project's folder; its runs count where they were measured on today's test images, or where
            there is none on today's validation images.
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
            suited = (circumstances.backbone,) if circumstances.backbone else suited_backbones(circumstances)
            probes = probe_backbones(project_dir, suited, TrainConfig(device=device), divided, job=job)
    job.check_cancelled()
    presets = preset_configs(circumstances, probes, device=device)
    quick, balanced = presets["quick"], presets["balanced"]
    speeds = {probe.backbone: probe.milliseconds for probe in probes}
    with job.stage(weight=2):
        free = held_out_models(labelled, laws, quick, divided, milliseconds=speeds, job=job)
    with job.stage(weight=3):
        cost = cost_of(quick, divided, job=job)
    models = [with_cost(each, cost) for each in free]  # all cost as much as Quick
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
        models.append(with_cost(forecast_model(balanced, base, ratio, divided, milliseconds=speeds), cost))
    job.check_cancelled()
    split: Split = "test" if images.labelled("test") else "val"
    runs = {run.name: run for run in list_runs(project_dir)}
    board = read_leaderboard(tuple(runs.values()), images, split)
    learned = [(each, training_images(runs[each.run].path)) for each in board.ranked]
    models = [*board.ranked, *not_made(models, learned, train_images)]
    models = [replace(each, refusal=limits.refusal(each)) for each in models]
    gain, stronger = curve.best_gain, stronger_network(device, circumstances.here)
    return Recommendation(
        split=split,
        images=board.images,
        rows=tuple(sorted(models, key=lambda each: -(each.top1 or 0.0))),
        chosen=choose(models, limits).name,
        curve=curve,
        to_label=_images_to_label(features, images, accepted, class_name=gain.class_name, count=gain.added),
        trial=trial,
        trial_s=trial_s,
        train_images=train_images,
        backbone=features.kind.backbone,
        problem=problem,
        seconds=time.monotonic() - began,
        stronger=stronger.name if stronger is not None else "",
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
