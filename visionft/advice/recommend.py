"""Do you need to train? Everything that can answer, measured or forecast, within a budget, and one sentence on it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visionft.advice import answerers, wording
from visionft.advice.answerers import Answerer, Plan
from visionft.advice.choosing import Limits, choose
from visionft.advice.enough import check_labels
from visionft.advice.forecast import ratio_after
from visionft.advice.held_out import HeldOut
from visionft.advice.learning_curve import LearningCurve, curve_of, labelled_pictures
from visionft.advice.to_label import likely_pictures
from visionft.advice.trials import HALVES, Trial, can_try, run_trial, trial_config
from visionft.data.types import Snapshot
from visionft.errors import StoppedError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.project.splits import SplitWish, as_divided, is_divided
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import preset_backbones
from visionft.training.config.train_config import TrainConfig
from visionft.training.probing import Probe, probe_backbones


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to do, and why.

    Attributes:
        chosen: Name of the answerer that is advised.
        advice: One sentence.
        evidence: What it rests on, a sentence each.
        change: What would change it, likewise.
        answerers: All that were compared, the most accurate first.
        curve: Accuracy over labels.
        label_class: Of which class more labels help most; empty for all.
        to_label: Ids of pictures without a label to begin with, as many as `curve` speaks of at most.
        trial: The short runs, where there were any.
        trial_s: Seconds that short runs would take; None where they were run or cannot be.
        seconds: All of it took.
    """

    chosen: str
    advice: str
    evidence: tuple[str, ...]
    change: tuple[str, ...]
    answerers: tuple[Answerer, ...]
    curve: LearningCurve
    label_class: str
    to_label: tuple[int, ...]
    trial: Trial | None
    trial_s: float | None
    seconds: float

    @property
    def best(self) -> Answerer:
        """Return the answerer that is advised."""
        return next(each for each in self.answerers if each.name == self.chosen)


def recommend(
    project_dir: Path,
    images: Snapshot,
    *,
    accepted: frozenset[int] = frozenset(),
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    device: str = "auto",
    probes: Sequence[Probe] = (),
    tries: bool | None = None,
    seed: int = 0,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Recommendation:
    """Compare what answers without training with what training would give, and say what to do.

    Args:
        project_dir: The project's folder; its runs count where they were measured on today's validation pictures.
        images: Its pictures, labels and splits; what is not divided yet is taken as training would divide it.
        accepted: Pictures whose label was only accepted from suggestions.
        limits: What making an answerer may take.
        device: Where training would compute.
        probes: Of backbones on these pictures, where they were tried before; else they are tried now.
        tries: Whether two short runs are made; None makes them where the time that was given is enough for them too.
        seed: Draws parts of the labels.
        on_event: Receives how far it is.
        should_stop: Asked again and again.

    Raises:
        ProjectError: There are too few labels.
        StoppedError: The user stopped.
        VisionFTError: Nothing fits into the memory, or the features cannot be computed.
    """
    began = time.monotonic()
    check_labels(project_dir, images, accepted)
    divided = images if is_divided(images) else as_divided(images, SplitWish())
    features = embedded(project_dir, images, on_event=on_event, should_stop=should_stop)
    labelled, total = labelled_pictures(features, divided, accepted, seed=seed)
    try:
        curve, laws = curve_of(
            labelled, images.class_names, total=total, seed=seed, on_event=on_event, should_stop=should_stop
        )
    except InterruptedError:
        raise _stopped() from None
    problem = _problem(divided)
    tried = tuple(probes) or (() if problem else _try_backbones(divided, device, on_event, should_stop))
    _check_stop(should_stop)
    plan = Plan.of(divided, tried, device=device)
    labels = max(1, len(divided.labelled("train")))
    held_out, speed = HeldOut(labelled), {probe.backbone: probe.milliseconds for probe in tried}
    try:
        found = answerers.untrained(held_out, laws, labels, plan, divided, milliseconds=speed, should_stop=should_stop)
    except InterruptedError:
        raise _stopped() from None
    found = answerers.with_costs(found, plan, divided, on_event=on_event, should_stop=should_stop)
    trial, trial_s = None, None
    if not problem:
        trial, trial_s = _trial(plan, divided, features, limits, tries, seed, on_event, should_stop)
        ratio = ratio_after(trial, labels / max(1, curve.classes))

        def against(backbone: str) -> float:
            return _against(backbone, features.kind.backbone, tried)

        trained = answerers.tuned(
            plan, laws.errors(labels), ratio, divided, against=against, milliseconds=speed, seed=seed
        )
        found += answerers.with_costs(trained, plan, divided, on_event=on_event, should_stop=should_stop)
    _check_stop(should_stop)
    runs = answerers.there_already(project_dir, images)
    found = answerers.joined(found, runs, labels)
    found = [replace(each, answerer=replace(each.answerer, refusal=limits.refusal(each.answerer))) for each in found]
    chosen = choose(found, limits)
    told = wording.Facts(
        found=found, chosen=chosen, curve=curve, trial=trial, trial_s=trial_s, limits=limits,
        labels=labels, backbone=features.kind.backbone, problem=problem,
    )  # fmt: skip
    return Recommendation(
        chosen=chosen.answerer.name,
        advice=wording.advice(told),
        evidence=wording.evidence(told),
        change=wording.change(told),
        answerers=tuple(sorted((each.answerer for each in found), key=lambda each: -each.accuracy)),
        curve=curve,
        label_class=told.labelling.class_name,
        to_label=likely_pictures(
            features, images, accepted, class_name=told.labelling.class_name, count=told.labelling.added
        ),
        trial=trial,
        trial_s=trial_s,
        seconds=time.monotonic() - began,
    )


def _problem(divided: Snapshot) -> str:
    """Return why nothing can be trained on the pictures; empty where something can."""
    problems = config_problems(TrainConfig(), divided)
    return f"{problems[0].message[:1].upper()}{problems[0].message[1:]}." if problems else ""


def _try_backbones(divided: Snapshot, device: str, on_event: OnEvent, should_stop: ShouldStop) -> tuple[Probe, ...]:
    """Measure the backbones between which Balanced would choose."""
    suited = preset_backbones("balanced", answerers.circumstances_of(divided, device=device))
    config = TrainConfig(device=device)
    return probe_backbones(suited, config, divided, on_event=on_event, should_stop=should_stop)


def _against(backbone: str, known: str, probes: Sequence[Probe]) -> float:
    """Return the errors of a backbone's probe over those of the backbone that the features are of."""
    errors = {each.backbone: 1 - each.accuracy for each in probes if each.accuracy is not None}
    if backbone == known or backbone not in errors or known not in errors:
        return 1.0
    noise = 1 / max(each.pictures for each in probes)
    return (errors[backbone] + noise) / (errors[known] + noise)


def _trial(
    plan: Plan,
    divided: Snapshot,
    features: Features,
    limits: Limits,
    tries: bool | None,
    seed: int,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> tuple[Trial | None, float | None]:
    """Make the short runs, or say how long they would take."""
    if "full" not in plan.tuned() or not can_try(divided):
        return None, None
    config, train = plan.balanced, len(divided.labelled("train"))
    cost = answerers.cost_of(config, divided, on_event=on_event, should_stop=should_stop)
    if isinstance(cost, str):
        return None, None
    shown = HALVES * trial_config(config, train).epochs * (train // HALVES)
    seconds = cost.seconds * shown / max(1, config.epochs * train)
    if tries is None:
        tries = limits.minutes is not None and seconds + cost.seconds <= 60 * limits.minutes
    if not tries:
        return None, seconds
    return run_trial(config, divided, features, seed=seed, on_event=on_event, should_stop=should_stop), None


def _check_stop(should_stop: ShouldStop) -> None:
    if should_stop():
        raise _stopped()


def _stopped() -> StoppedError:
    return StoppedError("The advice was not finished.", "Start again when you like.")
