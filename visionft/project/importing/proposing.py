"""The readings of a folder: class folders, label files and lists of splits, weighed against one another.

Two sources that label the same images confirm each other, share a vocabulary and contradict each other, or name
different things. What is confirmed is sure. Class folders win over a file that contradicts them in their own names, as
noisy labels do. Of what remains open, nothing is taken without the user's choice.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.messages import Message, listed, sentences
from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.formats.image_index import ImageIndex
from visionft.project.formats.listing import AUTOMATIC, Listing, ReadOptions, SourceFile
from visionft.project.formats.registry import FORMATS, format_of
from visionft.project.formats.whole_files import unsupported_tool
from visionft.project.importing.label_sources import LabelReader, Labels, LabelSource, unread_files
from visionft.project.importing.readings import LEAST_CONFIDENCE, Evidence, Reading
from visionft.project.importing.survey import Survey, is_image, survey_folder
from visionft.project.importing.tree_reading import OPEN, PLAUSIBLE, SURE, UNLIKELY, TreePlan, listing_of, plan_of

_EQUAL = 0.98  # share of equal labels of sources that confirm each other
_FEW = 0.02  # share of their images that sources of different images have in common
_SHARED = 0.5  # share of the classes of sources with one vocabulary
_COMPLETE = 0.9  # share of the images in class folders that are the labels of a data set
_CONFIRMED, _OVERRULING = 0.99, 0.9  # confidence
_OF_OTHER_COLUMN = 0.35  # confidence
_MOST_READINGS, _MOST_COLUMNS = 5, 3
_SIGNS = re.compile(r"[\W_\d]+")
_LABEL_TITLE = re.compile(
    r"(?i)label|class|categor|target|species|breed|diagnos|ground.?truth|variety|klasse|kategorie"
)


@dataclass(frozen=True, kw_only=True)
class _Proposal:
    """Labels of class folders, of label files, or of both: the one that wins first, the other for further images."""

    confidence: float
    plan: TreePlan | None = None  # of class folders
    source: LabelSource | None = None
    wins: str = "source"  # or "folders"
    names: Mapping[str, str] = field(default_factory=dict[str, str])  # {class: the other source's name for it}
    agreement: float | None = None

    @property
    def title(self) -> Message:
        """The sources, with the first classes of folders."""
        folders = list(dict.fromkeys(self.plan.labels.values())) if self.plan else []
        if self.plan and self.source:
            return Message("Class folders and {files}", files=self.source.title)
        if self.source:
            return Message("Labels of {file}", file=self.source.title)
        return Message("Class folders: {names}", names=listed(list(map(printable, folders)), 3))


def read_folder(
    source: Path, only: str = "auto", *, options: ReadOptions, known_classes: Collection[str] = (),
    job: JobContext = SILENT,
) -> tuple[Reading, ...]:  # fmt: skip
    """Return the readings of a folder, most plausible first; the last one is of images without labels.

    `only` is the format of the label files, "folders" for class folders alone, or "auto". A lone folder is a class
    where `known_classes` has its name. A `ProjectError` where label files cannot be read and there are no others.
    """
    survey = survey_folder(source, job=job)
    plans = _distinct(plan_of(survey, level, known_classes) for level in ("best", "outer", "inner"))
    reader = LabelReader(survey, options, only)
    sources, errors = ([], []) if only == "folders" else reader.read()
    takes_folders = only in ("auto", "folders") and not options.choice.is_unlabelled
    is_chosen = options.choice != AUTOMATIC or only not in ("auto", "folders")
    trees = [plan for plan in plans if plan.labels] if takes_folders else []
    proposals = _proposals(survey, trees, _merged([each for each in sources if each.labels]))
    others = [] if options.choice != AUTOMATIC else list(_other_columns(reader, sources, proposals))
    proposals += [_Proposal(source=each, confidence=min(each.confidence, _OF_OTHER_COLUMN)) for each in others]
    proposals.sort(key=lambda each: -each.confidence)
    if is_chosen:
        proposals = sorted((each for each in proposals if each.source), key=lambda each: each.plan is not None)
        proposals = [replace(each, confidence=SURE, plan=None, wins="source") for each in proposals[:1]]
    if only != "folders" and not proposals:
        _require_related(survey, sources, errors, only)
    is_open = all(each.source in others for each in proposals)
    builder = _Builder(survey, plans[0], sources if is_open else [], _splits_of_lists(sources))
    return (*(builder.reading(each) for each in proposals[:_MOST_READINGS]), builder.without_labels())


def _distinct(plans: Iterable[TreePlan]) -> list[TreePlan]:
    """Return the first plan, and the others with labels, each once."""
    found: list[TreePlan] = []
    for plan in plans:
        if not found or (plan.labels and not any(plan.labels == other.labels for other in found)):
            found.append(plan)
    return found


@dataclass(frozen=True, slots=True)
class _Relation:
    """Two sources of labels, compared on the images that both label."""

    common: int  # images
    equal: float  # share of them with equal labels, but for case, signs and numbers
    shared: float  # share of the classes of the smaller vocabulary in both
    names: Mapping[str, str]  # {class of the first: that of the second}, one to one; empty if there is none
    divides: bool  # each class of the second lies in one class of the first
    unites: bool  # each class of the first lies in one class of the second

    @classmethod
    def of(cls, first: Labels, second: Labels) -> "_Relation":
        """Compare two sources."""
        both = first.keys() & second.keys() if len(first) > len(second) else second.keys() & first.keys()
        pairs = Counter((first[path], second[path]) for path in both)
        equal = sum(count for (one, other), count in pairs.items() if set(map(_key, one)) == set(map(_key, other)))
        ones, others = ({_key(name) for each in side.values() for name in each} for side in (first, second))
        shared = len(ones & others) / max(1, min(len(ones), len(others)))
        common = sum(pairs.values())
        to, back = _main_partners(pairs, common), _main_partners({(b, a): n for (a, b), n in pairs.items()}, common)
        is_one_to_one = bool(to and back) and len(set(to.values())) == len(to) > 1 and common >= 2 * len(to)
        names = {a[0]: b[0] for a, b in to.items() if len(a) == len(b) == 1} if is_one_to_one and not shared else {}
        return cls(common, equal / max(1, common), shared, names, bool(back), bool(to))


def _key(name: str) -> str:
    return _SIGNS.sub("", name.casefold()) or name.casefold()


def _main_partners(
    pairs: Mapping[tuple[tuple[str, ...], tuple[str, ...]], int], common: int
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the one partner of each label where nearly all images agree with it; empty where they do not."""
    partners: defaultdict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for (one, other), count in pairs.items():
        partners[one][other] += count
    main = {one: counts.most_common(1)[0] for one, counts in partners.items()}
    agreeing = sum(count for _, count in main.values())
    return {one: other for one, (other, _) in main.items()} if common and agreeing >= _EQUAL * common else {}


def _merged(sources: Sequence[LabelSource]) -> list[LabelSource]:
    """Return the sources, best first, those joined that agree, or label different images in the same way."""
    merged: list[LabelSource] = []
    for source in sorted(sources, key=_rank, reverse=True):
        for place, other in enumerate(merged):
            relation = _Relation.of(other.labels, source.labels)
            is_alike = source.kind == other.kind or relation.shared >= _SHARED
            fits = relation.equal >= _EQUAL if relation.common else is_alike
            if fits and source.is_submission == other.is_submission:
                merged[place] = other.joined(source)
                break
        else:
            merged.append(source)
    return merged


def _rank(source: LabelSource) -> tuple[bool, bool, bool, int]:
    """Return the sort key of a source of labels: plausible, of whole images, called labels, many."""
    titles = [title for each in source.listing.interpretations for title in each.label_columns]
    is_called_so = any(each.format for each in source.listing.interpretations) or any(map(_LABEL_TITLE.search, titles))
    return source.confidence >= LEAST_CONFIDENCE, not source.is_from_marks, is_called_so, len(source.labels)


def _proposals(survey: Survey, trees: Sequence[TreePlan], sources: Sequence[LabelSource]) -> list[_Proposal]:
    """Return the proposals, most plausible first."""
    of_trees = [_Proposal(plan=each, confidence=each.confidence if not place else UNLIKELY, wins="folders")
                for place, each in enumerate(trees)]  # fmt: skip
    of_files = [_Proposal(source=each, confidence=min(each.confidence, UNLIKELY)) for each in sources]
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


def _other_columns(
    reader: LabelReader, sources: Sequence[LabelSource], proposals: Sequence[_Proposal]
) -> Iterator[LabelSource]:
    """Yield the first table, or those without labels, with further columns that may give the class."""
    best = proposals[0].source if proposals else None
    tables = [best] if best else [each for each in sources if not each.labels] if not proposals else []
    for table in tables:
        for column in table.alternatives[:_MOST_COLUMNS]:
            found = reader.with_label(table, column)
            if found is not None and found.labels:
                yield found


def _splits_of_lists(sources: Sequence[LabelSource]) -> dict[str, Split]:
    """Return the split of each image in lists without labels, such as `train.txt`; none for images in two of them."""
    found: dict[str, Split] = {}
    several: set[str] = set()
    for source in sources:
        for path, (split,) in source.splits.items():
            several |= {path} if found.setdefault(path, split) != split else set()
    return {path: split for path, split in found.items() if path not in several}


def _against_rivals(sources: Sequence[LabelSource]) -> _Proposal:
    """Return the proposal of the best source: open where another labels the same images as well, and differently."""
    best, confidence, names = sources[0], sources[0].confidence, {}
    for other in sources[1:]:
        relation = _Relation.of(best.labels, other.labels)
        if relation.names and _are_ids(best.classes) and not _are_ids(other.classes):
            names = relation.names
        is_rival = relation.common >= len(best.labels) / 2 and _rank(best)[:3] == _rank(other)[:3]
        is_elsewhere = not relation.common and len(other.labels) >= len(best.labels)
        if not relation.names and (is_rival or is_elsewhere):
            confidence = min(confidence, OPEN)
    return _Proposal(source=best, confidence=confidence, names=names)


def _are_ids(names: Collection[str]) -> bool:
    """Return whether names of classes are numbers, or words with a number such as `n02085620`."""
    return all(re.fullmatch(r"[a-zA-Z]?\d+", name) for name in names)


def _weighed(survey: Survey, plan: TreePlan, labels: Labels, of_file: _Proposal) -> list[_Proposal]:
    """Return the proposals of class folders and the best label file: each alone, or joined."""
    source = of_file.source
    assert source is not None
    of_folders = _Proposal(plan=plan, confidence=plan.confidence, wins="folders")
    relation = _Relation.of(labels, source.labels)
    less_plausible = replace(of_file, confidence=min(of_file.confidence, UNLIKELY))
    joined = _Proposal(plan=plan, source=source, confidence=OPEN, wins="folders", agreement=relation.equal)
    if relation.common <= _FEW * max(len(labels), len(source.labels)):
        confidence = min(plan.confidence, source.confidence, SURE if relation.shared >= _SHARED else OPEN)
        joined = replace(joined, confidence=confidence, agreement=None)
        return [joined, of_file if confidence < PLAUSIBLE else less_plausible, of_folders]
    if relation.equal >= _EQUAL or relation.names:
        takes_names = _are_ids(plan.classes) and not _are_ids(source.classes)
        names = relation.names if takes_names else {other: one for one, other in relation.names.items()}
        agreement = relation.equal if relation.equal >= _EQUAL else None
        return [replace(joined, confidence=_CONFIRMED, names=names, agreement=agreement,
                        wins="source" if takes_names else "folders")]  # fmt: skip
    if plan.confidence < LEAST_CONFIDENCE:
        return [of_file, of_folders]
    of_folders = replace(of_folders, agreement=relation.equal)
    if source.is_of_tool and not source.is_from_marks:
        return [replace(of_file, confidence=PLAUSIBLE), replace(of_folders, confidence=UNLIKELY)]
    if relation.shared >= _SHARED or source.confidence < LEAST_CONFIDENCE:
        return [replace(of_folders, confidence=_OVERRULING), less_plausible]
    if len(labels) < _COMPLETE * survey.root.count:
        return [of_file, replace(of_folders, confidence=UNLIKELY)]
    if source.is_from_marks or len(source.labels) < len(labels) / 2:
        return [of_folders, less_plausible]
    if relation.unites:
        return [replace(of_folders, confidence=PLAUSIBLE), less_plausible]
    is_called_so = _rank(source)[2]
    return [
        replace(of_file, confidence=PLAUSIBLE if is_called_so or relation.divides else OPEN),
        replace(of_folders, confidence=OPEN),
    ]


def _require_related(survey: Survey, sources: Sequence[LabelSource], errors: Sequence[ProjectError], only: str) -> None:
    """Raise the `ProjectError` of label files that cannot be read, or name no image of the folder."""
    if errors:
        raise errors[0]
    if only != "auto" and not sources:
        message = Message("{folder} holds no labels as {format}.", folder=survey.source, format=FORMATS[only].title)
        raise ProjectError(message, "Name the file itself.")
    unrelated = [each for each in sources if not each.found]
    if unrelated and len(unrelated) == len(sources) and survey.root.count:
        raise _unrelated(unrelated[0], survey)


def _unrelated(source: LabelSource, survey: Survey) -> ProjectError:
    """Return the error for a label file that names other images than those of the folder."""
    file, found = source.file, format_of(source.file) if source.file.is_file() else None
    message = Message(
        "None of the images that {file} ({format}) names is in {folder}.", file=printable(file.name),
        format=found.title if found else source.listing.interpretations[0].format, folder=survey.source,
    )  # fmt: skip
    hint = Message("")
    for entry in source.listing.files[:1]:
        index = ImageIndex(survey.source, (each.path for each in survey.files() if is_image(each)))
        nearest = index.nearest(entry.name)
        values = {"name": printable(entry.name), "nearest": printable(nearest)}
        hint = Message("The first is called {name}.", **values)
        if nearest:
            hint = Message("The first is called {name}; the nearest image there is {nearest}.", **values)
    step = NextStep("import_unlabelled", path=survey.source)
    return ProjectError(
        message, sentences(hint, Message("Put them there, or import what is there without labels.")), step
    )


@dataclass(frozen=True)
class _Builder:
    """Lists the files of a folder as a proposal labels them."""

    survey: Survey
    plan: TreePlan  # of the splits
    open: Sequence[LabelSource]  # label files without labels that can be taken as they are
    lists: Mapping[str, Split]  # {path of an image: its split in the lists of splits}

    def reading(self, proposal: _Proposal) -> Reading:
        """Return a proposal as a reading."""
        listing = self._with_lists(self._listing(proposal))
        source = proposal.source
        labelled = [each for each in listing.files if each.labels and is_image(each)]
        evidence = Evidence(
            images=self.survey.root.count, labelled=len(labelled),
            classes=len({name for each in labelled for name in each.labels}), names=source.named if source else 0,
            found=source.found if source else 0, ambiguous=source.ambiguous if source else 0,
            agreement=proposal.agreement, is_submission=source is not None and source.is_submission,
        )  # fmt: skip
        return Reading(title=proposal.title, listing=listing, evidence=evidence, confidence=proposal.confidence)

    def without_labels(self) -> Reading:
        """Return the reading of all images without labels; the user has to decide about what is open there."""
        listing = self._with_lists(listing_of(self.survey, replace(self.plan, labels={}, looks=())))
        entries = [each for source in self.open for each in source.listing.interpretations]
        read = {file for source in self.open for file in source.read_files}
        listing = replace(listing, files=tuple(each for each in listing.files if each.path not in read))
        is_open = [each for each in entries if each.has_only_marks or each.lacks_labels or each.is_unlabelled_by_choice]
        foreign = unsupported_tool(self.survey.source)
        around = replace(listing.interpretations[0], foreign=foreign, unread=self._unread(()))
        listing = replace(listing, interpretations=(*is_open, around))
        evidence = Evidence(images=self.survey.root.count, labelled=0, classes=0)
        return Reading(title=Message("Images without labels"), listing=listing, evidence=evidence, confidence=0)

    def _with_lists(self, listing: Listing) -> Listing:
        """Return a listing with the splits of lists, for images without any."""
        if not self.lists:
            return listing
        files = (each if each.split else replace(each, split=self.lists.get(str(each.path))) for each in listing.files)
        return replace(listing, files=tuple(files))

    def _unread(self, read: Sequence[LabelSource]) -> tuple[str, ...]:
        files = unread_files(self.survey, read)
        return tuple(printable(file.relative_to(self.survey.source).as_posix()) for file in files)

    def _listing(self, proposal: _Proposal) -> Listing:
        """Return the entries of the label file first, then all other files of the folder."""
        plan = replace(self.plan, labels={}) if proposal.plan is None else proposal.plan
        tree = listing_of(self.survey, plan)
        source = proposal.source
        if source is None:
            *first, last = tree.interpretations
            return replace(tree, interpretations=(*first, replace(last, unread=self._unread(()))))
        placed = {str(each.path): each for each in tree.files}
        names, splits = proposal.names, self._splits(source, placed)
        entries: dict[str, SourceFile] = {}
        for entry in source.listing.files:
            place = placed.get(path := str(entry.path))
            labels, others = entry.labels, place.labels if place else ()
            if proposal.wins == "folders":
                labels, others = others, labels
            labels = tuple(names.get(name, name) for name in labels or others)
            entries[path] = replace(entry, labels=labels, split=splits.get(path))
        read = set(map(str, source.read_files))
        rest = (each for path, each in placed.items() if path not in entries and path not in read)
        named = proposal.names if proposal.wins == "source" else {}
        others = (replace(each, labels=tuple(named.get(name, name) for name in each.labels)) for each in rest)
        *_, around = tree.interpretations
        return Listing(
            files=(*entries.values(), *others), skipped=tree.skipped,
            unreadable=(*source.listing.unreadable, *tree.unreadable), classes=source.listing.classes or tree.classes,
            interpretations=(*source.listing.interpretations, replace(around, unread=self._unread((source,)))),
        )  # fmt: skip

    @staticmethod
    def _splits(source: LabelSource, placed: Mapping[str, SourceFile]) -> dict[str, Split]:
        """Return the splits: of the label file, of its name, or of the folder where the file tells none."""
        found: dict[str, Split] = {}
        has_splits = any(each.split_column for each in source.listing.interpretations)
        has_splits = has_splits or any(each.split for each in source.listing.files)
        for entry in source.listing.files:
            path = str(entry.path)
            place = placed.get(path)
            split = entry.split or (place.split if place and not has_splits else None)
            if split:
                found[path] = split
        return found
