"""Audits of accepted suggestions, in words. Knows no widgets."""

from typing import TYPE_CHECKING

from gui.kit.translation import tr
from models.messages import Message

if TYPE_CHECKING:
    from visionft.project.edits.audits import Audit


def audit_words(audit: "Audit") -> str:
    """Return one line about an accepted audit: its lower bound, its confidence, and the labels changed since."""
    changed = audit.labels - audit.standing
    words = Message("At least {share} of {accepted} accepted labels are correct, with {confidence} confidence")
    share, confidence = share_of(audit.proven), share_of(audit.confidence)
    line = tr(words, share=share, accepted=f"{audit.suggestions:,}", confidence=confidence)
    return f"{line}; {tr('{count} changed since', count=f'{changed:,}')}" if changed else line


def share_of(value: float) -> str:
    """Return a share in percent, with a decimal only if it is significant; never rounded up."""
    tenths = int(value * 1000 + 1e-6)
    return f"{tenths // 10}%" if tenths % 10 == 0 else f"{tenths / 10:.1f}%"
