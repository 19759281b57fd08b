"""Bulk acceptance of suggestions: the threshold with its effect, and the result of an audit.

`gui.label.auditing` controls these views.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSlider, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.certificates import share_of
from gui.kit.flow import Flow
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import ImageModel
from gui.kit.parts import (
    Button,
    Card,
    IconLabel,
    choice_box,
    column,
    restyle,
    row,
    scrolling,
    text,
    verbatim,
    widget_of,
)
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from models.messages import Message
from visionft.project.edits.certificates import Audit
from visionft.suggest.audit import AuditPlan, is_worth_trying

_SIDE_PX = 92


def proof_text(plan: AuditPlan, *, claimed: float, number: int, expected: float) -> str:
    """Return the statement that audit `number` would prove, translated.

    `claimed` is the confidence that it may claim, `expected` the expected accuracy of the suggestions.
    """
    if plan.sample >= plan.accepted:
        lines = [tr("They are so few that all {count} have to be checked.", count=plan.sample)]
    else:
        values = {"share": share_of(plan.rightness), "confidence": share_of(claimed), "allowed": plan.allowed}
        sample = tr(
            "Check {count} random image of these {accepted}.",
            "Check {count} random images of these {accepted}.",
            count=plan.sample,
            accepted=f"{plan.accepted:,}",
        )
        words = Message("With none wrong, {share} of all are proven correct, with {confidence} confidence.")
        if plan.allowed:
            words = Message(
                "With at most {allowed} wrong, {share} of all are proven correct, with {confidence} confidence."
            )
        lines = [f"{sample} {tr(words, **values)}"]
    if not is_worth_trying(plan, 1 - expected):
        lines.append(tr("It would probably fail: require less, raise the threshold, or label more images."))
    if number > 1:
        lines.append(
            tr("Audit {number} may claim less: repeating audits until one is passed proves less.", number=number)
        )
    return "\n".join(lines)


class _AuditView(QWidget):
    """A view that Escape closes."""

    closed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)


class AcceptView(_AuditView):
    """A threshold with its effect, and below it the choice between audit and direct acceptance."""

    def __init__(self, thumbnails: ThumbnailStore, images: ImageModel, *, rightness: Sequence[float]) -> None:
        """Args: `images` are the least confident of the accepted images; `rightness` are the accuracies offered."""
        super().__init__()
        self.back_button = Button("Grid", "grid", on_click=self.closed.emit)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)  # percent
        self.slider.setAccessibleName(tr("Least confidence of an accepted suggestion"))
        self._threshold = text("", "strong")
        self._threshold.setMinimumWidth(theme.scaled(44))
        self.count_label, self._expected = verbatim("", "heading"), verbatim("", "muted", wrap=True)
        self.grid = ImageGrid(
            thumbnails, images, name="The least confident of them", side_px=theme.scaled(_SIDE_PX), lines=0,
            overlaid=True, single_row=True, selectable=False,
        )  # fmt: skip
        self.grid.setProperty("role", "")  # it is inside a card
        self.grid.setFixedHeight(theme.scaled(_SIDE_PX) + theme.TIGHT)
        self.rightness_box = choice_box("Accuracy to prove", [f"{share:.1%}".replace(".0", "") for share in rightness])
        self.proof_label = verbatim("", wrap=True)
        self.check_button = Button("Check a sample", "shield", role="primary")
        self.accept_button = Button("Accept", "check")
        self.cancel_button = Button("Cancel", on_click=self.closed.emit)
        trust = text("Without an audit, nothing is proven about them.", "small", wrap=True)
        which = Card(spacing=theme.MEDIUM)
        which.body.addWidget(text("Suggestions to accept", "heading"))
        words = text("Accept all with at least this confidence:", wrap=True)
        share = row(self.slider, self._threshold, spacing=theme.MEDIUM, grows=0)
        which.body.addLayout(column(words, share, spacing=theme.TIGHT))
        which.body.addLayout(column(self.count_label, self._expected, spacing=theme.HAIR))
        which.body.addLayout(column(text("The least confident of them:", "small"), self.grid, spacing=theme.TIGHT))
        proof = Card(spacing=theme.MEDIUM)
        proof.body.addLayout(row(IconLabel("shield", tone="accent"), text("Certificate", "heading"), None))
        self._wanted = widget_of(row(text("Accuracy to prove:"), self.rightness_box, None))
        proof.body.addWidget(self._wanted)
        proof.body.addWidget(self.proof_label)
        ways = Flow(self.check_button, self.accept_button, self.cancel_button)
        frame = widget_of(column(which, proof, column(ways, trust), None, spacing=theme.LARGE))
        frame.setMaximumWidth(theme.scaled(860))
        centred = QVBoxLayout()
        centred.setContentsMargins(0, 0, 0, 0)
        centred.addWidget(frame)
        above = row(self.back_button, text("Accept suggestions in bulk", "heading"), None)
        self.setLayout(column(above, scrolling(centred), grows=1))

    def show_offer(self, *, count: int, total: int, expected: float, proof: str, checks: int) -> None:
        """Show the effect of accepting `count` of `total` suggestions, those with at least the slider's confidence.

        `proof` is `proof_text`, or the reason against an audit; `checks` the size of the audit sample, 0 without one.
        """
        self._threshold.setText(f"{self.slider.value()}%")
        self.count_label.setText(tr("{count} of {total} suggestions", count=f"{count:,}", total=f"{total:,}"))
        accuracy = tr("Expected accuracy: {share}.", share=share_of(expected))
        self._expected.setText(accuracy if count else tr("No suggestion reaches this confidence."))
        self.proof_label.setText(proof)
        restyle(self.proof_label, role="body" if checks else "muted")
        self._wanted.setVisible(checks > 0)
        self.check_button.setVisible(checks > 0)
        self.check_button.setText(tr("Check {count} image", "Check {count} images", count=checks))
        self.accept_button.setText(tr("Accept {count} without an audit", count=count))
        self.accept_button.setEnabled(count > 0)


class AuditResultView(_AuditView):
    """The result, and three next steps: accept, choose another threshold, back to the grid."""

    def __init__(self) -> None:
        super().__init__()
        self._icon = IconLabel("shield", size=40, tone="good")
        self.title_label = verbatim("", "title", wrap=True)
        self.text_label = verbatim("", wrap=True)
        self.accept_button = Button("Accept without a certificate", "check")
        self.again_button = Button("Choose another threshold")
        self.close_button = Button("Back to labelling", "grid", on_click=self.closed.emit)
        card = Card(margin=theme.HUGE, spacing=theme.MEDIUM)
        card.setMaximumWidth(theme.scaled(640))
        card.body.addLayout(row(self._icon, self.title_label, spacing=theme.LARGE, grows=1))
        card.body.addWidget(self.text_label)
        card.body.addSpacing(theme.SMALL)
        card.body.addLayout(Flow(self.close_button, self.again_button, self.accept_button))
        middle = row(None, card, None)
        middle.setStretch(1, 100)
        self.setLayout(column(None, middle, None, None))

    def show_audit(self, audit: Audit) -> None:
        is_passed = audit.is_passed
        self._icon.show_icon("shield" if is_passed else "warning", "good" if is_passed else "warn")
        title, lines = _passed_text(audit) if is_passed else _failed_text(audit)
        self.title_label.setText(title)
        self.text_label.setText("\n\n".join(lines))
        self.accept_button.setVisible(not is_passed)
        self.again_button.setVisible(not is_passed)
        restyle(self.close_button, role="primary")
        self.close_button.set_icon_name("grid")  # in the text colour of its role


def _passed_text(audit: Audit) -> tuple[str, tuple[str, ...]]:
    sample, accepted = f"{audit.sample:,}", f"{audit.accepted:,}"
    words = Message("At least {share} of these {accepted} labels are correct")
    title = tr(words, share=share_of(audit.proven), accepted=accepted)
    confidence = tr("Confidence: {confidence}.", confidence=share_of(audit.confidence))
    if audit.sample == audit.accepted:
        title = tr("The only label was checked", "All {count} labels were checked", count=audit.accepted)
        confidence = ""
    if audit.wrong:
        checked = tr(
            "{count} of {sample} checked images was wrong; your correction is kept.",
            "{count} of {sample} checked images were wrong; your corrections are kept.",
            count=audit.wrong,
            sample=sample,
        )
    else:
        checked = tr("All {sample} checked labels were correct.", sample=sample)
    accepted = tr("All suggestions are accepted. The certificate is stored with the labels; see the Project page.")
    return title, (f"{confidence} {checked}".strip(), accepted)


def _failed_text(audit: Audit) -> tuple[str, tuple[str, ...]]:
    found = tr(
        "{count} of {sample} checked images was wrong, at most {allowed} were allowed.",
        "{count} of {sample} checked images were wrong, at most {allowed} were allowed.",
        count=audit.wrong, sample=f"{audit.sample:,}", allowed=f"{audit.allowed:,}",
    )  # fmt: skip
    bound = share_of(1 - audit.most_wrong / audit.accepted)
    certain = tr("It is only certain that at least {share} are correct.", share=bound)
    kept = tr("The checked images keep their labels, and suggestions learn from them. Nothing else was accepted.")
    more = tr("Label more images, or choose a higher threshold. The next audit may claim a little less confidence.")
    title = tr("Not certified: {share} had to be correct", share=share_of(audit.rightness))
    return title, (f"{found} {certain}", kept, more)
