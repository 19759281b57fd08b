"""The YAML header of a model card, by which the Hugging Face hub files it (hub-docs, modelcard.md)."""

from collections.abc import Collection, Mapping
from typing import Any

from visionft.export.bundle.card.markdown import quoted

TIMM_FOLDER = "huggingface"
# The hub's names of the licences that weights come with; any other is `other` with its own name.
_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "BSD-3-Clause": "bsd-3-clause",
    "apple-amlr": "apple-amlr",
}
_SPLITS = {"test": "test", "val": "validation"}


def front_matter(record: Mapping[str, Any], files: Collection[str]) -> str:
    """Return the header between its lines of dashes.

    Args:
        record: What `export.json` holds.
        files: Names of what lies beside it.
    """
    has_timm = any(name.startswith(f"{TIMM_FOLDER}/") for name in files)
    tags = ["image-classification", "visionft", "onnx", *["timm"] * has_timm, str(record["method"])]
    origin = str(record["weights"].get("origin", ""))
    lines = [
        "---",
        *_licence(str(record["license"])),
        f"library_name: {'timm' if has_timm else 'onnx'}",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {quoted(tag)}" for tag in dict.fromkeys(tags)),
        *([f"base_model: {quoted(origin)}"] if _is_repository(record["weights"]) else []),
        "metrics:",
        "- accuracy",
        *_model_index(record),
        "---",
    ]
    return "\n".join(lines)


def _licence(name: str) -> list[str]:
    known = _LICENCES.get(name)
    return [f"license: {known}"] if known else ["license: other", f"license_name: {quoted(name or 'not stated')}"]


def _is_repository(weights: Mapping[str, Any]) -> bool:
    """Tell whether the weights that training started from came from a repository of the hub."""
    origin = str(weights.get("origin", ""))
    return weights.get("source") == "pretrained" and origin.count("/") == 1 and " " not in origin


def _model_index(record: Mapping[str, Any]) -> list[str]:
    measured = [(split, record["metrics"][split]) for split in _SPLITS if split in record.get("metrics", {})]
    if not measured:
        return []
    lines = ["model-index:", f"- name: {quoted(record['run'])}", "  results:"]
    for split, figures in measured:
        lines += [
            "  - task:",
            "      type: image-classification",
            "    dataset:",
            "      name: the author's pictures",
            "      type: imagefolder",
            f"      split: {_SPLITS[split]}",
            "    metrics:",
            "    - type: accuracy",
            f"      value: {figures['top1']:.4f}",
        ]
    return lines
