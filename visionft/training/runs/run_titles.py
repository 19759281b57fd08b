"""Display titles of runs: the user's name, or method and backbone. Torch-free."""

from collections import Counter
from collections.abc import Sequence

from models.catalog import known_backbone
from models.methods.table import known_method
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary


def method_title(config: TrainConfig) -> str:
    method = known_method(config.method)
    return method.title if method else config.method


def backbone_title(config: TrainConfig) -> str:
    backbone = known_backbone(config.backbone)
    return backbone.title if backbone else config.backbone


def config_title(config: TrainConfig, *, number: str = "") -> str:
    """Return the title for settings: `LoRA, ResNet-18`, with a number `LoRA 3, ResNet-18`."""
    return f"{method_title(config)}{number and f' {number}'}, {backbone_title(config)}"


def titles_of_runs(runs: Sequence[RunSummary]) -> dict[str, str]:
    """Return {run name: title}, each title once: `Prototype, ResNet-18`; where several are alike, with their number."""
    plain = {run.name: _title(run) for run in runs}
    counts = Counter(plain.values())
    return {run.name: _title(run, counts[plain[run.name]] > 1) for run in runs}


def _title(run: RunSummary, has_number: bool = False) -> str:
    """Return the user's name for a run, or its method and backbone, or the numbers of an ensemble's members."""
    number = _number(run.name) if has_number else ""
    if run.notes.title:
        return f"{run.notes.title}{number and f' ({number})'}"
    if run.parts:
        parts = sorted((_number(part.run) for part in run.parts), key=lambda each: (len(each), each))
        return f"{method_title(run.config)} {' + '.join(parts)}{number and f' ({number})'}"
    return config_title(run.config, number=number)


def _number(name: str) -> str:
    """Return the number of a run's folder without zeros: `3` of `003-resnet18-lora`."""
    number = name.partition("-")[0]
    return str(int(number)) if number.isdecimal() else name
