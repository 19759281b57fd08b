"""What could answer, beside each other: runs that there are, what needs no training, and what training would give."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from models.catalog import BACKBONES
from models.methods.table import METHODS
from models.parameters import count_parameters
from visionft.advice.forecast import Belief, probe_accuracies, tuned_accuracies, untrained_accuracies
from visionft.advice.held_out import HeldOut, Labelled
from visionft.advice.power_law import DRAWS, PowerLaws
from visionft.data.types import Snapshot
from visionft.errors import RunError, VisionFTError
from visionft.evaluation.scoreboard import Standing, read_scoreboard
from visionft.events import OnEvent, ShouldStop
from visionft.heads.knn.fitting import FOLDS as KNN_FOLDS
from visionft.heads.knn.fitting import fit_memory
from visionft.training.config.presets import Circumstances, preset_backbones, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts, estimate_run, known_estimate
from visionft.training.probing import Probe, best_probe
from visionft.training.runs.run_folder import RunSummary, list_runs
from visionft.training.runs.run_snapshot import read_snapshot
from visionft.weights.locations import local_file

Kind = Literal["run", "free", "peft", "full"]

_SAME_LABELS = 0.9  # share of today's training pictures from which on a run speaks for its method
_LINEAR_KNOWN = 0.8  # of the labels, when the linear head answers what it held out (`visionft.heads.fitting`)
_MOST_SOLVED = 40_000_000  # pictures x features x classes of a linear head that is solved for on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """One way to answer, with what it is worth and what it costs.

    Attributes:
        name: A run's name, or a method's.
        title: For people.
        accuracy: Share of right answers; `low` and `high` its 95 % interval.
        is_forecast: Nobody has measured it: it is forecast.
        pictures: How many pictures it was measured on; 0 for a forecast.
        learnt_from: How many pictures a run learnt from; 0 for what is not made yet, or where its folder does not tell.
        seconds: To make it; 0 for a run that is there, None where it was not measured.
        milliseconds: To answer for a picture, reading it included, None likewise.
        size_mb: What has to be shipped, in MB, None likewise.
        memory_mb: That making it takes, in MiB, None likewise.
        preset: The preset that makes it; empty for none.
        refusal: Why it is out of the question; empty where it is not.
    """

    name: str
    title: str
    kind: Kind
    method: str
    backbone: str
    accuracy: float
    low: float
    high: float
    is_forecast: bool
    pictures: int = 0
    learnt_from: int = 0
    seconds: float | None = None
    milliseconds: float | None = None
    size_mb: float | None = None
    memory_mb: int | None = None
    preset: str = ""
    refusal: str = ""

    @property
    def is_trained(self) -> bool:
        """Tell whether making it means training."""
        return self.kind in ("peft", "full")


@dataclass(frozen=True)
class Drawn:
    """An answerer with draws (B) of its accuracy: those of one curve belong together, draw by draw."""

    answerer: Answerer
    draws: np.ndarray

    @property
    def expected(self) -> float:
        """Return the accuracy to go by."""
        return float(np.median(self.draws))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings that would make each method here."""

    quick: TrainConfig
    balanced: TrainConfig

    @classmethod
    def of(cls, images: Snapshot, probes: Sequence[Probe], *, device: str) -> "Plan":
        """Return the presets' settings for these pictures, with the backbone that was measured to suit them."""
        circumstances = circumstances_of(images, device=device)

        def backbone(preset: str) -> str:
            suited = preset_backbones(preset, circumstances)
            tried = [probe for name in suited for probe in probes if probe.backbone == name]
            return best_probe(tried).backbone if tried else ""

        made = {name: preset_config(name, circumstances, backbone=backbone(name)) for name in ("quick", "balanced")}
        return cls(**{name: replace(config, device=device) for name, config in made.items()})

    def tuned(self) -> dict[Kind, TrainConfig]:
        """Return what trains: as Balanced does it, and the other way; none where Balanced does not train either."""
        if not self.balanced.total_epochs:
            return {}
        full, lora = (replace(self.balanced, method=name) for name in ("full", "lora"))
        return {"peft": lora, "full": full}


def circumstances_of(images: Snapshot, *, device: str) -> Circumstances:
    """Return what presets depend on here."""
    here = [name for name, row in BACKBONES.items() if local_file(row)]
    return Circumstances.of(images, here=here, device=device)


def untrained(
    held_out: HeldOut,
    laws: PowerLaws,
    labels: int,
    plan: Plan,
    images: Snapshot,
    *,
    milliseconds: Mapping[str, float],
    should_stop: ShouldStop,
) -> list[Drawn]:
    """Return what needs no training: class means, retrieval, the linear head, each with so many labels.

    Raises:
        InterruptedError: `should_stop` said so.
    """
    found = []
    for name, draws in _untrained_draws(held_out, laws, labels, should_stop):
        config, pictures = replace(plan.quick, method=name), len(held_out.labelled)
        drawn = _drawn(config, draws, kind="free", images=images, milliseconds=milliseconds, pictures=pictures)
        preset = "quick" if config == plan.quick else ""
        found.append(replace(drawn, answerer=replace(drawn.answerer, preset=preset)))
    return found


def _untrained_draws(
    held_out: HeldOut, laws: PowerLaws, labels: int, should_stop: ShouldStop
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each method with draws (B) of its accuracy on pictures that it did not know.

    Each was asked about the same held-out pictures, but knew another share of the labels then. So its errors are told
    as a multiple of the curve's with as many labels, and the curve tells the rest: they can be held against each other.
    """
    labelled = held_out.labelled
    errors = laws.errors(labels)

    def draws(method: str, accuracy: float, asked: int, known: float) -> np.ndarray:
        beside = float(np.median(laws.errors(known * len(labelled))))
        return untrained_accuracies(errors, method, accuracy=accuracy, asked=asked, beside=beside)

    if not labelled.is_multilabel:
        right = held_out.ask_means()
        is_asked = np.isfinite(right)
        yield "prototype", draws("prototype", float(right[is_asked].mean()), int(is_asked.sum()), 1.0)
    widths = labelled.widths or (labelled.inputs.shape[1],)
    if "knn" in METHODS:
        fitted = fit_memory(
            labelled.inputs,
            labelled.targets,
            widths=widths,
            is_multilabel=labelled.is_multilabel,
            should_stop=should_stop,
        )
        if fitted.accuracy is not None:
            yield "knn", draws("knn", fitted.accuracy, fitted.asked, 1 - 1 / KNN_FOLDS)
    found = _linear_head(labelled, should_stop)
    yield "linear", probe_accuracies(errors) if found is None else draws("linear", *found, _LINEAR_KNOWN)


def _linear_head(labelled: Labelled, should_stop: ShouldStop) -> tuple[float, int] | None:
    """Return how often the head that a linear probe would have is right, and of how many pictures.

    None where it cannot be tried, or would take longer than the rest together.
    """
    if labelled.inputs.size * labelled.targets.shape[1] > _MOST_SOLVED:
        return None
    import torch

    from visionft.heads.fitting import fit_head

    widths = labelled.widths or (labelled.inputs.shape[1],)
    inputs, targets = torch.from_numpy(labelled.inputs), torch.from_numpy(labelled.targets)
    head = fit_head(inputs, targets, widths=widths, is_multilabel=labelled.is_multilabel, should_stop=should_stop)
    return None if head.accuracy is None else (head.accuracy, int(head.askable.sum()))


def _counted(accuracy: float, pictures: int) -> np.ndarray:
    """Return draws (B) of an accuracy that was counted on some pictures (beta distribution, Jeffreys' prior)."""
    right = accuracy * pictures
    return np.random.default_rng([5, pictures]).beta(right + 0.5, pictures - right + 0.5, DRAWS)


def tuned(
    plan: Plan,
    errors: np.ndarray,
    ratio: Belief,
    images: Snapshot,
    *,
    against: Callable[[str], float],
    milliseconds: Mapping[str, float],
    seed: int = 0,
) -> list[Drawn]:
    """Return what training would give, from the errors (B) of the closed-form classifier with as many labels.

    Args:
        plan: The settings.
        errors: Of the closed-form classifier.
        ratio: What is believed of full fine-tuning.
        images: Pictures, labels and splits.
        against: Backbone -> errors of its probe over those of the probe that `errors` are of.
        milliseconds: {backbone: time of a picture}.
        seed: Draws the forecasts.
    """
    found = []
    for kind, config in plan.tuned().items():
        family = config.backbone_row.family
        assert kind == "peft" or kind == "full"
        draws = tuned_accuracies(errors, ratio, kind=kind, family=family, against=against(config.backbone), seed=seed)
        drawn = _drawn(config, draws, kind=kind, images=images, milliseconds=milliseconds)
        preset = "balanced" if config == plan.balanced else ""
        found.append(replace(drawn, answerer=replace(drawn.answerer, preset=preset)))
    return found


def _drawn(
    config: TrainConfig,
    draws: np.ndarray,
    *,
    kind: Kind,
    images: Snapshot,
    milliseconds: Mapping[str, float],
    pictures: int = 0,
) -> Drawn:
    low, middle, high = (float(each) for each in np.quantile(draws, (0.025, 0.5, 0.975)))
    count = count_parameters(
        config.backbone_row,
        config.method_row,
        classes=max(2, len(images.class_names)),
        options=config.method_options,
        image_size=config.input_size,
    )
    answerer = Answerer(
        name=config.method,
        title=config.method_row.title,
        kind=kind,
        method=config.method,
        backbone=config.backbone,
        accuracy=middle,
        low=low,
        high=high,
        is_forecast=not pictures,
        pictures=pictures,
        milliseconds=milliseconds.get(config.backbone),
        size_mb=count.total * 4 / 1e6,
    )
    return Drawn(answerer, draws)


def with_costs(
    found: Sequence[Drawn], plan: Plan, images: Snapshot, *, on_event: OnEvent, should_stop: ShouldStop
) -> list[Drawn]:
    """Add what making each costs: as it was measured before, else by a few steps that are thrown away."""
    configs = {each.method: each for each in plan.tuned().values()}  # what is not trained costs what Quick does
    costs: dict[TrainConfig, Estimate | str] = {}
    priced = []
    for drawn in found:
        config = configs.get(drawn.answerer.method, plan.quick)
        if config not in costs:
            costs[config] = cost_of(config, images, on_event=on_event, should_stop=should_stop)
        cost = costs[config]
        answerer = (
            replace(drawn.answerer, refusal=cost if drawn.answerer.is_trained else "")
            if isinstance(cost, str)
            else replace(drawn.answerer, seconds=cost.seconds, memory_mb=cost.memory_mb)
        )
        priced.append(replace(drawn, answerer=answerer))
    return priced


def cost_of(config: TrainConfig, images: Snapshot, *, on_event: OnEvent, should_stop: ShouldStop) -> Estimate | str:
    """Return what a run costs, or why it cannot be made."""
    known = known_estimate(config, SetFacts.of(images))
    if known is not None or should_stop():
        return known or "It was not measured."
    try:
        return estimate_run(config, images, on_event=on_event, should_stop=should_stop)
    except VisionFTError as error:
        return error.message


def there_already(project_dir: Path, images: Snapshot) -> list[Drawn]:
    """Return the runs that were measured on the validation pictures of now."""
    runs = {run.name: run for run in list_runs(project_dir)}
    board = read_scoreboard(tuple(runs.values()), images, "val")
    return [_measured(standing, runs[standing.run]) for standing in board.placed]


def _measured(standing: Standing, run: RunSummary) -> Drawn:
    accuracy, count = standing.top1 or 0.0, standing.images
    low, high = standing.top1_interval or (accuracy, accuracy)
    size, time = standing.price.shipped_bytes, standing.milliseconds
    answerer = Answerer(
        name=standing.run,
        title=standing.title,
        kind="run",
        method=run.config.method,
        backbone=run.config.backbone,
        accuracy=accuracy,
        low=low,
        high=high,
        is_forecast=False,
        pictures=count,
        learnt_from=_learnt_from(run),
        seconds=0.0,
        milliseconds=time,
        size_mb=size / 1e6 if size else None,
        memory_mb=standing.price.memory_mb,
    )
    return Drawn(answerer, _counted(accuracy, count))


def joined(found: Sequence[Drawn], runs: Sequence[Drawn], labels: int) -> list[Drawn]:
    """Return runs and all methods of which there is no run from about as many labels: a run takes its method's place.

    What is believed of such a run begins with what the curve or the forecast says of its method: a run that has eight
    validation pictures right is not perfect.
    """
    by_way = {(each.answerer.method, each.answerer.backbone): each for each in found}
    there, replaced = list[Drawn](), set[tuple[str, str]]()
    for drawn in runs:
        way = (drawn.answerer.method, drawn.answerer.backbone)
        is_of_now = way in by_way and drawn.answerer.learnt_from >= _SAME_LABELS * labels
        there.append(_with_belief(drawn, by_way[way].draws) if is_of_now else drawn)
        replaced |= {way} if is_of_now else set()
    return [*there, *(each for way, each in by_way.items() if way not in replaced)]


def _learnt_from(run: RunSummary) -> int:
    """Return how many pictures a run learnt from; 0 where its folder does not tell."""
    try:
        return len(read_snapshot(run.path).labelled("train"))
    except RunError:
        return 0


def _with_belief(drawn: Drawn, belief: np.ndarray) -> Drawn:
    """Join what was measured with draws (B) of what was believed before: counts and a beta distribution like these."""
    middle, spread = float(np.clip(belief.mean(), 0.01, 0.99)), float(belief.var()) + 1e-6
    worth = max(middle * (1 - middle) / spread - 1, 1.0)  # pictures that the belief is worth
    right = drawn.answerer.accuracy * drawn.answerer.pictures
    wrong = drawn.answerer.pictures - right
    generator = np.random.default_rng([5, drawn.answerer.pictures])
    return replace(drawn, draws=generator.beta(right + worth * middle, wrong + worth * (1 - middle), len(belief)))
