"""What other libraries need beside an update that was learnt: its classes, and the very weights that it belongs to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visionft.files import read_json, write_json
from visionft.training.runs.run_folder import BaseWeights

ADAPTER_FOLDER, CONFIG_FILE = "adapter", "adapter_config.json"  # in an export; what PEFT reads
_NAMED = ("file", "sha256", "origin", "revision", "licence")


def complete_exchange(folder: Path, class_names: Sequence[str], weights: BaseWeights | None) -> None:
    """Write the classes and the base weights into a folder in PEFT's layout, beside how the network is built.

    They stand in `auto_mapping`: of its own level PEFT drops what it does not know.
    """
    config: dict[str, Any] = read_json(folder / CONFIG_FILE)
    about = {**(config.get("auto_mapping") or {}), "class_names": list(class_names)}
    if weights is not None:
        about["base_weights"] = {name: getattr(weights, name) for name in _NAMED} | {"origin": _public(weights.origin)}
    write_json(folder / CONFIG_FILE, config | {"auto_mapping": about})


def _public(origin: str) -> str:
    """Return an origin without the author's own folders."""
    return Path(origin).name if Path(origin).is_absolute() else origin
