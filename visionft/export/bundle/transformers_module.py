"""Make an export with `model.pt2` loadable by Hugging Face transformers, for networks that timm cannot build.

`AutoModelForImageClassification.from_pretrained(FOLDER, trust_remote_code=True)` and the image classification pipeline
read the configuration here and one small module of the export, a resource published byte for byte.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import resources
from visionft.export.contents import MODULE_FILE
from visionft.files import write_json

CONFIG_FILE, PROCESSOR_FILE = "config.json", "preprocessor_config.json"
MODULE_FILES = (CONFIG_FILE, PROCESSOR_FILE, MODULE_FILE)
_SOURCE = Path(resources.__file__).parent / "huggingface" / MODULE_FILE
_CLASSES = {
    "AutoConfig": "VisionFTConfig",
    "AutoModelForImageClassification": "VisionFTForImageClassification",
    "AutoImageProcessor": "VisionFTImageProcessor",
}


def write_module(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write the module and its configuration into an export's folder, beside `model.pt2`."""
    names: list[str] = metadata["class_names"]
    classes = {auto: f"{Path(MODULE_FILE).stem}.{name}" for auto, name in _CLASSES.items()}
    problem = {"single": "single_label_classification", "multi": "multi_label_classification"}[metadata["task"]]
    config = {
        "model_type": "visionft",
        "architectures": [_CLASSES["AutoModelForImageClassification"]],
        "auto_map": classes,
        "problem_type": problem,
        "id2label": {str(place): name for place, name in enumerate(names)},
        "label2id": {name: place for place, name in enumerate(names)},
        "calibration_temperature": float(metadata["temperature"]),  # `temperature` is a parameter of generation there
        "thresholds": metadata.get("thresholds"),
        "dtype": "float32",
    }
    write_json(folder / CONFIG_FILE, config)
    processor = "AutoImageProcessor"
    settings = {"image_processor_type": _CLASSES[processor], "auto_map": {processor: classes[processor]}}
    write_json(folder / PROCESSOR_FILE, settings)
    (folder / MODULE_FILE).write_bytes(_SOURCE.read_bytes())
