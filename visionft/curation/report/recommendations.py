"""Recommended actions and images to collect, each with its numbers, the most urgent first."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from models.messages import Message, sentences
from visionft.curation.report.dataset_report import DatasetReport, Recommendation, WeakClass
from visionft.project.names import count_of

_FEW_OF_A_CLASS: Final = 30  # images: with fewer, a tenth of them is no test
_WEAK: Final = 0.05  # below the run's accuracy by this much, and significantly
_MOST: Final = 3  # classes named per kind of recommendation


def recommend_actions(report: DatasetReport) -> tuple[Recommendation, ...]:
    if not report.images:
        return (Recommendation(Message("Import images."), Message("There are none yet."), view="home"),)
    return (*_labels(report), *_issues(report), *_images(report), *_confused(report), *_missing(report))


def _labels(report: DatasetReport) -> Iterator[Recommendation]:
    if report.conflicts:
        counted = count_of(report.conflicts, "image")
        yield Recommendation(
            Message("Resolve the label conflicts."),
            Message("{counted} came in several classes and count as not labelled.", counted=counted),
            view="conflicts",
        )
    if missing := report.images - report.labelled - report.conflicts:
        counted = count_of(report.images, "image")
        yield Recommendation(
            Message("Label the images without a label."),
            Message("{missing} of {counted} have none.", missing=f"{missing:,}", counted=counted),
            view="label",
        )


def _issues(report: DatasetReport) -> Iterator[Recommendation]:
    """Recommend a review for each check with flagged issues; leaks come first, because they spoil the test."""
    leak_free = report.run.leak_free if report.run is not None else None
    if leak_free is not None and leak_free.is_inflated and leak_free.without is not None and leak_free.without_interval:
        low, high = leak_free.without_interval
        yield Recommendation(
            Message("Remove the leaks, then train again: the accuracy of the newest run is inflated."),
            Message(
                "“{title}” has an accuracy of {all} on {split}, but {without} ({low} to {high}) "
                "without the {counted} that leaked into training.",
                title=leak_free.title,
                all=f"{leak_free.accuracy:.0%}",
                split=leak_free.split,
                without=f"{leak_free.without:.0%}",
                low=f"{low:.0%}",
                high=f"{high:.0%}",
                counted=count_of(leak_free.leaked, "image"),
            ),
            view="leaks",
        )
    order = {"leaks": 0, "duplicates": 1, "label-errors": 2}
    for check in sorted(report.checks, key=lambda check: order.get(check.name, 9)):
        if check.flagged:
            flagged = f"{check.flagged:,}"
            counted = count_of(check.checked, "image")
            share = Message("{flagged} of {counted} are flagged.", flagged=flagged, counted=counted)
            yield Recommendation(
                Message("Review the issues of “{what}”.", what=check.title),
                sentences(share, check.summary),
                view=check.name,
                image_ids=tuple(dict.fromkeys(issue.image_id for issue in check.worst)),
            )


def _images(report: DatasetReport) -> Iterator[Recommendation]:
    """Recommend images of classes with few of them, and of those with the lowest recall in the newest run."""
    classes = sorted(report.classes, key=lambda each: each.images)
    if len(classes) < 2:
        return
    middle = median(each.images for each in classes)
    small = [each for each in classes if each.images * 3.0 <= middle]
    for each in (small or [each for each in classes if each.images < _FEW_OF_A_CLASS])[:_MOST]:
        usual = f"{middle:,.0f}"
        yield Recommendation(
            Message("Collect more images of “{name}”.", name=each.name),
            Message("It has {few}, the median class has {usual}.", few=f"{each.images:,}", usual=usual),
        )
    run = report.run
    if run is None:
        return
    weak = [each for each in run.classes if each.recall <= run.top1 - _WEAK and each.interval[1] < run.top1]
    for each in weak[:_MOST]:
        low, high = each.interval
        evidence = Message(
            "{share} of its {counted} are classified correctly ({low} to {high}).",
            share=each.share,
            counted=count_of(each.images, "image"),
            low=f"{low:.0%}",
            high=f"{high:.0%}",
        )
        mistaken = Message(
            "Most are predicted as “{name}” ({times}).", name=each.mistaken_for, times=f"{each.mistaken:,}"
        )
        yield Recommendation(
            Message("Collect images of “{name}” similar to the misclassified ones.", name=each.name),
            sentences(evidence, mistaken) if each.mistaken_for else evidence,
            view="results",
            image_ids=each.image_ids,
        )


def _confused(report: DatasetReport) -> Iterator[Recommendation]:
    """Recommend clearer definitions of classes confused with each other, both ways, the most confused first."""
    by_name = {each.name: each for each in (report.run.classes if report.run else ())}
    pairs: list[tuple[int, WeakClass, WeakClass]] = []
    for each in by_name.values():
        other = by_name.get(each.mistaken_for)
        if other is not None and other.mistaken_for == each.name and each.name < other.name:
            both = each.mistaken + other.mistaken
            if both >= 0.05 * (each.images + other.images) and both > 2:
                pairs.append((both, each, other))
    for both, each, other in sorted(pairs, key=lambda pair: -pair[0])[:_MOST]:
        images = f"{each.images + other.images:,}"
        yield Recommendation(
            Message("Define “{first}” and “{second}” more clearly, or merge them.", first=each.name, second=other.name),
            Message("{both} of their {all} images are predicted as the other class.", both=f"{both:,}", all=images),
            view="results",
            image_ids=(*each.image_ids[:4], *other.image_ids[:4]),
        )


def _missing(report: DatasetReport) -> Iterator[Recommendation]:
    if titles := [check.title for check in report.checks if check.state == "never"]:
        yield Recommendation(
            Message("Find issues in the images."),
            Message("Checks that have not run yet: {titles}.", titles=sentences(*titles, joint=", ")),
            view="curate",
        )
    if report.run is None and report.labelled:
        yield Recommendation(
            Message("Train a run and evaluate it: it shows which classes are weak."),
            Message("No run was evaluated yet."),
            view="train",
        )
