"""The view of quality issues, with their kinds by name."""

from gui.curate.issues_view import IssuesView
from gui.curate.view import plain_tile
from gui.kit.image_model import Tile
from gui.kit.translation import tr
from visionft.analysis.quality import KINDS
from visionft.core.messages import Message
from visionft.project.queries import ImageRow


class QualityView(IssuesView):
    """Blurred, dark, bright, blank, odd and corrupt images."""

    name = "quality"
    title = Message("Quality")
    icon = "camera"
    check = "quality"

    def kind_title(self, kind: str) -> str:
        return tr(KINDS[kind].title) if kind in KINDS else kind

    def count(self) -> int | None:
        """Return the number of flagged images; one may be flagged for several kinds."""
        return len({each.image_id for each in self.flagged()}) if self.loaded is not None else None

    def tile(self, row: ImageRow) -> Tile:
        """Return an image with its quality issues and scores; the line below has the full reason."""
        issues = self.shown_issues_of(row.image_id)
        detail = ", ".join(f"{self.kind_title(each.kind)} {each.score:.2f}" for each in issues)
        return plain_tile(row, self.curation, detail=detail)
