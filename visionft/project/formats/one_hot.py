"""The columns of a one-hot table: a class each, with yes or no in its rows; and columns that number the rows."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from visionft.project.formats.cells import Row, cells_of, is_flag, key_of, says_yes
from visionft.project.formats.label_titles import is_fact_title

_OF_ID = re.compile(r"[a-z]Id$|[_ ](id|ID|Id)$")  # `ShapeId` and `ColorId` of GTSRB's signs
_LEAST_FLAGS = 2  # further columns of classes, beside one that is yes in all rows of a sample
_NUMBERING = re.compile(r"|#|no|nr|index|idx|id|row|rowid|unnamed\d*")


def one_hot_columns(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of a one-hot table: two or more of yes and no, without row numbers.

    Where all but one or two columns have exactly one yes in each row, these are no classes (`male`).
    """
    candidates = [
        title for title in titles if not (is_numbering(title, sample) or is_fact_title(title) or _OF_ID.search(title))
    ]
    cells = {title: [str(row.get(title) or "") for row in sample] for title in candidates}
    flags = [title for title in candidates if sample and all(map(is_flag, cells[title]))]
    always = {title for title in flags if len(sample) > 2 and all(map(says_yes, cells[title]))}
    patterns = {frozenset(title for title in flags if says_yes(row.get(title, ""))) for row in sample}
    is_class_each = all(len(pattern - always) == 1 for pattern in patterns)  # beside `valid`
    if always and (is_class_each or len(flags) - len(always) < _LEAST_FLAGS):
        flags = [title for title in flags if title not in always]
        patterns = {pattern - always for pattern in patterns}
    if len(flags) < 2 or not any(patterns):
        return ()
    uses = Counter(title for pattern in patterns for title in pattern)
    is_some_unused = len(uses) < len(flags)
    is_by_chance = len(sample) <= len(flags) * (2 if is_some_unused else 1)
    if any(len(pattern) != 1 for pattern in patterns) and len(flags) <= 60 and not is_by_chance:
        odd = sorted(flags, key=lambda title: -uses[title])
        for left_out in (set(each) for count in (1, 2) for each in combinations(odd, count)):
            if len(flags) - len(left_out) > 1 and all(len(pattern - left_out) == 1 for pattern in patterns):
                return tuple(title for title in flags if title not in left_out)
    return tuple(flags)


def is_numbering(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column only numbers the rows: distinct whole numbers."""
    cells = cells_of(title, sample)
    counts = bool(cells) and all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    return not cells or (counts and (len(cells) > 2 or bool(_NUMBERING.fullmatch(key_of(title)))))
