"""The view of probable label errors: one after the other, with evidence for and against each."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.issues_view import IssuesView
from gui.curate.view import Command, plain_tile
from gui.kit import theme
from gui.kit.image_model import Tile
from gui.kit.image_view import ImageView
from gui.kit.near_images import NearImages
from gui.kit.parts import ElidedLabel, column, row, text
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from visionft.analysis.check import Issue
from visionft.analysis.label_errors import (
    LEFT_OUT,
    NAME,
    PUT_IN,
    WRONG,
    chance_text,
    nearest_of_classes,
)
from visionft.core.messages import Message
from visionft.features.feature_store import Features, load_features
from visionft.project.queries import ImageRow
from visionft.project.store import ProjectStore

_KINDS = {WRONG: Message("Wrong label"), LEFT_OUT: Message("Missing label"), PUT_IN: Message("Extra label")}


class EvidenceReader:
    """Finds the nearest images with a label; keeps the features in memory. For one thread at a time."""

    def __init__(self) -> None:
        self._features: Features | None = None
        self._read = ("", 0)  # project and number of its images

    def __call__(
        self, project: ProjectStore, image_id: int, suggested: str
    ) -> tuple[int, str, tuple[int, ...], tuple[int, ...]]:
        """Return an image, its suggested class, and the nearest images with its label and with that class."""
        images = project.snapshot()
        key = (str(project.path), len(images.images))
        if self._features is None or key != self._read:
            self._features, self._read = load_features(project.path, images), key
        try:
            own, others = nearest_of_classes(self._features, images, image_id, suggested)
        except KeyError:  # the image is new, or was removed meanwhile
            own, others = (), ()
        return image_id, suggested, own, others


class LabelEvidence(QWidget):
    """The current image with evidence for and against its label."""

    def __init__(self) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)
        self._title = ElidedLabel("", "heading", mode=Qt.TextElideMode.ElideRight)
        self._chance = text(role="muted")
        self.viewer = ImageView(self.thumbnails)
        self.own, self.suggested = NearImages(), NearImages()
        head = row(self._title, self._chance, spacing=theme.MEDIUM, grows=0)
        self.setLayout(column(head, self.viewer, self.own, self.suggested, grows=1))
        self.setMinimumWidth(theme.scaled(300))

    def show_issue(self, tile: Tile | None, title: str, chance: str) -> None:
        self._title.setText(title)
        self._chance.setText(chance)
        self.viewer.show_image(tile.path if tile is not None else None, neighbours=[])

    def show_near(self, label: str, own: Sequence[Tile], suggested: str, others: Sequence[Tile]) -> None:
        self.own.setVisible(bool(own))
        self.suggested.setVisible(bool(others))
        self.own.show_images(tr("Nearest that are labelled “{name}”", name=label), own)
        self.suggested.show_images(tr("Nearest that are labelled “{name}”", name=suggested), others)

    def words(self) -> tuple[str, str]:
        return self._title.text(), self._chance.text()

    def close_workers(self) -> None:
        self.thumbnails.close()
        self.own.close_workers()
        self.suggested.close_workers()
        self.viewer.close_reader()


class LabelErrorsView(IssuesView):
    """Probable label errors beside the large image; evidence is read in the background."""

    name = NAME
    title = Message("Label errors")
    icon = "label"
    check = NAME
    panel_place = "beside"

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        accept, keep = tr("Accept suggestion"), tr("Keep label")
        self.commands = {
            "curate.accept": Command(self.accept_or_keep, self.why_no_issue, icon="check", words=accept),
            "curate.fine": Command(self.keep, self.why_no_issue, icon="shield", words=keep),
            **self.usual_commands(),
            "curate.tag": Command(self.ask_tag, is_button=False),
        }
        self.panel: LabelEvidence | None = None
        self._request: tuple[int, str] | None = None
        self._reader = BackgroundReader(EvidenceReader(), self._on_evidence, parent=self)
        curation.selection.current_changed.connect(self._show_current)

    def sentence(self) -> str:
        """Return how many of the flagged labels were decided on, and the usual sentence."""
        words = super().sentence()
        loaded = self.loaded
        flagged = len(loaded.result.flagged(self.threshold)) if loaded is not None else 0
        done = flagged - loaded.count(self.threshold) if loaded is not None else 0
        return f"{tr('{done} of {of} reviewed.', done=f'{done:,}', of=f'{flagged:,}')} {words}" if done else words

    def kind_title(self, kind: str) -> str:
        return tr(_KINDS[kind]) if kind in _KINDS else super().kind_title(kind)

    def tile(self, row: ImageRow) -> Tile:
        """Return an image with its label, the suggestion, and the probability of a label error."""
        issue = self.worst_issue(row.image_id)
        if issue is None:
            return plain_tile(row, self.curation)
        chance = tr("{share} wrong", share=chance_text(issue.score))
        return plain_tile(row, self.curation, title=_correction(row, issue), detail=chance)

    def fill(self) -> None:
        super().fill()
        self._show_current()

    def build_panel(self) -> QWidget | None:
        self.panel = LabelEvidence()
        return self.panel

    @Slot()
    @Slot(int)
    def _show_current(self, _image_id: int = 0) -> None:
        """Show the current image, and request its nearest images."""
        panel = self.panel
        current = self.curation.selection.current_id()
        project = self.curation.project
        if panel is None or not panel.isVisible() or project is None:
            return
        rows = self.rows((current,)) if current in self.curation.now else ()
        issue = self.worst_issue(current)
        if not rows or issue is None:
            panel.show_issue(None, "", "")
            panel.show_near("", (), "", ())
        else:
            chance = tr("probability of an error {share}", share=chance_text(issue.score))
            panel.show_issue(self.tile(rows[0]), _correction(rows[0], issue), chance)
            if (request := (current, issue.suggested)) != self._request:
                self._request = request
                self._reader.ask(project, *request)

    def _on_evidence(self, found: tuple[int, str, tuple[int, ...], tuple[int, ...]]) -> None:
        image_id, suggested, *near = found
        if self.panel is not None and image_id == self.curation.selection.current_id():
            labels = self.curation.now[image_id].labels if image_id in self.curation.now else ()
            own, others = ([plain_tile(each, self.curation) for each in self.rows(ids)] for ids in near)
            self.panel.show_near(", ".join(labels), own, suggested, others)

    def accept_or_keep(self) -> None:
        """Apply the suggestions for the selected images: another class, one more, or one less."""
        extra: dict[str, list[int]] = {}
        for each in self.chosen_issues():
            if not each.suggested and each.doubted:
                extra.setdefault(each.doubted, []).append(each.image_id)
        for name, image_ids in extra.items():
            self.curation.unlabel(image_ids, name)
        if any(each.suggested for each in self.chosen_issues()):
            super().accept_or_keep()

    def close(self) -> None:
        self._reader.close()
        if self.panel is not None:
            self.panel.close_workers()


def _correction(row: ImageRow, issue: Issue) -> str:
    """Return a label and its suggested correction: another class, one more, or one less."""
    label = ", ".join(row.labels) or tr("no label")
    if issue.kind == WRONG:
        return f"{label} → {issue.suggested}?"
    return f"{label} + {issue.suggested}?" if issue.suggested else f"{label} - {issue.doubted}?"
