"""The images of the label page: the user's filter, the search for matching images, and their tiles."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from gui.kit.image_model import Tile
from gui.kit.split_bar import split_mark
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from visionft.analysis.feature_suggester import Reason
from visionft.analysis.suggestions import Suggestion, Suggestions
from visionft.core.messages import Message
from visionft.project.edits.conflicts import CandidateLabel
from visionft.project.queries import NO_LIMIT, ImageFilter, class_order, find_images, image_rows
from visionft.project.store import ProjectStore

MIN_LABELS = 10  # per class; with fewer, suggestions for the class are guesses
ANY_STATE, UNLABELLED, LABELLED, PUT_OFF, IN_CONFLICT = range(5)
LABEL_STATES = (
    Message("Any label"),
    Message("Without label"),
    Message("Labelled"),
    Message("Put off"),
    Message("In conflict"),
)
SPLIT_NAMES = (
    Message("Any split"),
    Message("Training"),
    Message("Validation"),
    Message("Test"),
    Message("Not divided"),
)
SPLIT_KEYS = ("", "train", "val", "test", "unassigned")
AS_IMPORTED, NEWEST_FIRST, BY_NAME, BY_CLASS, UNSURE_FIRST, SURE_FIRST, MOST_USEFUL = range(7)
ORDERS = (
    Message("As imported"),
    Message("Newest first"),
    Message("By name"),
    Message("By class"),
    Message("Unsure first"),
    Message("Highest confidence first"),
    Message("Most useful next"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuery:
    """The filter of the user; empty fields and zeros do not filter."""

    text: str = ""
    class_name: str = ""
    tag: str = ""
    prediction: str = ""  # images with this suggested class
    label_state: int = ANY_STATE  # an index in `LABEL_STATES`
    split: str = ""  # one of `SPLIT_KEYS`
    order: int = AS_IMPORTED  # an index in `ORDERS`

    @property
    def narrows(self) -> bool:
        return bool(self.text or self.class_name or self.tag or self.prediction or self.label_state or self.split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(Tile):
    """An image to label; the split is the tile's `aside`, the colours of labels or candidates its `swatches`."""

    labels: tuple[str, ...]
    size: str = ""
    suggested: str = ""  # the best few classes with their probabilities; empty without a suggestion
    candidates: tuple[CandidateLabel, ...] = ()  # the classes of a label conflict
    is_put_off: bool = False
    note: str = ""
    why: str = ""

    def spoken(self) -> str:
        """Return all text about the image, with its note and the reason for its suggestion."""
        return "\n".join(filter(None, (Tile.spoken(self), self.why, self.note)))


def matching_images(
    project: ProjectStore,
    query: ImageQuery,
    suggestions: Suggestions,
    queue: Sequence[int],
    *,
    by_name: Callable[[], tuple[int, ...]],
) -> tuple[int, ...]:
    """Return the images matching a query, in its order.

    Args:
        project: The project.
        query: The filter and the order.
        suggestions: The current suggestions.
        queue: The most useful images to label, best first.
        by_name: Returns all images by name; the result is expensive, and worth caching.
    """
    if not query.narrows and query.order in (BY_NAME, BY_CLASS):  # no filter: only the order matters
        return by_name() if query.order == BY_NAME else class_order(project)
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
    ids = find_images(project, image_filter, limit=NO_LIMIT)
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
        return _in_order(by_name(), set(ids))
    return _in_order(class_order(project), set(ids)) if query.order == BY_CLASS else ids


def find_unlabelled(
    project: ProjectStore, ids: tuple[int, ...], place: int, step: int, review: Literal["none", "later"]
) -> tuple[int, bool]:
    """Find the next image without a label. It reads the ids of all of them: not for the main thread.

    Args:
        project: The project.
        ids: The images shown, in their order.
        place: Index of the current image, where the search starts.
        step: 1 for the next, -1 for the previous; the search wraps around, and the current image comes last.
        review: Of the images wanted.

    Returns:
        Its id, 0 for none, and whether any image of the project has no label.
    """
    wanted = frozenset(find_images(project, ImageFilter(is_labelled=False, review=review), limit=NO_LIMIT))
    count = len(ids)
    places = ((place + step * distance) % count for distance in range(1, count + 1))
    image_id = next((ids[place] for place in places if ids[place] in wanted), 0)
    return image_id, bool(wanted or find_images(project, ImageFilter(is_labelled=False), limit=1))


def _in_order(order: tuple[int, ...], ids: AbstractSet[int]) -> tuple[int, ...]:
    return tuple(image_id for image_id in order if image_id in ids)


def cells(
    project: ProjectStore,
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
        is_guess = suggestion is not None and any(name in guessed for name in suggestion.classes)
        suggested, ranking, evidence = "", "", ""
        if suggestion is not None:
            confidence = dict(suggestion.ranked).get(suggestion.classes[0], suggestion.confidence)
            words = tr("guess") if is_guess else f"{confidence:.0%}"
            suggested = f"{', '.join(suggestion.classes)}? {words}"  # the question mark: it is no label
            ranking = ", ".join(name if is_guess else f"{name} {share:.0%}" for name, share in suggestion.ranked)
            similar = [each for each in reasons.get(row.image_id, ()) if each.image_id in names][:3]
            images = ", ".join(f"{names[each.image_id]} ({', '.join(each.classes)})" for each in similar)
            evidence = tr("Most similar: {images}", images=images) if images else ""
        offered = tuple(each.class_name for each in row.candidates)
        named = row.labels or offered or (suggestion.classes if suggestion is not None else ())
        is_put_off = row.review == "later" and not row.labels
        title = ", ".join(row.labels)
        if not row.labels:  # the conflicting classes, and the suggestion
            parts = [tr("{first} or {last}?", first=", ".join(offered[:-1]), last=offered[-1])] if offered else []
            parts += [suggested] if suggested else []
            title = "  ".join(parts) or tr("no label")
            title = f"{title}, {tr('put off')}" if is_put_off else title
        yield Cell(
            image_id=row.image_id,
            path=row.path,
            title=title,
            aside=split_mark(row.split),
            tone="warn" if offered else "" if row.labels or suggested else "muted",
            swatches=tuple(looks.get(name, 0) for name in named),
            is_proposed=not row.labels,
            is_blank=not (row.labels or offered or suggested or is_put_off),
            mark=", ".join((*(f"#{tag}" for tag in row.tags), *([tr("note")] if row.note else []))),
            labels=row.labels,
            size=f"{row.width} x {row.height}",
            suggested=ranking,
            candidates=row.candidates,
            is_put_off=is_put_off,
            note=row.note or "",
            why=evidence,
        )
