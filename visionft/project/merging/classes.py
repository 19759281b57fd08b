"""Matching the classes of two projects."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from visionft.project.merging.sides import Side
from visionft.project.names import clean_name, name_key


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """The classes of another project: {class id there: class id here}; new ones have negative ids.

    `left_out` are the classes there left out by a person.
    """

    ids: Mapping[int, int]
    new: Mapping[int, str]  # names by negative id
    left_out: frozenset[int]


def match_classes(here: Side, there: Side, chosen: Mapping[str, str | None]) -> ClassMatch:
    """Match the classes of two projects.

    In this order: a person's choice ({name there: name here, or None to leave it out}); labels that both projects
    share, given before one was copied, whose classes are the same whatever their names are now; the name; a former
    name, if it stands for one class. All others are new.
    """
    by_name = {name_key(name): class_id for class_id, name in here.classes.items()}
    wanted = {name_key(name): meant for name, meant in chosen.items()}
    shared = shared_classes(here, there)
    named_there = {name_key(name) for name in there.classes.values()}
    former: defaultdict[int, set[int]] = defaultdict(set)  # classes here, by those there
    for key, class_id in there.aliases.items():
        if key not in named_there and (found := by_name.get(key, here.aliases.get(key))) is not None:
            former[class_id].add(found)
    first = min([0, *here.classes]) - 1
    ids = dict[int, int]()
    new = dict[int, str]()
    left_out = set[int]()
    for class_id, name in there.classes.items():
        key = name_key(name)
        if key in wanted:
            meant = wanted[key]
            if meant is None:
                left_out.add(class_id)
                continue
            name = clean_name(meant, "class")
            key = name_key(meant.strip())
            found = by_name.get(key)
        else:
            found = shared.get(class_id, by_name.get(key))
            if found is None:
                meanings = former[class_id] | ({here.aliases[key]} if key in here.aliases else set[int]())
                found = meanings.pop() if len(meanings) == 1 else None
        if found is None:
            found = by_name[key] = first - len(new)
            new[found] = name
        ids[class_id] = found
    return ClassMatch(ids, new, frozenset(left_out))


def shared_classes(here: Side, there: Side) -> dict[int, int]:
    """Return {class id there: class id here} of the labels that both have, to the millisecond, if they agree."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for sha256, images in there.images.items():
        for own in here.images.get(sha256, ()):
            if len(own.labels) == len(images[0].labels) == 1:
                (mine, given), (theirs, other) = next(iter(own.labels.items())), next(iter(images[0].labels.items()))
                if given.at == other.at:
                    found[theirs].add(mine)
    return {theirs: next(iter(mine)) for theirs, mine in found.items() if len(mine) == 1}
