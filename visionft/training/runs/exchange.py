"""Metadata for other libraries beside an adapter: its classes and its base weights."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visionft.files import read_json
from visionft.training.runs.run_folder import BaseWeights
from visionft.weights.records import bare_origin

ADAPTER_FOLDER, CONFIG_FILE = "adapter", "adapter_config.json"  # in an export; what PEFT reads


def complete_exchange(folder: Path, class_names: Sequence[str], weights: BaseWeights | None) -> None:
    """Write the classes and the base weights into a folder in PEFT's layout, beside how the network is built.

    They are in `auto_mapping`, as PEFT drops unknown keys at the top level. A folder of another layout stays unchanged.
    The caller flushes the folder to the disk.
    """
    if not (folder / CONFIG_FILE).is_file():
        return
    config: dict[str, Any] = read_json(folder / CONFIG_FILE)
    about = {**(config.get("auto_mapping") or {}), "class_names": list(class_names)}
    if weights is not None:
        named = {name: getattr(weights, name) for name in ("file", "sha256", "origin", "revision", "licence")}
        about["base_weights"] = named | {"origin": bare_origin(weights.origin)}
    text = json.dumps(config | {"auto_mapping": about}, ensure_ascii=False, indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
