"""What the check of a sample means, in plain words. Translated; knows no widgets."""

from collections.abc import Mapping

from gui.kit.certificates import share_of
from gui.kit.i18n import tr
from gui.label.accept_view import Offer
from gui.label.verdict_view import Verdict
from visionft.project.edits.certificates import Audit
from visionft.suggest.audit import AuditPlan, is_worth_trying


def offer_of(
    plan: AuditPlan | None, *, threshold: float, count: int, total: int, expected: float, claimed: float, number: int,
    is_multi: bool,
) -> Offer:  # fmt: skip
    """Return what accepting from a threshold on means.

    Args:
        plan: Of the check; None where there is none.
        threshold: From which probability on.
        count: Pictures that would be accepted.
        total: Pictures that have a suggestion.
        expected: Expected share of the accepted that are right.
        claimed: Confidence that a check may claim now.
        number: Which check in a row it would be.
        is_multi: Whether pictures may have several classes.
    """
    why_not = ""
    if is_multi:
        why_not = tr("Pictures may have several classes here: there is no check of a sample for them yet.")
    elif plan is None:
        why_not = tr("There is nothing to check.")
    proof = proof_words(plan, claimed=claimed, number=number, expected=expected) if plan is not None else ""
    return Offer(
        threshold=threshold, count=count, total=total, expected=expected, proof=proof,
        checks=plan.sample if plan is not None else 0, why_not=why_not,
    )  # fmt: skip


def proof_words(plan: AuditPlan, *, claimed: float, number: int, expected: float) -> str:
    """Say what a check proves."""
    values = {"accepted": f"{plan.accepted:,}", "share": share_of(plan.rightness), "confidence": share_of(claimed)}
    lines = [_claim(plan, values)]
    if not is_worth_trying(plan, 1 - expected):
        lines.append(tr("It would probably fail: ask for less, raise the threshold, or label some more pictures."))
    if number > 1:
        words = "Check {number} in a row may claim less: who checks until it fits is more often just lucky."
        lines.append(tr(words, number=number))
    return "\n".join(lines)


def _claim(plan: AuditPlan, values: Mapping[str, str]) -> str:
    """Say what to check, and what follows when it is passed."""
    if plan.sample >= plan.accepted:
        return tr("They are so few that all {count} have to be looked at.", count=f"{plan.sample:,}")
    sample = tr("Check {count} random pictures of these {accepted}.", count=f"{plan.sample:,}", **values)
    if plan.allowed:
        words = (
            "With at most {allowed} wrong among them, at least {share} of all are right, with {confidence} confidence."
        )
        claim = tr(words, allowed=plan.allowed, **values)
    else:
        claim = tr(
            "With none wrong among them, at least {share} of all are right, with {confidence} confidence.", **values
        )
    return f"{sample} {claim}"


def verdict_of(audit: Audit) -> Verdict:
    """Say what came of a check."""
    counts = {"wrong": f"{audit.wrong:,}", "sample": f"{audit.sample:,}", "accepted": f"{audit.accepted:,}"}
    if audit.is_passed:
        title = tr("At least {share} of these {accepted} labels are right", share=share_of(audit.proven), **counts)
        corrected = "{count} of the {sample} pictures that you checked were wrong; your corrections stand."
        right = tr("All {sample} pictures that you checked were right.", **counts)
        checked = tr(corrected, count=counts["wrong"], **counts) if audit.wrong else right
        sure = tr("With {confidence} confidence.", confidence=share_of(audit.confidence))
        if audit.sample == audit.accepted:
            title, sure = tr("All {count} labels were checked", count=counts["accepted"]), ""
        kept = tr("All are accepted. The certificate is kept with the labels; the Project page shows it.")
        return Verdict(is_granted=True, title=title, lines=(f"{sure} {checked}".strip(), kept), accept="")
    found = "{count} of the {sample} pictures that you checked were wrong, with at most {allowed} allowed."
    least = 1 - audit.most_wrong / audit.accepted
    certain = tr("It is only certain that at least {share} are right.", share=share_of(least))
    kept = tr("What you said of them is kept as your labels, and suggestions learn from it. Nothing else was accepted.")
    more = tr("Label some more, or choose a higher threshold. The next check may claim a little less confidence.")
    return Verdict(
        is_granted=False,
        title=tr("Not proven: {share} were to be right", share=share_of(audit.rightness)),
        lines=(f"{tr(found, count=counts['wrong'], allowed=audit.allowed, **counts)} {certain}", kept, more),
        accept=tr("Accept without proof"),
    )


def kept_words(count: int) -> str:
    """Say what is left of a check that was stopped."""
    return tr("The check was stopped; it proves nothing. {count} pictures keep what you said of them.", count=count)
