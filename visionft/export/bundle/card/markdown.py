r"""Markdown and YAML from text that others wrote: names of classes and runs cannot become markup, links or keys.

CommonMark takes a backslash before any ASCII punctuation as that sign itself (spec 0.31, 2.4).
"""

import json
import re
from collections.abc import Iterable, Sequence

from visionft.foreign_text import printable

# What means something inside a line, on GitHub and on the hub too: emphasis, code, links, HTML, entities, tables,
# formulas, mentions, references and emoji.
_MEANT = re.compile(r"[\\`*_\[\]<>&|~$@#:!{}^]")
_BARE_LINK = re.compile(r"(?i)\b(www)\.")


def escaped(text: str) -> str:
    """Return a text as Markdown that shows it as it is, on one line; for table cells and within sentences."""
    line = " ".join(printable(text).split())
    return _BARE_LINK.sub(r"\1\\.", _MEANT.sub(r"\\\g<0>", line))


def code(text: str) -> str:
    """Return a text of ours as code within a line."""
    return f"`{text}`"


def fenced(text: str, language: str = "") -> str:
    """Return a text of ours as a block of code."""
    return f"```{language}\n{text.strip()}\n```"


def quoted(text: str) -> str:
    """Return a text as a YAML scalar in double quotes, which are JSON's where nothing unprintable is in it."""
    return json.dumps(printable(text), ensure_ascii=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
