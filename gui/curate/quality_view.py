"""The view of bad pictures: the findings of the quality check, its kinds by name, and how their scores spread."""

from functools import cached_property

from PySide6.QtWidgets import QWidget

from gui.curate.findings_view import FindingsView
from gui.curate.score_strip import ScoreStrip
from gui.curate.view import plain_tile
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import row
from gui.kit.picture_model import Tile
from visionft.curation.quality.kinds import KINDS
from visionft.project.queries import ImageRow


class QualityView(FindingsView):
    """Blurred, dark, bright, empty, odd and damaged pictures."""

    name, title, icon, check = "quality", "Quality", "camera", "quality"

    def kind_title(self, kind: str) -> str:
        """Return what people call a kind."""
        return tr(KINDS[kind].title) if kind in KINDS else kind

    def count(self) -> int | None:
        """Return how many pictures are flagged; one may be so for several kinds."""
        return len({each.image_id for each in self.flagged()}) if self.found is not None else None

    def tile(self, row: ImageRow) -> Tile:
        """Return a picture with what is wrong with it in a word, and how surely; the line below says it in full."""
        found = [each for each in self.findings_of(row.image_id) if self._is_shown(each)]
        detail = ", ".join(f"{self.kind_title(each.kind)} {each.score:.2f}" for each in found)
        return plain_tile(row, self.curation, detail=detail)

    def fill(self) -> None:
        """Bring the controls up to date, the strip too."""
        super().fill()
        if self.found is not None:
            shown = (each.score for each in self.found.findings if not self._kinds or each.kind in self._kinds)
            self.strip.show_scores(shown, self.threshold)

    @cached_property
    def strip(self) -> ScoreStrip:
        """How many pictures have which score, and where the threshold stands among them."""
        strip = ScoreStrip()
        strip.threshold_chosen.connect(self._on_threshold_moved)
        return strip

    def build_controls(self) -> QWidget | None:
        """Return the strip beside the threshold and the kinds."""
        whole = QWidget()
        parts = row(self.strip, self.controls, spacing=theme.MEDIUM)
        parts.setStretch(1, 1)
        whole.setLayout(parts)
        return whole
