"""What to do and what to collect next, each with the numbers that it rests on, the most urgent first."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from visionft.curation.health.facts import Advice, CheckHealth, Health, WeakClass
from visionft.project.names import count_of

_FEW_OF_A_CLASS: Final = 30  # pictures: with fewer, a tenth of them is no test
_RATIO: Final = 3.0  # of the middle class to one that is called small
_WEAK: Final = 0.05  # below the run's own share right by this much, and by more than chance
_OVERLAP: Final = 0.05  # share of two classes that are taken for each other
_MOST: Final = 3  # classes that are named of a kind


def advice_for(health: Health) -> tuple[Advice, ...]:
    """Return what is worth doing."""
    if not health.pictures:
        return (Advice(words="Import pictures.", evidence="There are none yet.", view="home"),)
    return (*_labels_first(health), *_found(health), *_collect(health), *_overlap(health), *_not_known(health))


def _labels_first(health: Health) -> Iterator[Advice]:
    if health.conflicts:
        yield Advice(
            words="Decide which class the pictures have that came in several.",
            evidence=f"{count_of(health.conflicts, 'picture')} came in several classes and count as not labelled.",
            view="label",
        )
    if missing := health.pictures - health.labelled - health.conflicts:
        yield Advice(
            words="Label the pictures that have no label.",
            evidence=f"{missing:,} of {count_of(health.pictures, 'picture')} have none.",
            view="label",
        )


def _found(health: Health) -> Iterator[Advice]:
    """Say of each check that flags something that it should be looked at; leaks spoil the test, so they come first."""
    yield from _flattered(health)
    order = {"leaks": 0, "duplicates": 1, "label-errors": 2}
    for check in sorted(health.checks, key=lambda check: order.get(check.name, 9)):
        if check.flagged:
            yield Advice(
                words=f"Look at what “{check.title}” found.",
                evidence=f"{_share(check)}. {check.summary}",
                view=check.name,
                image_ids=tuple(dict.fromkeys(finding.image_id for finding in check.worst)),
            )


def _flattered(health: Health) -> Iterator[Advice]:
    """Say where the newest run's accuracy is due to what leaked into training."""
    honest = health.run.honest if health.run is not None else None
    if honest is None or not honest.is_flattered or honest.without is None or honest.without_interval is None:
        return
    low, high = honest.without_interval
    yield Advice(
        words="Let no pictures leak, then train again: the newest run looks better than it is.",
        evidence=(
            f"“{honest.title}” is right in {honest.accuracy:.0%} of {honest.split}, but in {honest.without:.0%} "
            f"({low:.0%} to {high:.0%}) without the {count_of(honest.leaked, 'picture')} that it knew from training."
        ),
        view="leaks",
    )


def _share(check: CheckHealth) -> str:
    return f"{check.flagged:,} of {count_of(check.looked_at, 'picture')} are flagged"


def _collect(health: Health) -> Iterator[Advice]:
    """Name classes that have few pictures, and those that the newest run recognises least."""
    counts = [each.pictures for each in health.classes]
    if len(counts) < 2:
        return
    middle = median(counts)
    small = sorted((each for each in health.classes if each.pictures * _RATIO <= middle), key=lambda c: c.pictures)
    small = small or sorted((c for c in health.classes if c.pictures < _FEW_OF_A_CLASS), key=lambda c: c.pictures)
    for each in small[:_MOST]:
        yield Advice(
            words=f"Collect more pictures of “{each.name}”.",
            evidence=f"It has {each.pictures:,}, the class in the middle has {middle:,.0f}.",
        )
    for weak in _weak(health)[:_MOST]:
        low, high = weak.interval
        taken = f", most often taken for “{weak.mistaken_for}” ({weak.mistaken:,})" if weak.mistaken_for else ""
        yield Advice(
            words=f"Collect pictures of “{weak.name}” like those that are not recognised.",
            evidence=(
                f"{weak.recall:.0%} of its {count_of(weak.pictures, 'picture')} are recognised "
                f"({low:.0%} to {high:.0%}){taken}."
            ),
            view="results",
            image_ids=weak.examples,
        )


def _weak(health: Health) -> list[WeakClass]:
    """Return the classes that are below the whole by more than chance, the weakest first."""
    run = health.run
    if run is None:
        return []
    return [each for each in run.classes if each.recall <= run.top1 - _WEAK and each.interval[1] < run.top1]


def _overlap(health: Health) -> Iterator[Advice]:
    """Name pairs of classes that are taken for each other, both ways, the most mixed up first."""
    by_name = {each.name: each for each in (health.run.classes if health.run else ())}
    pairs: list[tuple[int, WeakClass, WeakClass]] = []
    for weak in by_name.values():
        other = by_name.get(weak.mistaken_for)
        if other is not None and other.mistaken_for == weak.name and weak.name < other.name:
            both = weak.mistaken + other.mistaken
            if both >= _OVERLAP * (weak.pictures + other.pictures) and both > 2:
                pairs.append((both, weak, other))
    for both, weak, other in sorted(pairs, key=lambda pair: -pair[0])[:_MOST]:
        yield Advice(
            words=f"Say more clearly what tells “{weak.name}” from “{other.name}”, or merge them.",
            evidence=f"{both:,} of their {weak.pictures + other.pictures:,} pictures are taken for the other class.",
            view="results",
            image_ids=(*weak.examples[:4], *other.examples[:4]),
        )


def _not_known(health: Health) -> Iterator[Advice]:
    """Say what has to be done before more is known."""
    if waiting := [check.title for check in health.checks if check.state == "never"]:
        yield Advice(
            words="Have the pictures looked through.",
            evidence=f"Nothing has looked yet for: {', '.join(waiting)}.",
            view="curate",
        )
    if health.run is None and health.labelled:
        yield Advice(
            words="Train a run and evaluate it: it shows which classes are weak.",
            evidence="No run was evaluated yet.",
            view="train",
        )
