"""What a run is called beside others: the name that its owner gave it, or what it is. Torch-free."""

from collections import Counter
from collections.abc import Sequence

from models.catalog import known_backbone
from models.methods.table import known_method
from visionft.training.runs.run_folder import RunSummary


def method_title(run: RunSummary) -> str:
    """Return how the method of a run is called."""
    method = known_method(run.config.method)
    return method.title if method else run.config.method


def backbone_title(run: RunSummary) -> str:
    """Return how the backbone of a run is called."""
    backbone = known_backbone(run.config.backbone)
    return backbone.title if backbone else run.config.backbone


def answerer_titles(runs: Sequence[RunSummary]) -> dict[str, str]:
    """Return {run name: title}, each title once: `Prototype, ResNet-18`; where several are alike, with their number."""
    plain = {run.name: run.notes.title or _plain_title(run) for run in runs}
    counts = Counter(plain.values())
    return {name: title if counts[title] == 1 else f"{title} ({_number(name)})" for name, title in plain.items()}


def _plain_title(run: RunSummary) -> str:
    """Return what a run is: its method and backbone, or for a combination the numbers of its parts."""
    if run.parts:
        return f"{method_title(run)} {' + '.join(sorted(_number(part.run) for part in run.parts))}"
    return f"{method_title(run)}, {backbone_title(run)}"


def _number(name: str) -> str:
    """Return the number that a run's folder begins with, as it is typed: `3` of `003-resnet18-lora`."""
    number = name.partition("-")[0]
    return str(int(number)) if number.isdecimal() else name
