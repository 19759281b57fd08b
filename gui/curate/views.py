"""The table of views. A view of its own is one row; every check that has none gets the generic view."""

from gui.curate.curation import Curation
from gui.curate.duplicates_view import DuplicatesView
from gui.curate.findings_view import FindingsView
from gui.curate.health.view import HealthView
from gui.curate.label_errors.view import LabelErrorsView
from gui.curate.leaks_view import LeaksView
from gui.curate.map.view import MapView
from gui.curate.quality_view import QualityView
from gui.curate.similar.view import SimilarView
from gui.curate.view import View
from visionft.curation.table import CHECKS

# In the order of the list: health, duplicates, label errors, leaks, quality, overlap; then map, similar.
VIEWS: tuple[type[View], ...] = (
    HealthView,
    DuplicatesView,
    LabelErrorsView,
    LeaksView,
    QualityView,
    MapView,
    SimilarView,
)
_LAST = ("map", "similar")  # they look at pictures, whatever was found: below all checks


def all_views(curation: Curation) -> list[View]:
    """Return a view for every row and for every check without one, in the order of the list."""
    own = [make(curation) for make in VIEWS]
    shown = {view.check for view in own}
    generic = [FindingsView(curation, name) for name in CHECKS if name not in shown]
    first = [view for view in own if view.name not in _LAST]
    return [*first, *generic, *(view for view in own if view.name in _LAST)]
