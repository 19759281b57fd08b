r"""Markdown and YAML from untrusted text: names of classes and runs cannot become markup, links or keys.

In CommonMark a backslash before any ASCII punctuation makes it literal (spec 0.31, 2.4).
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from visionft.export.contents import LICENCE_FILE, TIMM_FOLDER
from visionft.foreign_text import printable

# Inline markup, including that of GitHub and the hub: emphasis, code, links, HTML, entities, tables, formulas,
# mentions, references and emoji.
_MEANT = re.compile(r"[\\`*_\[\]<>&|~$@#:!{}^]")
_BARE_LINK = re.compile(r"(?i)\b(www)\.")


def escaped(text: str) -> str:
    """Return a text escaped as literal Markdown on one line, for table cells and sentences."""
    line = " ".join(printable(text).split())
    return _BARE_LINK.sub(r"\1\\.", _MEANT.sub(r"\\\g<0>", line))


def code(text: str) -> str:
    """Return a trusted text as inline code."""
    return f"`{text}`"


def fenced(text: str, language: str = "") -> str:
    """Return a trusted text as a code block."""
    return f"```{language}\n{text.strip()}\n```"


def quoted(text: str) -> str:
    """Return a text as a YAML scalar in double quotes; without unprintable characters it equals JSON."""
    return json.dumps(printable(text), ensure_ascii=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of cells that are already Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# The hub's names of common licences of weights; any other is `other` with its own name.
_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "BSD-3-Clause": "bsd-3-clause",
    "LicenseRef-apple-amlr": "apple-amlr",
}
SPLIT_TITLES = {"test": "test", "val": "validation"}


def front_matter(record: Mapping[str, Any], files: Collection[str]) -> str:
    """Return the front matter between its lines of dashes, from the record and the names of the files beside it."""
    library = "timm" if any(name.startswith(f"{TIMM_FOLDER}/") for name in files) else "onnx"
    tags = ["image-classification", "visionft", "onnx", library, str(record["method"])]
    licence = str(record["license"])
    weights = record["weights"]
    origin = str(weights.get("origin", ""))
    is_repository = weights.get("source") == "pretrained" and origin.count("/") == 1 and " " not in origin
    lines = ["---", f"license: {_LICENCES.get(licence, 'other')}"]
    if licence not in _LICENCES:
        lines += [f"license_name: {quoted(licence)}", f"license_link: {LICENCE_FILE}"]
    lines += [
        f"library_name: {library}",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {quoted(tag)}" for tag in dict.fromkeys(tags)),
        *[f"base_model: {quoted(origin)}"] * is_repository,
        "metrics:",
        "- accuracy",
    ]
    metrics = {key: each for key, each in record.get("metrics", {}).items() if each.get("unseen", key == "test")}
    if metrics:
        lines += ["model-index:", f"- name: {quoted(record['run'])}", "  results:"]
    for split, title in SPLIT_TITLES.items():
        if split in metrics:
            lines += [
                "  - task:",
                "      type: image-classification",
                "    dataset:",
                "      name: the author's images",
                "      type: imagefolder",
                f"      split: {title}",
                "    metrics:",
                "    - type: accuracy",
                f"      value: {metrics[split]['top1']:.4f}",
            ]
    return "\n".join([*lines, "---"])
