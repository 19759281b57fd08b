"""What other libraries need beside an update that was learnt: its classes, and the very weights that it belongs to."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visionft.files import read_json
from visionft.training.runs.run_folder import BaseWeights
from visionft.weights.records import bare_origin

ADAPTER_FOLDER, CONFIG_FILE = "adapter", "adapter_config.json"  # in an export; what PEFT reads
_NAMED = ("file", "sha256", "origin", "revision", "licence")


def complete_exchange(folder: Path, class_names: Sequence[str], weights: BaseWeights | None) -> None:
    """Write the classes and the base weights into a folder in PEFT's layout, beside how the network is built.

    They stand in `auto_mapping`: of its own level PEFT drops what it does not know. A folder of another layout stays as
    it is. Whoever made the folder flushes it to the disk.
    """
    if not (folder / CONFIG_FILE).is_file():
        return
    config: dict[str, Any] = read_json(folder / CONFIG_FILE)
    about = {**(config.get("auto_mapping") or {}), "class_names": list(class_names)}
    if weights is not None:
        about["base_weights"] = {name: getattr(weights, name) for name in _NAMED} | {
            "origin": bare_origin(weights.origin)
        }
    text = json.dumps(config | {"auto_mapping": about}, ensure_ascii=False, indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
