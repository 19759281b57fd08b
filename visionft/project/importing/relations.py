"""Two sources of labels, compared on the images that both label."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from visionft.project.importing.label_sources import Labels

EQUAL = 0.98  # share of equal labels of sources that confirm each other
_SIGNS = re.compile(r"[\W_\d]+")


@dataclass(frozen=True, slots=True)
class Relation:
    """Two sources of labels, compared on the images that both label."""

    common: int  # images
    equal: float  # share of them with equal labels, but for case, signs and numbers
    shared: float  # share of the classes of the smaller vocabulary in both
    names: Mapping[str, str]  # {class of the first: that of the second}, one to one; empty if there is none
    confirmed: float  # share of the common images whose classes correspond by `names`
    divides: bool  # each class of the second lies in one class of the first
    unites: bool  # each class of the first lies in one class of the second

    @classmethod
    def of(cls, first: Labels, second: Labels) -> "Relation":
        """Compare two sources."""
        both = first.keys() & second.keys() if len(first) > len(second) else second.keys() & first.keys()
        pairs = Counter((first[path], second[path]) for path in both)
        common = sum(pairs.values())
        equal = sum(count for (one, other), count in pairs.items() if _keys(one) == _keys(other))
        shared = _shared_vocabulary(first, second)
        to = _main_partners(pairs, common)
        back = _main_partners({(b, a): n for (a, b), n in pairs.items()}, common)
        names = _names_of(to) if back and common >= 2 * len(to) and not shared else {}
        fitting = sum(count for (one, other), count in pairs.items() if to.get(one) == other) if names else 0
        return cls(common, equal / max(1, common), shared, names, fitting / max(1, common), bool(back), bool(to))


def _names_of(partners: Mapping[tuple[str, ...], tuple[str, ...]]) -> dict[str, str]:
    """Return {class: its partner} where these are one to one, and at least two."""
    if len(set(partners.values())) < max(2, len(partners)):
        return {}
    return {one[0]: other[0] for one, other in partners.items() if len(one) == len(other) == 1}


def _shared_vocabulary(first: Labels, second: Labels) -> float:
    """Return the share of the classes of the smaller vocabulary that are in both."""
    ones, others = ({key for each in set(side.values()) for key in _keys(each)} for side in (first, second))
    return len(ones & others) / max(1, min(len(ones), len(others)))


def _keys(names: Iterable[str]) -> set[str]:
    return set(map(name_key_of, names))


def is_id(name: str) -> bool:
    """Return whether the name of a class is a number, or a letter with a number such as `n02085620`."""
    return bool(re.fullmatch(r"[a-zA-Z]?\d+", name))


def name_key_of(name: str) -> str:
    """Return a name without case, signs and numbers; a number without leading zeros."""
    return _SIGNS.sub("", name.casefold()) or (str(int(name)) if name.isdecimal() else name.casefold())


def _main_partners(
    pairs: Mapping[tuple[tuple[str, ...], tuple[str, ...]], int], common: int
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the one partner of each label where nearly all images agree with it; empty where they do not."""
    partners: defaultdict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for (one, other), count in pairs.items():
        partners[one][other] += count
    main = {one: counts.most_common(1)[0] for one, counts in partners.items()}
    agreeing = sum(count for _, count in main.values())
    return {one: other for one, (other, _) in main.items()} if common and agreeing >= EQUAL * common else {}
