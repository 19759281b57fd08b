"""What the label page asks of a project: which pictures, what to show of them, and which key means which class."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from gui.kit.class_looks import class_colours
from gui.kit.i18n import tr
from gui.kit.theme import ClassColour
from gui.label.cell import CandidateBadge, Cell, SuggestionBadge
from gui.label.class_panel import ClassEntry
from gui.label.filter_bar import (
    BY_CLASS,
    BY_NAME,
    IN_CONFLICT,
    LABELLED,
    MOST_USEFUL,
    NEWEST_FIRST,
    PUT_OFF,
    SURE_FIRST,
    UNLABELLED,
    UNSURE_FIRST,
    ImageQuery,
)
from visionft.project.queries import (
    ClassRow,
    ImageFilter,
    ImageRow,
    class_order,
    find_images,
    image_rows,
    name_order,
)
from visionft.project.store import Project
from visionft.suggest.feature_suggester import Reason
from visionft.suggest.suggestions import Suggestion

_ALL = 1 << 60
_NAMED = 3  # pictures that are named as reasons
Suggestions = Mapping[int, Suggestion]


class Suggested(Protocol):
    """What is asked of suggestions to find pictures by them."""

    def called(self, class_name: str) -> AbstractSet[int]:
        """Return the pictures for which this class is suggested."""
        ...

    def uncertainties(self) -> Mapping[int, float]:
        """Return {image id: how undecided its suggestion is}."""
        ...

    @property
    def queue(self) -> Sequence[int]:
        """The pictures that are the most useful to label next, the first one ahead."""
        ...


class PictureFinder:
    """Finds pictures of one project; keeps the order by name, which is costly to read, until pictures come or go."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._by_name: tuple[int, ...] | None = None

    def forget_names(self) -> None:
        """Read the order by name anew when it is wanted next."""
        self._by_name = None

    def find(self, query: ImageQuery, suggested: Suggested) -> tuple[int, ...]:
        """Return the pictures that the user wants to see, in the order chosen."""
        if not query.narrows and query.order in (BY_NAME, BY_CLASS):  # nothing to leave out: the order is all
            return self._names() if query.order == BY_NAME else class_order(self._project)
        ids = find_images(self._project, _image_filter(query), limit=_ALL)
        if query.prediction:
            ids = _in_order(ids, suggested.called(query.prediction))
        if query.order == NEWEST_FIRST:
            return ids[::-1]
        if query.order in (UNSURE_FIRST, SURE_FIRST):
            return _by_uncertainty(ids, suggested.uncertainties(), is_unsure_first=query.order == UNSURE_FIRST)
        if query.order == MOST_USEFUL:
            first = _in_order(tuple(suggested.queue), set(ids))
            return (*first, *_in_order(ids, set(ids).difference(first)))
        if query.order == BY_NAME:
            return _in_order(self._names(), set(ids))
        return _in_order(class_order(self._project), set(ids)) if query.order == BY_CLASS else ids

    def _names(self) -> tuple[int, ...]:
        if self._by_name is None:
            self._by_name = name_order(self._project)
        return self._by_name


def _image_filter(query: ImageQuery) -> ImageFilter:
    is_labelled = {UNLABELLED: False, LABELLED: True, PUT_OFF: False}.get(query.label_state)
    return ImageFilter(
        class_name=query.class_name or None,
        is_labelled=False if query.prediction and is_labelled is None else is_labelled,
        split=query.split or None,  # type: ignore[arg-type]
        has_conflict=query.label_state == IN_CONFLICT,
        review="later" if query.label_state == PUT_OFF else None,
        tag=query.tag or None,
        text=query.text,
    )


def _in_order(order: tuple[int, ...], ids: AbstractSet[int]) -> tuple[int, ...]:
    """Return `ids` as they stand in `order`."""
    return tuple(image_id for image_id in order if image_id in ids)


def _by_uncertainty(
    ids: tuple[int, ...], uncertainties: Mapping[int, float], *, is_unsure_first: bool
) -> tuple[int, ...]:
    """Return pictures with a suggestion first, the least (or most) sure ahead; the others follow as they were."""
    sign = -1.0 if is_unsure_first else 1.0
    ranked = sorted((sign * uncertainties[key], key) for key in ids if key in uncertainties)
    return (*(key for _, key in ranked), *(key for key in ids if key not in uncertainties))


def cells(
    project: Project,
    image_ids: Sequence[int],
    looks: Mapping[str, ClassColour],
    suggestions: Suggestions,
    reasons: Mapping[int, Sequence[Reason]],
) -> Iterator[Cell]:
    """Yield what the grid shows of pictures; `looks` are the classes' colours, `reasons` why what is suggested."""
    shown = image_rows(project, tuple(image_ids))
    wanted = {each.image_id for row in shown for each in reasons.get(row.image_id, ()) if not row.labels}
    names = {row.image_id: row.path.name for row in image_rows(project, tuple(wanted))} if wanted else {}
    for row in shown:
        suggestion = suggestions.get(row.image_id) if not row.labels else None
        why = _why(reasons.get(row.image_id, ()), names) if suggestion is not None else ""
        yield _cell(row, looks, suggestion, why)


def _why(reasons: Sequence[Reason], names: Mapping[int, str]) -> str:
    """Say which labelled pictures are the most like one."""
    like = [f"{names[each.image_id]} ({', '.join(each.classes)})" for each in reasons if each.image_id in names]
    return tr("Most like {pictures}", pictures=", ".join(like[:_NAMED])) if like else ""


def _cell(row: ImageRow, looks: Mapping[str, ClassColour], suggestion: Suggestion | None, why: str) -> Cell:
    offered = tuple(each.class_name for each in row.candidates)
    shown = row.labels or offered or (suggestion.classes if suggestion is not None else ())
    badge = _guess(suggestion, looks) if suggestion is not None else None
    is_put_off = row.review == "later" and not row.labels
    return Cell(
        image_id=row.image_id,
        path=row.path,
        title=", ".join(row.labels) or _unlabelled_title(offered, badge, is_put_off=is_put_off),
        tone="warn" if offered else "" if row.labels or badge is not None else "muted",
        swatches=tuple(looks.get(name, 0) for name in shown),
        is_proposed=not row.labels,
        is_blank=not (row.labels or offered or badge or is_put_off),
        aside=row.split or "",
        mark=", ".join((*(f"#{tag}" for tag in row.tags), *([tr("note")] if row.note else []))),
        labels=tuple((name, looks.get(name, 0)) for name in row.labels),
        size=f"{row.width} x {row.height}",
        badge=badge,
        candidates=tuple(
            CandidateBadge(name=each.class_name, colour=looks.get(each.class_name, 0), origin=each.origin)
            for each in row.candidates
        ),
        is_put_off=is_put_off,
        tags=row.tags,
        note=row.note or "",
        why=why,
    )


def _unlabelled_title(offered: Sequence[str], badge: SuggestionBadge | None, *, is_put_off: bool) -> str:
    """Return what is said of a picture without a label: between which classes files disagree, what a run suggests."""
    said = [tr("{first} or {last}?", first=", ".join(offered[:-1]), last=offered[-1])] if offered else []
    said += [badge.text()] if badge is not None else []
    words = "  ".join(said) or tr("no label")
    return f"{words}, {tr('put off')}" if is_put_off else words


def _guess(suggestion: Suggestion, looks: Mapping[str, ClassColour]) -> SuggestionBadge:
    shares = dict(suggestion.ranked)
    return SuggestionBadge(
        names=tuple((name, looks.get(name, 0)) for name in suggestion.classes),
        confidence=shares.get(suggestion.classes[0], suggestion.confidence),
        ranked=suggestion.ranked,
    )


def class_entries(
    classes: Sequence[ClassRow], chosen: Sequence[Cell], *, keys: Mapping[str, str], shown: str
) -> list[ClassEntry]:
    """Return the class list; a class is on when every chosen picture has it.

    Args:
        classes: In their order.
        chosen: The chosen pictures, or the first of them.
        keys: {key: class name}.
        shown: The class to which the pictures are narrowed.
    """
    key_of, looks = {name: key for key, name in keys.items()}, class_colours(classes)
    common = set.intersection(*({name for name, _ in cell.labels} for cell in chosen)) if chosen else set[str]()
    return [
        ClassEntry(
            name=row.name,
            colour=looks[row.name],
            key=key_of.get(row.name, ""),
            pictures=row.pictures,
            is_on=row.name in common,
            is_shown=row.name == shown,
        )
        for row in classes
    ]
