"""The table of views: one row for each special view; every other check gets the generic view."""

from gui.curate.conflicts_view import ConflictsView
from gui.curate.curation import Curation
from gui.curate.duplicates_view import DuplicatesView
from gui.curate.issues_view import IssuesView
from gui.curate.label_errors_view import LabelErrorsView
from gui.curate.leaks_view import LeaksView
from gui.curate.map.map_view import MapView
from gui.curate.quality_view import QualityView
from gui.curate.report_view import ReportView
from gui.curate.similar.similar_view import SimilarView
from gui.curate.view import View
from visionft.analysis.scan import CHECKS

VIEWS: tuple[type[View], ...] = (
    ReportView,
    ConflictsView,
    DuplicatesView,
    LabelErrorsView,
    LeaksView,
    QualityView,
    MapView,
    SimilarView,
)
_LAST = ("map", "similar")  # independent of checks: below them


def all_views(curation: Curation) -> list[View]:
    """Return a view for every row and for every check without one, in the order of the list."""
    own = [make(curation) for make in VIEWS]
    shown = {view.check for view in own}
    generic = [IssuesView(curation, name) for name in CHECKS if name not in shown]
    first = [view for view in own if view.name not in _LAST]
    return [*first, *generic, *(view for view in own if view.name in _LAST)]
