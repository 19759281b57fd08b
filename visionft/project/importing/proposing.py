"""The readings of a folder: class folders, label files and lists of splits, weighed against one another.

Two sources that label the same images confirm each other, share a vocabulary and contradict each other, or name
different things. What is confirmed is sure. Class folders win over a file that contradicts them in their own names, as
noisy labels do. Of what remains open, nothing is taken without the user's choice.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

from models.messages import Message, sentences
from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError
from visionft.files import is_file
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.formats.class_names import are_ids, class_names_for, name_of
from visionft.project.formats.image_index import ImageIndex
from visionft.project.formats.listing import AUTOMATIC, Interpretation, LabelChoice, Listing, ReadOptions
from visionft.project.formats.locating import data_folder
from visionft.project.formats.registry import FORMATS, format_of
from visionft.project.formats.split_names import is_train_and_val
from visionft.project.formats.whole_files import unsupported_tool
from visionft.project.importing.chosen_labels import chosen_listing
from visionft.project.importing.label_sources import LabelReader, Labels, LabelSource, source_of
from visionft.project.importing.name_reading import patterns_in
from visionft.project.importing.proposal import ListingBuilder, Proposal, evidence_of
from visionft.project.importing.readings import LEAST_CONFIDENCE, Reading
from visionft.project.importing.relations import EQUAL, Relation, name_key_of
from visionft.project.importing.survey import Survey, is_image, survey_folder
from visionft.project.importing.tree_reading import OPEN, PLAUSIBLE, SURE, UNLIKELY, TreePlan, listing_of, plan_of

_FEW = 0.02  # share of their images that sources of different images have in common
_MINOR = 0.1  # share of the labels of the largest source that one needs to be the best
_ELSEWHERE = 0.2  # share of labels of other images that a rival has
_SHARED = 0.5  # share of the classes of sources with one vocabulary
_COMPLETE = 0.9  # share of the images in class folders that are the labels of a data set
_CONFIRMED, _OVERRULING = 0.99, 0.9  # confidence
_OF_OTHER_COLUMN = 0.35  # confidence
_MOST_READINGS, _MOST_COLUMNS = 5, 3


def read_folder(
    source: Path, only: str = "auto", *, options: ReadOptions, known_classes: Collection[str] = (),
    job: JobContext = SILENT,
) -> tuple[Reading, ...]:  # fmt: skip
    """Return the readings of a folder, most plausible first; the last one is of images without labels.

    `only` is the format of the label files, "folders" for class folders alone, or "auto". A lone folder is a class
    where `known_classes` has its name. A `ProjectError` where label files cannot be read and there are no others.
    """
    survey = survey_folder(source, job=job)
    if options.choice.class_folder or options.choice.name_part is not None:
        return _chosen(survey, options.choice)
    plans = _distinct(plan_of(survey, level, known_classes) for level in ("best", "outer", "inner"))
    reader = LabelReader(survey, options, only)
    sources, errors = ([], []) if only == "folders" else reader.read()
    takes_folders = only in ("auto", "folders") and not options.choice.is_unlabelled
    is_chosen = options.choice != AUTOMATIC or only not in ("auto", "folders")
    trees = [plan for plan in plans if plan.labels] if takes_folders else []
    proposals = _proposals(survey, trees, _merged([each for each in sources if each.labels]))
    if takes_folders and options.choice == AUTOMATIC:
        of_names = [_confirmed(each, reader, sources) for each in _of_names(survey, plans[0], proposals)]
        if any(each.confidence >= OPEN for each in of_names):  # rather than the classes of parts of the images
            proposals = [replace(each, confidence=min(each.confidence, OPEN)) for each in proposals]
        proposals = [*map(_named, proposals[:1]), *proposals[1:], *of_names]
    others = [] if options.choice != AUTOMATIC else list(_other_columns(reader, sources, proposals))
    proposals += [Proposal(source=each, confidence=min(each.confidence, _OF_OTHER_COLUMN)) for each in others]
    proposals.sort(key=lambda each: -each.confidence)
    if is_chosen:
        proposals = sorted((each for each in proposals if each.source), key=lambda each: each.plan is not None)
        proposals = [replace(each, confidence=SURE, plan=None, wins="source") for each in proposals[:1]]
    if only != "folders" and not proposals:
        _require_related(survey, sources, errors, only)
    is_open = all(each.source in others for each in proposals)
    foreign = "" if proposals else unsupported_tool(source)
    builder = ListingBuilder(survey, plans[0], sources if is_open else [], _splits_of_lists(sources), foreign)
    return (*(builder.reading(each) for each in proposals[:_MOST_READINGS]), builder.without_labels())


def read_label_file(listing: Listing, with_label: Callable[[str], Listing] | None) -> tuple[Reading, ...]:
    """Return the readings of a label file that was named; `with_label` reads it with another column of labels.

    A `ProjectError` where none of its images is there.
    """
    if not listing.interpretations:  # no row of it could be read
        evidence = evidence_of(listing, len(listing.files), None)
        return (Reading(title=Message("Images without labels"), listing=listing, evidence=evidence, confidence=SURE),)
    source = source_of(listing)
    if listing.files and not any(each.sha256 or is_file(each.path) for each in listing.files):
        raise _unrelated(source, ImageIndex(data_folder(source.file)))
    found = [source]
    is_unsure = with_label is not None and source.is_unsure_of_column
    if with_label and is_unsure:
        found += [source_of(with_label(column)) for column in source.alternatives[:_MOST_COLUMNS]]
    readings: list[Reading] = []
    for each in found:
        evidence = evidence_of(each.listing, len(each.listing.files), each)
        confidence = OPEN if is_unsure else SURE
        title, confidence = Proposal(source=each, confidence=1).title, confidence if each is source else UNLIKELY
        readings.append(Reading(title=title, listing=each.listing, evidence=evidence, confidence=confidence))
    if not readings[0].evidence.labelled:
        return (readings[0],) if len(found) == 1 else (*readings[1:], readings[0])
    files = tuple(replace(each, labels=()) for each in listing.files)
    without = replace(listing, files=files, classes=(), interpretations=())
    evidence, title = evidence_of(without, len(files), None), Message("Images without labels")
    return (*readings, Reading(title=title, listing=without, evidence=evidence, confidence=0))


def _chosen(survey: Survey, choice: LabelChoice) -> tuple[Reading, ...]:
    """Return the reading of the folders or parts of names that the user chose, and that without labels."""
    title = Message("Class folders of level {level}", level=choice.class_folder)
    if not choice.class_folder:
        title = Message("Part {number} of the names of the files", number=choice.name_part)
    listing = chosen_listing(survey, choice)
    reading = Reading(title=title, listing=listing, evidence=evidence_of(listing, survey.root.count, None),
                      confidence=SURE)  # fmt: skip
    return reading, ListingBuilder(survey, plan_of(survey, "best"), [], {}).without_labels()


def _distinct(plans: Iterable[TreePlan]) -> list[TreePlan]:
    """Return the first plan, and the others with labels, each once."""
    found: list[TreePlan] = []
    for plan in plans:
        if not found or (plan.labels and not any(plan.labels == other.labels for other in found)):
            found.append(plan)
    return found


def _merged(sources: Sequence[LabelSource]) -> list[LabelSource]:
    """Return the sources, best first, those joined that agree, or label different images in the same way."""
    merged: list[LabelSource] = []
    most = max((len(each.labels) for each in sources), default=0)
    for source in sorted(sources, key=lambda each: (len(each.labels) >= _MINOR * most, *_rank(each)), reverse=True):
        for place, other in enumerate(merged):
            relation = Relation.of(other.labels, source.labels)
            is_alike = source.kind == other.kind or relation.shared >= _SHARED
            fits = relation.equal >= EQUAL if relation.common else is_alike
            if fits and source.is_submission == other.is_submission:
                merged[place] = other.joined(source)
                break
        else:
            merged.append(source)
    return merged


def _rank(source: LabelSource) -> tuple[bool, bool, bool, bool, bool, int]:
    """Return the sort key of a source of labels: plausible, of whole images, called labels, words, one split, many."""
    are_words = not _are_ids(source.classes)
    is_plausible = source.confidence >= LEAST_CONFIDENCE
    has_one_split = not is_train_and_val(source.file.stem)
    return (is_plausible, not source.is_from_marks, source.is_called_label, are_words, has_one_split,
            len(source.labels))  # fmt: skip


def _proposals(survey: Survey, trees: Sequence[TreePlan], sources: Sequence[LabelSource]) -> list[Proposal]:
    """Return the proposals, most plausible first."""
    of_trees = [Proposal(plan=each, confidence=each.confidence if not place else UNLIKELY, wins="folders")
                for place, each in enumerate(trees)]  # fmt: skip
    of_files = [Proposal(source=each, confidence=min(each.confidence, UNLIKELY)) for each in sources]
    found = [*of_trees, *of_files]
    if of_files:
        of_files[0] = _against_rivals(sources)
        found = [*of_files, *of_trees]
    if of_files and of_trees:
        labels = {
            str(each.path): each.labels for each in listing_of(survey, trees[0]).files if each.labels if is_image(each)
        }
        found = [*_weighed(survey, trees[0], labels, of_files[0]), *of_trees[1:], *of_files[1:]]
    return sorted(found, key=lambda each: -each.confidence)


def _of_names(survey: Survey, plan: TreePlan, proposals: Sequence[Proposal]) -> Iterator[Proposal]:
    """Yield proposals of classes in the file names, where nothing else surely gives them."""
    if any(
        each.confidence >= LEAST_CONFIDENCE and not (each.source and each.source.is_from_marks) for each in proposals
    ):
        return
    files = [each for each in listing_of(survey, plan).files if is_image(each)]
    known = [each.path for each in files if each.split != "test"]  # those of the test may have no class in their names
    for pattern in list(patterns_in([each.path for each in files])) or patterns_in(known):
        named = tuple(
            replace(each, labels=(pattern.labels[each.path],), split=None)
            for each in files
            if each.path in pattern.labels
        )
        title = Message("the names of the files: the words before the number")
        if pattern.place < 0:
            title = Message("the names of the files: the words after the number")
        if pattern.place > 0:
            title = Message("the names of the files: part {place}", place=pattern.place)
        listing = Listing(named, interpretations=(Interpretation(file=survey.source),))
        source = LabelSource(
            listing=listing, of_names=title, labels={str(each.path): each.labels for each in named}, named=len(named),
            found=len(named),
        )  # fmt: skip
        confidence = OPEN if pattern.place <= 0 else UNLIKELY + 0.1  # never taken without the user's choice
        yield Proposal(source=source, confidence=confidence)


def _confirmed(proposal: Proposal, reader: LabelReader, sources: Sequence[LabelSource]) -> Proposal:
    """Return a proposal of words in the file names, sure where a column of a label file numbers the same classes."""
    names = proposal.source
    assert names is not None
    for table in sources if proposal.confidence >= OPEN else ():
        for column in table.alternatives[:_MOST_COLUMNS] if not table.labels else ():
            found = reader.with_label(table, column)
            relation = Relation.of(names.labels, found.labels) if found is not None else None
            if relation is not None and relation.names and relation.common >= _COMPLETE * len(names.labels):
                second = printable(table.file.name)
                return replace(proposal, confidence=SURE, agreement=relation.confirmed, second=second)
    return proposal


def _named(proposal: Proposal) -> Proposal:
    """Return a proposal of a label file, its ids of classes called by words in the file names, one for each id."""
    source = proposal.source
    if source is None or proposal.plan or proposal.names or not _are_ids(source.classes):
        return proposal
    for pattern in patterns_in([Path(path) for path in source.labels]):
        words = {str(path): (word,) for path, word in pattern.labels.items()}
        relation = Relation.of(source.labels, words)
        is_whole = relation.common == len(source.labels) and relation.names.keys() == source.classes.keys()
        if pattern.place <= 0 and is_whole and relation.confirmed == 1:
            return replace(proposal, names=relation.names)
    return proposal


def _other_columns(
    reader: LabelReader, sources: Sequence[LabelSource], proposals: Sequence[Proposal]
) -> Iterator[LabelSource]:
    """Yield the first table, or those without labels, with further columns that may give the class.

    Tables of the same columns are read as one.
    """
    best = next((each.source for each in proposals if each.source and not each.source.of_names), None)
    is_open = all(each.confidence < LEAST_CONFIDENCE for each in proposals)
    tables = [best] if best else [each for each in sources if not each.labels] if is_open else []
    alike: defaultdict[tuple[str, ...], list[LabelSource]] = defaultdict(list)
    for table in tables:
        first = table.listing.interpretations[0]
        alike[first.columns if len(first.label_columns) < 2 else ()].append(table)
    for columns, group in alike.items():
        for column in group[0].alternatives[:_MOST_COLUMNS] if columns else ():
            found = [each for table in group if (each := reader.with_label(table, column)) and each.labels]
            if found:
                yield reduce(LabelSource.joined, found)


def _splits_of_lists(sources: Sequence[LabelSource]) -> dict[str, Split]:
    """Return the split of each image in lists without labels, such as `train.txt`; none for images in two of them.

    One of images to train and to validate with, such as `trainval.txt`, counts where no other list has the image.
    """
    found: dict[str, Split] = {}
    several: set[str] = set()
    for source in sorted(sources, key=lambda each: is_train_and_val(each.file.stem)):
        for path, split in source.splits.items():
            is_other = found.setdefault(path, split) != split and not is_train_and_val(source.file.stem)
            several |= {path} if is_other else set()
    return {path: split for path, split in found.items() if path not in several}


def _against_rivals(sources: Sequence[LabelSource]) -> Proposal:
    """Return the proposal of the best source: open where another labels the same images as well, and differently."""
    best, confidence, names = sources[0], sources[0].confidence, dict[str, str]()
    for other in (each for each in sources[1:] if each.confidence >= LEAST_CONFIDENCE):
        relation = Relation.of(best.labels, other.labels)
        if relation.names and _are_ids(best.classes) and not _are_ids(other.classes):
            names = dict(relation.names)
        is_rival = relation.common >= len(best.labels) / 2 and _rank(best)[:4] == _rank(other)[:4]
        is_elsewhere = not relation.common and len(other.labels) >= _ELSEWHERE * len(best.labels)
        if not relation.names and (is_rival or is_elsewhere):
            confidence = min(confidence, OPEN)
    return Proposal(source=best, confidence=confidence, names=names)


def _are_ids(names: Collection[str]) -> bool:
    """Return whether names of classes are numbers, or words with a number such as `n02085620`."""
    return all(re.fullmatch(r"[a-zA-Z]?\d+", name) for name in names)


def _weighed(survey: Survey, plan: TreePlan, labels: Labels, of_file: Proposal) -> list[Proposal]:
    """Return the proposals of class folders and the best label file: each alone, or joined."""
    source = of_file.source
    assert source is not None
    of_folders = Proposal(plan=plan, confidence=plan.confidence, wins="folders")
    relation = Relation.of(labels, source.labels)
    less_plausible = replace(of_file, confidence=min(of_file.confidence, UNLIKELY))
    joined = Proposal(plan=plan, source=source, confidence=OPEN, wins="folders", agreement=relation.equal)
    if source.confidence < LEAST_CONFIDENCE <= plan.confidence:
        return [of_folders, less_plausible]
    if relation.common <= _FEW * max(len(labels), len(source.labels)):
        names = _names_of_ids(survey, plan, source) if relation.shared < _SHARED else {}
        is_alike = bool(names) or relation.shared >= _SHARED
        confidence = min(plan.confidence, source.confidence, SURE if is_alike else OPEN)
        joined = replace(joined, confidence=confidence, agreement=None, names=names)
        if plan.confidence < LEAST_CONFIDENCE:
            return [of_file, replace(joined, confidence=UNLIKELY), of_folders]
        return [joined, less_plausible, replace(of_folders, confidence=UNLIKELY)]
    if relation.equal >= EQUAL or relation.names:
        takes_names = _are_ids(plan.classes) and not _are_ids(source.classes)
        names = relation.names if takes_names else {other: one for one, other in relation.names.items()}
        agreement = relation.equal if relation.equal >= EQUAL else None
        return [replace(joined, confidence=_CONFIRMED, names=names, agreement=agreement,
                        wins="source" if takes_names else "folders")]  # fmt: skip
    if plan.confidence < LEAST_CONFIDENCE:
        return [of_file, of_folders]
    second = printable(source.listing.interpretations[0].file.name)
    of_folders = replace(of_folders, agreement=relation.equal, second=second)
    if source.is_of_tool and not source.is_from_marks:
        return [replace(of_file, confidence=PLAUSIBLE), replace(of_folders, confidence=UNLIKELY)]
    if relation.shared >= _SHARED:
        return [replace(of_folders, confidence=_OVERRULING), less_plausible]
    if len(labels) < _COMPLETE * survey.root.count:
        return [of_file, replace(of_folders, confidence=UNLIKELY)]
    if source.is_from_marks or len(source.labels) < len(labels) / 2:
        return [of_folders, less_plausible]
    if relation.unites and relation.common >= 2 * len(plan.classes):  # else by chance
        return [replace(of_folders, confidence=PLAUSIBLE), less_plausible]
    return [
        replace(of_file, confidence=PLAUSIBLE if source.is_called_label or relation.divides else OPEN),
        replace(of_folders, confidence=OPEN),
    ]


def _names_of_ids(survey: Survey, plan: TreePlan, source: LabelSource) -> dict[str, str]:
    """Return {class folder: name} for folders called by the ids of classes, if a label file has these names."""
    folders = list(
        dict.fromkeys((survey.source, *(file.parent for file in source.read_files), source.file.parent.parent))
    )
    folders = [folder for folder in folders if folder.is_relative_to(survey.source)]
    found = class_names_for(plan.classes, folders, without=set()) if are_ids(plan.classes) else None
    names = {each: name_of(each, found[0]) for each in plan.classes} if found else {}
    shared = set(map(name_key_of, names.values())) & set(map(name_key_of, source.classes))
    return names if len(shared) >= _SHARED * len(source.classes) else {}


def _require_related(survey: Survey, sources: Sequence[LabelSource], errors: Sequence[ProjectError], only: str) -> None:
    """Raise the `ProjectError` of label files that cannot be read, or name no image of the folder."""
    if errors:
        raise errors[0]
    if only != "auto" and not sources:
        message = Message("{folder} holds no labels as {format}.", folder=survey.source, format=FORMATS[only].title)
        raise ProjectError(message, "Name the file itself.")
    unrelated = [each for each in sources if not each.found]
    if unrelated and len(unrelated) == len(sources) and survey.root.count:
        images = (each.path for each in survey.files() if is_image(each))
        raise _unrelated(unrelated[0], ImageIndex(survey.source, images))


def _unrelated(source: LabelSource, index: ImageIndex) -> ProjectError:
    """Return the error for a label file that names other images than those of the folder of an index."""
    file, found = source.file, format_of(source.file) if source.file.is_file() else None
    if source.ambiguous:
        values = {"file": printable(file.name), "folder": index.root}
        message = Message("The names in {file} are each those of several images of {folder}.", **values)
        first = source.listing.unreadable[0]
        values = {"path": first.path, "reason": first.reason}
        hint = Message("{path}: {reason}. Name their folders there, or import one folder.", **values)
        return ProjectError(message, hint, NextStep("import_unlabelled", path=index.root))
    message = Message(
        "None of the images that {file} ({format}) names is in {folder}.", file=printable(file.name),
        format=found.title if found else source.listing.interpretations[0].format, folder=index.root,
    )  # fmt: skip
    hint = Message("")
    for entry in source.listing.files[:1]:
        nearest = index.nearest(entry.name)
        values = {"name": printable(entry.name), "nearest": printable(nearest)}
        hint = Message("The first is called {name}.", **values)
        if nearest:
            hint = Message("The first is called {name}; the nearest image there is {nearest}.", **values)
    step = NextStep("import_unlabelled", path=index.root)
    return ProjectError(
        message, sentences(hint, Message("Put them there, or import what is there without labels.")), step
    )
