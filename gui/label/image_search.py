"""The label page's queries to a project: image search, tile contents, and class keys."""

from collections.abc import Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from gui.kit.class_looks import class_colours
from gui.kit.split_bar import split_mark
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
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
from visionft.analysis.feature_suggester import Reason
from visionft.analysis.suggestions import Suggestion, Suggestions
from visionft.project.queries import ALL, ClassRow, ImageFilter, class_order, find_images, image_rows, name_order
from visionft.project.store import Project


class ImageFinder:
    """Finds images of one project; caches the expensive order by name until images are added or removed."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._by_name: tuple[int, ...] | None = None

    def find(self, query: ImageQuery, suggestions: Suggestions, queue: Sequence[int]) -> tuple[int, ...]:
        """Return the images matching a query, in its order; `queue` are the most useful ones to label, best first."""
        if not query.narrows and query.order in (BY_NAME, BY_CLASS):  # no filter: only the order matters
            return self._names() if query.order == BY_NAME else class_order(self._project)
        is_labelled = {UNLABELLED: False, LABELLED: True, PUT_OFF: False}.get(query.label_state)
        image_filter = ImageFilter(
            class_name=query.class_name or None,
            tag=query.tag or None,
            text=query.text,
            is_labelled=False if query.prediction and is_labelled is None else is_labelled,
            split=query.split or None,  # type: ignore[arg-type]
            has_conflict=query.label_state == IN_CONFLICT,
            review="later" if query.label_state == PUT_OFF else None,
        )
        ids = find_images(self._project, image_filter, limit=ALL)
        if query.prediction:
            ids = _in_order(ids, suggestions.with_class(query.prediction))
        if query.order == NEWEST_FIRST:
            return ids[::-1]
        if query.order in (UNSURE_FIRST, SURE_FIRST):  # images without a suggestion follow
            sign = -1.0 if query.order == UNSURE_FIRST else 1.0
            order = dict(zip(suggestions.ids.tolist(), (sign * suggestions.uncertainties).tolist(), strict=True))
            ranked = sorted((order[key], key) for key in ids if key in order)
            return (*(key for _, key in ranked), *(key for key in ids if key not in order))
        if query.order == MOST_USEFUL:
            first = _in_order(tuple(queue), set(ids))
            return (*first, *_in_order(ids, set(ids).difference(first)))
        if query.order == BY_NAME:
            return _in_order(self._names(), set(ids))
        return _in_order(class_order(self._project), set(ids)) if query.order == BY_CLASS else ids

    def _names(self) -> tuple[int, ...]:
        if self._by_name is None:
            self._by_name = name_order(self._project)
        return self._by_name


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlabelledSearch:
    """A search for the next image without a label among those shown, from the current one on.

    Attributes:
        ids: The images shown, in their order.
        place: Index of the current image.
        step: 1 for the next, -1 for the previous; the search wraps around, and the current image comes last.
        review: Of the images wanted.
        is_told: Whether the user is told that there is none.
    """

    ids: tuple[int, ...]
    place: int
    step: int
    review: Literal["none", "later"]
    is_told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlabelledImage:
    """The id of the image found, 0 for none; and whether any image of the project has no label."""

    search: UnlabelledSearch
    image_id: int
    is_any: bool


def find_unlabelled(project: Project, search: UnlabelledSearch) -> UnlabelledImage:
    """Find the next image without a label. It reads the ids of all of them: not for the main thread."""
    wanted = frozenset(find_images(project, ImageFilter(is_labelled=False, review=search.review), limit=ALL))
    count = len(search.ids)
    places = ((search.place + search.step * distance) % count for distance in range(1, count + 1))
    image_id = next((search.ids[place] for place in places if search.ids[place] in wanted), 0)
    is_any = bool(wanted or find_images(project, ImageFilter(is_labelled=False), limit=1))
    return UnlabelledImage(search=search, image_id=image_id, is_any=is_any)


def _in_order(order: tuple[int, ...], ids: AbstractSet[int]) -> tuple[int, ...]:
    return tuple(image_id for image_id in order if image_id in ids)


def cells(
    project: Project,
    image_ids: Sequence[int],
    looks: Mapping[str, ClassColour],
    suggestions: Mapping[int, Suggestion],
    reasons: Mapping[int, Sequence[Reason]],
    *,
    guessed: Container[str] = (),
) -> Iterator[Cell]:
    """Yield the grid tiles of images.

    `looks` are the classes' colours, `reasons` the evidence for suggestions, `guessed` the classes with few labels.
    """
    shown = image_rows(project, tuple(image_ids))
    wanted = {each.image_id for row in shown for each in reasons.get(row.image_id, ()) if not row.labels}
    names = {row.image_id: row.path.name for row in image_rows(project, tuple(wanted))} if wanted else {}
    for row in shown:
        suggestion = suggestions.get(row.image_id) if not row.labels else None
        badge, evidence = None, ""
        if suggestion is not None:
            badge = SuggestionBadge(
                names=tuple((name, looks.get(name, 0)) for name in suggestion.classes),
                confidence=dict(suggestion.ranked).get(suggestion.classes[0], suggestion.confidence),
                ranked=suggestion.ranked,
                is_guess=any(name in guessed for name in suggestion.classes),
            )
            similar = [each for each in reasons.get(row.image_id, ()) if each.image_id in names][:3]
            images = ", ".join(f"{names[each.image_id]} ({', '.join(each.classes)})" for each in similar)
            evidence = tr("Most similar: {images}", images=images) if images else ""
        offered = tuple(each.class_name for each in row.candidates)
        named = row.labels or offered or (suggestion.classes if suggestion is not None else ())
        is_put_off = row.review == "later" and not row.labels
        title = ", ".join(row.labels)
        if not row.labels:  # the conflicting classes, and the suggestion
            parts = [tr("{first} or {last}?", first=", ".join(offered[:-1]), last=offered[-1])] if offered else []
            if badge is not None:
                parts.append(badge.text())
            title = "  ".join(parts) or tr("no label")
            title = f"{title}, {tr('put off')}" if is_put_off else title
        yield Cell(
            image_id=row.image_id,
            path=row.path,
            title=title,
            aside=split_mark(row.split),
            tone="warn" if offered else "" if row.labels or badge is not None else "muted",
            swatches=tuple(looks.get(name, 0) for name in named),
            is_proposed=not row.labels,
            is_blank=not (row.labels or offered or badge or is_put_off),
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
            why=evidence,
        )


def class_entries(
    classes: Sequence[ClassRow], chosen: Sequence[Cell], *, keys: Mapping[str, str], shown: str
) -> list[ClassEntry]:
    """Return the class list; a class is on if every one of the `chosen` images has it.

    `keys` are {key: class name}; `shown` is the class of the current filter.
    """
    key_of = {name: key for key, name in keys.items()}
    looks = class_colours(classes)
    common = set.intersection(*({name for name, _ in cell.labels} for cell in chosen)) if chosen else set[str]()
    return [
        ClassEntry(
            name=row.name,
            colour=looks[row.name],
            key=key_of.get(row.name, ""),
            images=row.images,
            is_on=row.name in common,
            is_shown=row.name == shown,
        )
        for row in classes
    ]
