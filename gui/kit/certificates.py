"""What is proven of labels that were accepted in bulk, in words. Knows no widgets."""

from gui.kit.i18n import tr
from visionft.project.edits.certificates import Certificate


def certificate_words(certificate: Certificate) -> str:
    """Say what a certificate is worth now, in a line."""
    audit = certificate.audit
    words = "At least {share} of {accepted} accepted labels are right, with {confidence} confidence"
    said = tr(
        words, share=share_of(audit.proven), accepted=f"{audit.accepted:,}", confidence=share_of(audit.confidence)
    )
    changed = certificate.labels - certificate.standing
    return f"{said}; {tr('{count} changed since', count=f'{changed:,}')}" if changed else said


def share_of(value: float) -> str:
    """Return a share in percent, with a decimal only where it says something; never rounded up."""
    tenths = int(value * 1000 + 1e-6)
    return f"{tenths // 10}%" if tenths % 10 == 0 else f"{tenths / 10:.1f}%"
