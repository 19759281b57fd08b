"""The catalog's presets, backbones and methods as cards with their cost, and a config as a command line. No Qt."""

import dataclasses
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest

from gui.kit.i18n import tr
from gui.train.choice_grid import Choice
from models.catalog import BACKBONES, get_backbone
from models.methods.table import METHODS
from models.parameters import ParameterCount, count_parameters
from visionft.amounts import count_text, memory_text, rough_duration_text
from visionft.data.types import Snapshot
from visionft.training.config.presets import PRESETS, Circumstances, preset_backbones, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts
from visionft.training.probing import Probe, best_probe

HERE, ELSEWHERE = "On this computer", "To download when first used"
UNTRAINED, TRAINED = "Answers without training", "Fine-tuning"
_TRY_OUT = ("test_resnet", "test_vit")
# Best for most projects first; the rest follow in the catalog's order.
_RECOMMENDED_CPU = (
    *("resnet18_in1k", "hybrid_vit", "starter_resnet", "starter_vit"),
    *("resnet18", "dinov2_small", "vit_tiny"),
)
_RECOMMENDED_GPU = ("dinov2_small", "dinov2_base", "vit_base", "resnet50", "vit_small", "resnet18_in1k")
_MOST_HERE, _MOST_ELSEWHERE = 6, 3
_MOST_TRIED = 5
_MEANT_S = {"quick": 60, "balanced": 900}  # what a person waits for at the desk

KnownCost = Callable[[TrainConfig], Estimate | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFact:
    """Whether a backbone's weights are on this computer, and their size in words."""

    is_here: bool
    size: str = ""


# Presets --------------------------------------------------------------------------------------------------------------


def preset_configs(circumstances: Circumstances, probes: Sequence[Probe], *, device: str) -> dict[str, TrainConfig]:
    """Return the settings of each preset, with the backbone that was measured to suit the pictures."""
    backbones = {name: measured_backbone(name, circumstances, probes) for name in PRESETS}
    configs = {name: preset_config(name, circumstances, backbone=backbone) for name, backbone in backbones.items()}
    return {name: dataclasses.replace(config, device=device) for name, config in configs.items()}


def preset_choices(
    circumstances: Circumstances,
    known: KnownCost,
    probes: Sequence[Probe] = (),
    *,
    device: str = "auto",
    is_measuring: bool = False,
) -> list[Choice]:
    """Return a card per preset: what it costs and is worth where that was measured, and what it would choose here.

    Args:
        circumstances: What the presets depend on.
        known: Returns what settings cost, where it was measured.
        probes: What backbones are worth on the pictures.
        device: The one of the settings.
        is_measuring: What is not known yet is being measured.
    """
    waiting = tr("measuring the time") if is_measuring else tr("time not measured yet")
    choices = []
    for name, config in preset_configs(circumstances, probes, device=device).items():
        is_measured = bool(measured_backbone(name, circumstances, probes))
        choices.append(_preset_choice(name, config, known(config), waiting, _expected(config, probes), is_measured))
    return choices


def _preset_choice(
    name: str, config: TrainConfig, cost: Estimate | None, waiting: str, expected: str, is_measured: bool
) -> Choice:
    recipe = [config.backbone_row.title, tr(config.method_row.title), *epochs_words(config)]
    if is_measured:
        recipe.append(tr("chosen on your pictures"))
    facts = [", ".join(recipe)]
    if cost is not None:
        facts.append(tr("{device}, {memory} of memory", device=cost.device, memory=memory_text(cost.memory_mb)))
    slow = slow_words(name, cost) if cost is not None else ""
    return Choice(
        name=name,
        title=PRESETS[name].title,
        headline=tr("about {time}", time=rough_duration_text(cost.seconds)) if cost is not None else waiting,
        badge=expected,
        words=" ".join(filter(None, (tr(PRESETS[name].words), slow))),
        facts="\n".join(facts),
    )


def slow_words(preset: str, cost: Estimate) -> str:
    """Say why a preset takes longer than it is meant to; nothing where it does not."""
    meant = _MEANT_S.get(preset, math.inf)
    if cost.seconds <= meant:
        return ""
    if cost.seconds - cost.decoding_s <= meant:
        return tr(
            "This first time, {time} of it goes to decoding the pictures.", time=rough_duration_text(cost.decoding_s)
        )
    speed = f"{cost.images_per_second:,.0f}"
    return tr("So long because {device} learns from only {speed} pictures a second.",
              device=cost.device, speed=speed)  # fmt: skip


def _expected(config: TrainConfig, probes: Sequence[Probe]) -> str:
    """Return how many pictures a run is expected to get right, where a probe told; fine-tuning begins there."""
    for probe in probes:
        if probe.backbone == config.backbone and probe.accuracy is not None:
            share = f"{probe.accuracy:.0%}"
            is_probe = not config.total_epochs
            return tr("about {share} right", share=share) if is_probe else tr("{share} right or more", share=share)
    return ""


def measured_backbone(preset: str, circumstances: Circumstances, probes: Sequence[Probe]) -> str:
    """Return which of the backbones that suit a preset is best on the pictures; empty where there was no choice."""
    suited = preset_backbones(preset, circumstances)
    tried = [probe for name in suited for probe in probes if probe.backbone == name]
    return best_probe(tried).backbone if len(tried) > 1 else ""


def backbones_to_try(circumstances: Circumstances) -> list[str]:
    """Return what is worth trying on the pictures: the bundled ones and those that suit the presets, at most five.

    In turn one of each, so that every preset has its first ones among them.
    """
    bundled = [name for name, backbone in BACKBONES.items() if backbone.bundled]
    suited = [preset_backbones(name, circumstances) for name in PRESETS]
    turns = chain.from_iterable(zip_longest(bundled, *suited))
    return list(dict.fromkeys(name for name in turns if name))[:_MOST_TRIED]


# Backbones ------------------------------------------------------------------------------------------------------------


def backbone_choices(
    weights: Mapping[str, WeightsFact], *, has_gpu: bool, chosen: str, shows_all: bool
) -> list[Choice]:
    """Return a card per backbone, those on this computer first, the recommended ones first in each group.

    Without `shows_all` only a handful of each group and the chosen one.
    """
    recommended = _RECOMMENDED_GPU if has_gpu else _RECOMMENDED_CPU
    others = [name for name in {**weights, chosen: None} if name not in BACKBONES]
    order = sorted((*BACKBONES, *others), key=lambda name: _rank(name, recommended))
    choices = []
    for is_here, most in ((True, _MOST_HERE), (False, _MOST_ELSEWHERE)):
        names = [name for name in order if weights.get(name, _NOWHERE).is_here == is_here]
        shown = names if shows_all else [n for i, n in enumerate(names) if n == chosen or _is_first(n, i, most)]
        for name in shown:
            badge = "Suggested" if name == names[0] and name in recommended else ""
            choices.append(_backbone_choice(name, weights.get(name, _NOWHERE), badge))
    return choices


_NOWHERE = WeightsFact(is_here=False)


def _is_first(name: str, place: int, most: int) -> bool:
    return place < most and name not in _TRY_OUT


def _rank(name: str, recommended: tuple[str, ...]) -> tuple[bool, int]:
    return name in _TRY_OUT, recommended.index(name) if name in recommended else len(recommended)


def _backbone_choice(name: str, weights: WeightsFact, badge: str) -> Choice:
    backbone = get_backbone(name)
    facts = tr("{count} parameters, {size} px", count=count_text(backbone.parameters), size=backbone.input_size)
    if weights.size and not backbone.bundled:
        facts += f", {weights.size}" if weights.is_here else "; " + tr("download {size}", size=weights.size)
    return Choice(
        name=name,
        title=backbone.title,
        words=backbone.summary
        or tr("Of timm, by its own name. Licence of the weights: {licence}.", licence=backbone.licence),
        facts=facts,
        group=HERE if weights.is_here else ELSEWHERE,
        badge=badge,
    )


# Methods --------------------------------------------------------------------------------------------------------------


def method_choices(config: TrainConfig, *, classes: int, known: KnownCost = lambda _config: None) -> list[Choice]:
    """Return a card per method, with what it would train of the config's backbone and its cost, or why it cannot."""
    return [_method_choice(dataclasses.replace(config, method=name), classes, known) for name in METHODS]


def _method_choice(config: TrainConfig, classes: int, known: KnownCost) -> Choice:
    method = config.method_row
    config = dataclasses.replace(config, backbone=suited_backbone(config.method, config.backbone))
    refusal = tr(method.refusal(config.backbone_row))
    facts = ""
    if not refusal:
        count = parameter_count(config, classes=classes)
        facts = tr("{count} trainable parameters, {share}", count=count_text(count.trainable), share=share(count.share))
        facts = _with_cost(facts, known(config))
    return Choice(
        name=method.name,
        title=method.title,
        words=f"{tr(method.summary)} {tr(method.when)}",
        facts=facts,
        refusal=refusal[:1].upper() + refusal[1:],
        group=UNTRAINED if method.is_training_free else TRAINED,
    )


def suited_backbone(method: str, backbone: str) -> str:
    """Return the backbone that a method is chosen with: the one there is, or its usual one where it refuses that."""
    row = METHODS[method]
    return row.usual_backbone if row.usual_backbone and row.refusal(get_backbone(backbone)) else backbone


def needs_division(images: Snapshot, config: TrainConfig) -> bool:
    """Tell whether a run has a use for a division of pictures: not where it needs no labels and there are none."""
    return config.method_row.needs_labels or any(image.labels for image in images.images)


def _with_cost(facts: str, cost: Estimate | None) -> str:
    if cost is None:
        return facts
    spent = tr("about {time}, {memory}", time=rough_duration_text(cost.seconds), memory=memory_text(cost.memory_mb))
    return f"{facts}\n{spent}"


def cost_words(cost: Estimate) -> str:
    """Return an estimate as a sentence."""
    words = tr(
        "About {time} and {memory} of memory, measured on this computer.",
        time=rough_duration_text(cost.seconds),
        memory=memory_text(cost.memory_mb),
    )
    if not cost.fits_at_once:
        words += " " + tr("Memory ran out at first: {count} pictures will go through at once.", count=cost.micro_batch)
    return words


def parameter_count(config: TrainConfig, *, classes: int) -> ParameterCount:
    """Return what the config would train, computed from the catalog's shapes."""
    size = config.input_size if config.input_size >= config.backbone_row.size_step else None
    return count_parameters(
        config.backbone_row, config.method_row, classes=classes, options=config.method_options, image_size=size
    )


def share(value: float) -> str:
    """Return a share for people: `100 %`, `2.4 %`, `0.03 %`."""
    percent = value * 100
    digits = 0 if percent >= 10 else 1 if percent >= 1 else 2
    return f"{percent:.{digits}f} %"


def run_summary(config: TrainConfig, facts: SetFacts | None, classes: int) -> str:
    """Return what a run would do, a line for each fact."""
    count = parameter_count(config, classes=classes)
    backbone, method = config.backbone_row.title, tr(config.method_row.title)
    lines = [
        ", ".join((tr("{backbone} with {method}", backbone=backbone, method=method), *epochs_words(config))) + ".",
        tr(
            "{count} of {total} parameters are trainable ({share}).",
            count=count_text(count.trainable),
            total=count_text(count.total),
            share=f"{count.share:.2%}",
        ),
    ]
    if facts is not None:
        train, val = f"{facts.train:,}", f"{facts.val:,}"
        words = "{train} pictures to learn from, {val} to check on, {classes} classes."
        lines.append(tr(words, train=train, val=val, classes=facts.classes))
    if config.total_epochs and config.batch_size > 0 and config.learning_rate >= 0:
        lines.append(tr("Learning rate {rate} at its peak.", rate=f"{config.peak_learning_rate:.2g}"))
    return "\n".join(lines)


# The command line -----------------------------------------------------------------------------------------------------


def run_details(config: TrainConfig) -> str:
    """Return what is special about a run, in a line: its epochs and the settings that differ from the defaults."""
    labels = {field.name: field.metadata["label"] for field in dataclasses.fields(config) if field.metadata}
    labels |= {
        f"{config.method}.{field.name}": field.metadata["label"] for field in dataclasses.fields(config.method_options)
    }
    changes = [f"{labels.get(name, name).lower()} {value}" for name, value in setting_changes(config).items()]
    return ", ".join([*(epochs_words(config) or [tr("solved at once")]), *changes[:4]])


def epochs_words(config: TrainConfig) -> list[str]:
    """Return how long a run learns, in a word or two; nothing where its head is solved for at once."""
    return [tr("{count} epochs", count=config.total_epochs)] if config.total_epochs else []


def command_line(config: TrainConfig, project: str) -> str:
    """Return the `visionft train` command that trains exactly this config."""
    words = ["visionft", "train", project, "--backbone", config.backbone, "--method", config.method]
    words += ["--epochs", str(config.epochs)] if config.total_epochs else []
    for name, value in setting_changes(config).items():
        words += ["--set", f"{name}={value}"]
    return shlex.join(words)


def setting_changes(config: TrainConfig) -> dict[str, object]:
    """Return the settings that act and differ from the defaults, besides backbone, method and epochs."""
    default = TrainConfig()
    changes: dict[str, object] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in ("backbone", "method", "epochs") or value == getattr(default, field.name):
            continue
        if not dataclasses.is_dataclass(value):
            changes[field.name] = value
        elif field.name == config.method:
            untouched = getattr(default, field.name)
            for inner in dataclasses.fields(value):
                if getattr(value, inner.name) != getattr(untouched, inner.name):
                    changes[f"{field.name}.{inner.name}"] = getattr(value, inner.name)
    return changes
