"""The catalog's backbones and methods as cards, their cost in numbers, and a config as a command line. No Qt."""

import dataclasses
import shlex

from gui.widgets.choice_grid import Choice
from gui.widgets.run_monitor import millions
from models.catalog import BACKBONES, ParameterCount, count_parameters
from models.methods import METHODS
from visionft.training.config import TrainConfig

_TRY_OUT = ("test_resnet", "test_vit")


def backbone_choices() -> list[Choice]:
    """Return a card per backbone; those for quick trials come last."""
    names = [name for name in BACKBONES if name not in _TRY_OUT] + [name for name in _TRY_OUT if name in BACKBONES]
    return [_backbone_choice(name) for name in names]


def _backbone_choice(name: str) -> Choice:
    backbone = BACKBONES[name]
    facts = f"{millions(backbone.parameters)} parameters, {backbone.input_size} px"
    return Choice(name=name, title=backbone.title, words=backbone.summary, facts=facts)


def method_choices(config: TrainConfig, *, classes: int) -> list[Choice]:
    """Return a card per method, with what it would train of the config's backbone, or why it cannot."""
    return [_method_choice(config, name, classes) for name in METHODS]


def _method_choice(config: TrainConfig, name: str, classes: int) -> Choice:
    method = METHODS[name]
    refusal = method.refusals.get(config.backbone_row.family, "")
    facts = ""
    if not refusal:
        count = parameter_count(dataclasses.replace(config, method=name), classes=classes)
        facts = f"{millions(count.trainable)} parameters learn, {share(count.share)}"
    return Choice(
        name=name,
        title=method.title,
        words=f"{method.summary} {method.when}",
        facts=facts,
        refusal=refusal[:1].upper() + refusal[1:],
    )


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


def command_line(config: TrainConfig, project: str) -> str:
    """Return the `visionft train` command that trains exactly this config."""
    words = ["visionft", "train", project, "--backbone", config.backbone, "--method", config.method]
    words += ["--epochs", str(config.epochs)]
    for name, value in _changes(config).items():
        words += ["--set", f"{name}={value}"]
    return shlex.join(words)


def _changes(config: TrainConfig) -> dict[str, object]:
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
