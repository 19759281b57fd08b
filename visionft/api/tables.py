"""Tables of the Python interface: columns of equal length by name, as `pandas.DataFrame(table)` reads them."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from visionft.analysis.check import CheckResult, Issue
from visionft.analysis.feature_suggester import FeatureSuggester
from visionft.analysis.suggestions import Suggestion
from visionft.data.types import Snapshot


class Table(dict[str, list[Any]]):
    """Columns of equal length by name."""

    @classmethod
    def of_images(cls, images: Snapshot, rows: Iterable[tuple[int, Mapping[str, Any]]], columns: Iterable[str]) -> Self:
        """Return a table with the columns image_id and path, and `columns`, from (image id, {column: value}) pairs."""
        known = list(rows)
        table = cls(image_id=[image_id for image_id, _ in known])
        table["path"] = [str(images.by_id[image_id].path) for image_id, _ in known]
        for name in columns:
            table[name] = [values[name] for _, values in known]
        return table


class IssueTable(Table):
    """The open issues of a check, the worst first.

    Columns: image_id, path, score (0 to 1), kind, reason, group (0 for none), suggested (a class, or empty).

    Attributes:
        images: The images that were checked.
        result: The whole result of the check.
        issues: The listed ones.
    """

    images: Snapshot
    result: CheckResult
    issues: tuple[Issue, ...]

    @classmethod
    def of(cls, images: Snapshot, result: CheckResult, issues: tuple[Issue, ...]) -> Self:
        """Return the table of a check's open issues, in their order."""
        columns = ("score", "kind", "reason", "group", "suggested")
        rows = ((each.image_id, {name: getattr(each, name) for name in columns}) for each in issues)
        table = cls.of_images(images, rows, columns)
        table.images, table.result, table.issues = images, result, issues
        return table


class SuggestionTable(Table):
    """Suggested labels of unlabelled images, the surest first.

    Columns: image_id, path, label, confidence (0 to 1, its own estimate).

    Attributes:
        source: What suggests: the name of a run, or `features` for the labels so far.
        suggestions: {image id: suggestion}, those accepted included.
        accepted: Number of images that were labelled with them.
        unreadable: Number of images that nothing is suggested for, because they cannot be read.
        is_stopped: Whether the user ended it early.
        suggester: Gives reasons for the suggestions; None for suggestions of a run.
    """

    source: str
    suggestions: Mapping[int, Suggestion]
    accepted: int
    unreadable: int
    is_stopped: bool
    suggester: FeatureSuggester | None

    @classmethod
    def of(cls, images: Snapshot, suggestions: Mapping[int, Suggestion]) -> Self:
        """Return the table of suggestions, {image id: suggestion}; its maker sets the other attributes."""
        found = sorted(suggestions.values(), key=lambda each: -each.confidence)
        rows = ((each.image_id, {"label": ", ".join(each.classes), "confidence": each.confidence}) for each in found)
        table = cls.of_images(images, rows, ("label", "confidence"))
        table.suggestions = suggestions
        return table
