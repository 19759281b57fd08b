"""The columns of a one-hot table: a class each, with yes or no in its rows; and columns that number the rows."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations

from visionft.project.formats.cells import Row, cells_of, is_flag, key_of, says_yes
from visionft.project.formats.label_titles import is_fact_title

_OF_ID = re.compile(r"[a-z]Id$|[_ ](id|ID|Id)$")  # `ShapeId` and `ColorId` of GTSRB's signs
_FEW_ROWS = 2  # that may all say yes by chance
_LEAST_CLASSES = 2
_MOST_CLASSES = 60  # among which facts are looked for; more than CelebA's 40 attributes
_MOST_FACTS = 2  # beside the classes
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
    facts = _facts_beside_classes(flags, patterns, rows=len(sample))
    return tuple(title for title in flags if title not in facts)


def _may_be_class(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column says yes or no in each row, and its title is none of a number or a fact."""
    if is_numbering(title, sample) or is_fact_title(title) or _OF_ID.search(title):
        return False
    return all(is_flag(str(row.get(title) or "")) for row in sample)


def _constant_facts(flags: Sequence[str], patterns: AbstractSet[frozenset[str]]) -> frozenset[str]:
    """Return the columns that say yes in all rows and are no class: `valid` beside exactly one class in each row.

    All may be young in a sample of CelebA, whose rows have several of its attributes.
    """
    always = frozenset[str].intersection(*patterns) if patterns else frozenset[str]()
    is_class_each = all(len(pattern - always) == 1 for pattern in patterns)
    return always if is_class_each or len(flags) - len(always) < _LEAST_CLASSES else frozenset()


def _facts_beside_classes(flags: Sequence[str], patterns: Collection[frozenset[str]], *, rows: int) -> AbstractSet[str]:
    """Return the one or two columns without which each row has exactly one yes: `male` beside diagnoses."""
    uses = Counter(title for pattern in patterns for title in pattern)
    is_by_chance = rows <= len(flags) * (2 if len(uses) < len(flags) else 1)
    if is_by_chance or len(flags) > _MOST_CLASSES or all(len(pattern) == 1 for pattern in patterns):
        return frozenset()
    frequent = sorted(flags, key=lambda title: -uses[title])
    most = min(_MOST_FACTS, len(flags) - _LEAST_CLASSES)
    for facts in (set(each) for count in range(1, most + 1) for each in combinations(frequent, count)):
        if all(len(pattern - facts) == 1 for pattern in patterns):
            return facts
    return frozenset()


def is_numbering(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column only numbers the rows: distinct whole numbers."""
    cells = cells_of(title, sample)
    counts = bool(cells) and all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    return not cells or (counts and (len(cells) > 2 or bool(_NUMBERING.fullmatch(key_of(title)))))
