"""The columns of a one-hot table: a class each, with yes or no in its rows; and columns that number the rows."""

import re
from collections import Counter
from collections.abc import Sequence, Set

from visionft.project.formats.cells import Row, cells_of, is_flag, key_of, says_yes
from visionft.project.formats.label_titles import is_fact_title

_OF_ID = re.compile(r"[a-z]Id$|[_ ](id|ID|Id)$")  # `ShapeId` and `ColorId` of GTSRB's signs
_FEW_ROWS = 2  # that may all say yes by chance: in a split of Roboflow's `filename, cat, big dog`
_LEAST_CLASSES = 2  # one column of yes and no is another fact: `service_test` of FairFace
# The first column of pandas has no title, or `Unnamed: 0`.
_NUMBERING = re.compile(r"|#|no|nr|index|idx|id|row|rowid|unnamed\d*")


def one_hot_columns(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of a one-hot table: two or more of yes and no, without row numbers and other facts."""
    flags = [title for title in titles if _may_be_class(title, sample)]
    patterns = {frozenset(title for title in flags if says_yes(row.get(title, ""))) for row in sample}
    constant = _constant_facts(flags, patterns) if len(sample) > _FEW_ROWS else frozenset[str]()
    flags = [title for title in flags if title not in constant]
    patterns = {pattern - constant for pattern in patterns}
    if len(flags) < _LEAST_CLASSES or not any(patterns):
        return ()
    fact = _fact_beside_classes(flags, patterns, rows=len(sample))
    return tuple(title for title in flags if title != fact)


def _may_be_class(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column says yes or no in each row, and its title is none of a number or a fact."""
    if is_numbering(title, sample) or is_fact_title(title) or _OF_ID.search(title):
        return False
    return all(is_flag(str(row.get(title) or "")) for row in sample)


def _constant_facts(flags: Sequence[str], patterns: Set[frozenset[str]]) -> frozenset[str]:
    """Return the columns that say yes in all rows, where fewer than two others are left: `valid` beside `cat`.

    Else they are classes: all may be young in a sample of CelebA.
    """
    always = frozenset[str].intersection(*patterns) if patterns else frozenset[str]()
    return always if len(flags) - len(always) < _LEAST_CLASSES else frozenset()


def _fact_beside_classes(flags: Sequence[str], patterns: Set[frozenset[str]], *, rows: int) -> str | None:
    """Return the column without which each row has exactly one yes: `male` beside `cat` and `dog`; None for none.

    In as few rows as there are columns this may be by chance.
    """
    is_class_each = all(len(pattern) == 1 for pattern in patterns)
    if is_class_each or len(flags) <= _LEAST_CLASSES or rows <= len(flags):
        return None
    uses = Counter(title for pattern in patterns for title in pattern)
    frequent = sorted(flags, key=lambda title: -uses[title])
    return next((title for title in frequent if all(len(pattern - {title}) == 1 for pattern in patterns)), None)


def is_numbering(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column only numbers the rows: distinct whole numbers."""
    cells = cells_of(title, sample)
    counts = bool(cells) and all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    return not cells or (counts and (len(cells) > 2 or bool(_NUMBERING.fullmatch(key_of(title)))))
