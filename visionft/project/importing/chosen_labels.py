"""Labels by a user's choice: the folders of a level, or a part of the file names, are the classes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from models.messages import Message
from visionft.data.types import Split
from visionft.errors import ProjectError
from visionft.project.formats.listing import LabelChoice, Listing
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.importing.survey import Folder, Survey, is_image
from visionft.project.importing.tree_reading import TreePlan, listing_of

_SIGNS = re.compile(r"[ _.\-()]+")
_LAST_NUMBERS = re.compile(r"[ _.\-(]*\d+\)?(?:[ _.\-]\d+)*$")


def name_parts(stem: str) -> tuple[str, ...]:
    """Return the parts of a file name without suffix, as `LabelChoice.name_part` counts them from 1 on."""
    return tuple(part for part in _SIGNS.split(stem) if part)


def name_part(stem: str, number: int) -> str:
    """Return a part of a file name: from 1 on, -1 for the last, 0 for all before the last number; empty for none."""
    if number == 0:
        return _LAST_NUMBERS.sub("", stem)
    parts = name_parts(stem)
    place = number - 1 if number > 0 else number
    return parts[place] if -len(parts) <= place < len(parts) else ""


def chosen_listing(survey: Survey, choice: LabelChoice) -> Listing:
    """Return the images of a folder with the labels that the user chose; a `ProjectError` where none has one."""
    if choice.class_folder:
        plan = TreePlan(labels=dict(_folders_at(survey.root, choice.class_folder)), splits=_splits(survey.root))
        plan = replace(plan, splits={each: split for each, split in plan.splits.items() if each not in plan.labels})
        listing = listing_of(survey, plan)
    else:
        listing = _by_names(listing_of(survey, TreePlan(splits=_splits(survey.root))), choice.name_part or 0)
    if choice.separator:
        listing = _divided(listing, choice.separator)
    if not any(each.labels for each in listing.files):
        if choice.class_folder:
            message = Message("No image lies in a folder of level {level}.", level=choice.class_folder)
            raise ProjectError(message, "Level 1 lies in the source; -1 holds the images.")
        message = Message("No file name has a part {number}.", number=choice.name_part)
        raise ProjectError(message, "Parts are counted from 1 on, between blanks, points, hyphens and underscores.")
    return listing


def _folders_at(root: Folder, level: int) -> Iterator[tuple[Folder, str]]:
    """Yield the folders of a level with images, and their names: 1 lies in `root`, -1 holds the images, -2 these."""
    depths = {root: 0}
    for folder in root.within():
        if folder.parent is not None:
            depths[folder] = depths[folder.parent] + 1
        if level > 0 and depths[folder] == level and folder.count:
            yield folder, folder.name
        if level < 0 and folder.own and depths[folder] >= -level:
            above = folder
            for _ in range(-level - 1):
                assert above.parent is not None
                above = above.parent
            yield folder, above.name


def _splits(root: Folder) -> dict[Folder, Split | None]:
    """Return the split of each folder that is called like one."""
    return {each: split_of(each.name) for each in root.within() if each.parent and is_split_name(each.name)}


def _by_names(listing: Listing, number: int) -> Listing:
    parts = {each.path: name_part(Path(each.name).stem, number) for each in listing.files if is_image(each)}
    files = (replace(each, labels=(part,)) if (part := parts.get(each.path)) else each for each in listing.files)
    return replace(listing, files=tuple(files))


def _divided(listing: Listing, separator: str) -> Listing:
    """Return a listing with several classes for each name that holds the separator."""

    def names(label: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in label.split(separator) if part.strip())

    files = (replace(each, labels=tuple(name for label in each.labels for name in names(label)))
             for each in listing.files)  # fmt: skip
    return replace(listing, files=tuple(files))
