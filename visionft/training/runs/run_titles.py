"""Display titles of runs: the user's name, or method and backbone. Torch-free."""

from collections import Counter
from collections.abc import Sequence

from models.catalog import known_backbone
from models.methods.table import known_method
from visionft.core.messages import Message
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import StoredRun


def method_title(name: str) -> str:
    """Return the title of a method; its name where it is not installed."""
    method = known_method(name)
    return method.title if method else name


def backbone_title(name: str) -> str:
    """Return the title of a backbone; its name where it is not known here."""
    backbone = known_backbone(name)
    return backbone.title if backbone else name


def config_title(config: TrainConfig, *, number: str = "") -> Message:
    """Return the title for settings: `LoRA, ResNet-18`, with a number `LoRA 3, ResNet-18`."""
    return Message(
        "{method}{number}, {backbone}",
        method=method_title(config.method),
        number=number and f" {number}",
        backbone=backbone_title(config.backbone),
    )


def titles_of_runs(runs: Sequence[StoredRun]) -> dict[str, Message]:
    """Return {run name: title}, each title once: `Prototype, ResNet-18`; where several are alike, with their number."""
    plain = {run.name: _title(run) for run in runs}
    counts = Counter(plain.values())
    return {run.name: _title(run, counts[plain[run.name]] > 1) for run in runs}


def _title(run: StoredRun, has_number: bool = False) -> Message:
    """Return the user's name for a run, or its method and backbone, or the numbers of an ensemble's members."""
    number = _number(run.name) if has_number else ""
    suffix = number and f" ({number})"
    if run.given_title:
        return Message("{title}{number}", title=run.given_title, number=suffix)
    if run.parts:
        parts = sorted((_number(part.run) for part in run.parts), key=lambda each: (len(each), each))
        return Message(
            "{method} {members}{number}",
            method=method_title(run.config.method),
            members=" + ".join(parts),
            number=suffix,
        )
    return config_title(run.config, number=number)


def _number(name: str) -> str:
    """Return the number of a run's folder without zeros: `3` of `003-resnet18-lora`."""
    number = name.partition("-")[0]
    return str(int(number)) if number.isdecimal() else name
