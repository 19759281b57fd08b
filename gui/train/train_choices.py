"""The catalog's presets, backbones and methods as cards with their cost, and sentences about settings. No Qt."""

import dataclasses
from collections.abc import Callable, Collection, Mapping

from gui.kit.translation import capitalised, tr
from models.catalog import BACKBONES, USUAL_BACKBONES, get_backbone
from models.methods.method import ParameterCount, count_parameters
from models.methods.table import METHODS
from visionft.core.amounts import count_text, memory_text
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.training.config.presets import PRESETS, Circumstances, likely_device, preset_config, suited_backbones
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts
from visionft.training.evaluation.stored import Evaluation

HERE, ELSEWHERE = Message("On this computer"), Message("To download when first used")
UNTRAINED, TRAINED = Message("Without training"), Message("Fine-tuning")
_TRY_OUT = ("test_resnet", "test_vit")
# Best for most projects first; the rest follow in the catalog's order.
_RECOMMENDED_CPU = (
    *USUAL_BACKBONES,
    *("starter_resnet", "starter_vit", "resnet18", "dinov2_small", "vit_tiny"),
)
_RECOMMENDED_GPU = ("dinov2_small", "dinov2_base", "vit_base", "resnet50", "vit_small", *USUAL_BACKBONES)

KnownCost = Callable[[TrainConfig], Estimate | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One card; disabled with a `refusal`. Cards of a `group` (a heading) follow each other.

    Attributes:
        facts: Shown at the foot of the card.
        badge: A word behind the title, such as Recommended.
        headline: The most important fact, in large letters.
    """

    name: str
    title: str
    words: str
    facts: str = ""
    refusal: str = ""
    group: str = ""
    badge: str = ""
    headline: str = ""


def read_computer() -> tuple[frozenset[str], dict[str, str], str]:
    """Return the backbones with weights on this computer, the sizes of all in words, and the device.

    It runs in a thread: reading the cache and the GPU driver is slow.
    """
    from models.weights.records import weights_states

    states = weights_states()
    here = frozenset(each.backbone for each in states if each.is_here)
    return here, {each.backbone: each.size_text for each in states}, likely_device()


def preset_choices(
    circumstances: Circumstances,
    known: KnownCost,
    *,
    device: str = "auto",
    is_measuring: bool = False,
) -> list[Choice]:
    """Return a card per preset: its measured cost, and the settings it would choose here.

    `known` returns the measured cost of settings, if any; `is_measuring`: the unknown ones are being measured.
    """
    waiting = tr("measuring the time") if is_measuring else tr("time not measured yet")
    choices = []
    configs = {name: preset_config(name, circumstances, device=device) for name in PRESETS}
    for name, config in configs.items():
        cost = cost_of_stages(name, configs, known)
        recipe = [config.backbone_row.title, tr(config.method_row.title), *epochs_words(config)]
        others = len(suited_backbones(circumstances)) - 1
        if config.backbone == circumstances.backbone:
            recipe.append(tr("best on your images"))
        elif others:
            recipe.append(tr("{count} other network is tried", "{count} other networks are tried", count=others))
        facts = [", ".join(recipe)]
        if cost is None:
            facts.append(waiting)
        else:
            facts.append(tr("{device}, {memory} of memory", device=cost.device, memory=memory_text(cost.memory_mb)))
        time = tr("about {time}", time=tr(cost.time_text)) if cost is not None else ""
        choices.append(
            Choice(
                name=name,
                title=PRESETS[name].title,
                headline=time,
                words=tr(PRESETS[name].words),
                facts="\n".join(facts),
            )
        )
    return choices


def cost_of_stages(preset: str, configs: Mapping[str, TrainConfig], known: KnownCost) -> Estimate | None:
    """Return the cost of a run of a preset: that of its last stage, with the time of those before it.

    Args:
        preset: Its name.
        configs: The settings of each preset by name, in order.
        known: Returns the measured cost of settings, if any.
    """
    config, cost = configs[preset], known(configs[preset])
    if cost is None or not config.total_epochs:
        return cost
    names = list(configs)
    before = [configs[name] for name in names[: names.index(preset)]]
    earlier = [known(each) for place, each in enumerate(before) if each.total_epochs or not place]
    seconds = sum(each.seconds - each.decoding_s for each in earlier if each is not None)
    return dataclasses.replace(cost, seconds=cost.seconds + seconds)


def backbone_choices(
    here: Collection[str], sizes: Mapping[str, str], *, has_gpu: bool, chosen: str, shows_all: bool
) -> list[Choice]:
    """Return a card per backbone, those on this computer first, the recommended ones first in each group.

    Args:
        here: The backbones with weights on this computer.
        sizes: The size of the weights of each backbone in words, where it is known.
        has_gpu: Whether the computer has a graphics card, for which others are recommended.
        chosen: The selected backbone.
        shows_all: Whether to return all of them, not only a few of each group and the selected one.
    """
    recommended = _RECOMMENDED_GPU if has_gpu else _RECOMMENDED_CPU
    others = [name for name in {**sizes, chosen: ""} if name not in BACKBONES]

    def rank(name: str) -> tuple[bool, int]:
        return name in _TRY_OUT, recommended.index(name) if name in recommended else len(recommended)

    order = sorted((*BACKBONES, *others), key=rank)
    choices = []
    for is_here, most in ((True, 6), (False, 3)):
        names = [name for name in order if (name in here) == is_here]
        first = [name for name in names[:most] if name not in _TRY_OUT]
        shown = names if shows_all else [name for name in names if name == chosen or name in first]
        for name in shown:
            backbone = get_backbone(name)
            facts = tr("{count} parameters, {size} px", count=count_text(backbone.parameters), size=backbone.input_size)
            if (size := sizes.get(name)) and not backbone.bundled:
                facts += f", {size}" if is_here else "; " + tr("download {size}", size=size)
            licence = tr("A network of timm. Licence of the weights: {licence}.", licence=backbone.licence)
            badge = Message("Suggested") if name == names[0] and name in recommended else ""
            choices.append(
                Choice(
                    name=name,
                    title=backbone.title,
                    words=backbone.summary or licence,
                    facts=facts,
                    group=HERE if is_here else ELSEWHERE,
                    badge=badge,
                )
            )
    return choices


def method_choices(config: TrainConfig, *, classes: int, known: KnownCost = lambda _config: None) -> list[Choice]:
    """Return a card per method: its trained parameters and cost for the config's backbone, or the reason against it."""
    choices = []
    for name, method in METHODS.items():
        backbone = suited_backbone(name, config.backbone)
        variant = dataclasses.replace(config, method=name, backbone=backbone)
        refusal = tr(method.refusal(variant.backbone_row))
        facts = ""
        if not refusal:
            count = parameter_count(variant, classes=classes)
            facts = tr(
                "{count} trainable parameters, {share}", count=count_text(count.trainable), share=share(count.share)
            )
            if (cost := known(variant)) is not None:
                time, memory = tr(cost.time_text), memory_text(cost.memory_mb)
                facts += "\n" + tr("about {time}, {memory}", time=time, memory=memory)
        choices.append(
            Choice(
                name=name,
                title=method.title,
                words=f"{tr(method.summary)} {tr(method.when)}",
                facts=facts,
                refusal=capitalised(refusal),
                group=UNTRAINED if method.is_training_free else TRAINED,
            )
        )
    return choices


def suited_backbone(method: str, backbone: str) -> str:
    """Return the backbone for a newly chosen method: the current one, or its default if it refuses the current one."""
    row = METHODS[method]
    return row.usual_backbone if row.usual_backbone and row.refusal(get_backbone(backbone)) else backbone


def needs_division(images: Snapshot, config: TrainConfig) -> bool:
    """Return whether a run uses a split of images: false if it needs no labels and no image has any."""
    return config.method_row.needs_labels or any(image.labels for image in images.images)


def cost_words(cost: Estimate) -> str:
    words = Message("About {time} and {memory} of memory, measured on this computer.")
    words = tr(words, time=tr(cost.time_text), memory=memory_text(cost.memory_mb))
    if not cost.fits_at_once:
        words += " " + tr("Memory is short: {count} images are processed at a time.", count=cost.micro_batch)
    return words


def parameter_count(config: TrainConfig, *, classes: int) -> ParameterCount:
    """Return the number of trained parameters of the config, computed from the catalog's shapes."""
    shape = config.input_shape if config.input_size >= config.backbone_row.size_step else None
    return count_parameters(
        config.backbone_row, config.method_row, classes=classes, options=config.method_options, shape=shape
    )


def share(value: float) -> str:
    percent = value * 100
    digits = 0 if percent >= 10 else 1 if percent >= 1 else 2
    return f"{percent:.{digits}f} %"


def run_summary(config: TrainConfig, facts: SetFacts | None, classes: int) -> str:
    count = parameter_count(config, classes=classes)
    backbone = config.backbone_row.title
    method = tr(config.method_row.title)
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
        words = Message("{train} training images, {val} validation images, {classes} classes.")
        lines.append(tr(words, train=train, val=val, classes=facts.classes))
    if config.total_epochs and config.batch_size > 0 and config.learning_rate >= 0:
        lines.append(tr("Learning rate {rate} at its peak.", rate=f"{config.peak_learning_rate:.2g}"))
    return "\n".join(lines)


def epochs_words(config: TrainConfig) -> list[str]:
    """Return the length of the training, in a word or two; empty for a closed-form head."""
    return [tr("{count} epoch", "{count} epochs", count=config.total_epochs)] if config.total_epochs else []


def start_words(cost: Estimate | None) -> str:
    """Return what the start button will do, with its time where that is measured."""
    return tr("Train: about {time}", time=tr(cost.time_text)) if cost else tr("Start training")


def result_words(found: Evaluation) -> str:
    """Return the number of unseen images for which a run is right, in a sentence."""
    words = Message("Right for {right} of {count} images it had not seen")
    several = Message("All labels right for {right} of {count} images it had not seen")
    return tr(
        several if found.is_multilabel else words,
        right=f"{round(found.top1 * found.images):,}",
        count=f"{found.images:,}",
    )
