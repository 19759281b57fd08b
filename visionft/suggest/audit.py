"""How many pictures to check before many are accepted, and what the check proves. Exact, and nothing but numbers.

Of N pictures a random sample is checked; how many wrong ones it holds follows the hypergeometric distribution, so that
small sets need less (the finite-population correction comes by itself). 299 checks without an error prove that 99 % of
a large set are right, at 95 % confidence.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import comb, exp, lgamma

_LIKELY = 0.85  # chance to pass that is enough: a failed audit costs little more than what it found
_EVEN = 0.5
_MOST_CHECKED = 300
# While unsure pictures are labelled, fewer suggestions are wrong than expected: the labelled ones are the harder ones.
_TRULY_WRONG = 0.8
_EXACT = 5_000  # pictures up to which products of whole numbers are quick enough


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What to check.

    Attributes:
        accepted: Pictures that are about to be accepted, N.
        sample: How many of them to check, drawn at random.
        allowed: Wrong ones in the sample with which the wanted rightness is still proven.
        rightness: The share that is to be proven, 0 to 1.
        confidence: How sure the proof is to be: so often, or more, the claim is true when the audit is passed.
    """

    accepted: int
    sample: int
    allowed: int
    rightness: float
    confidence: float


def most_wrong(accepted: int, rightness: float) -> int:
    """Return how many of the accepted may be wrong with the wanted share right."""
    return int((1 - rightness) * accepted + 1e-9)


def chance_of_at_most(wrong_seen: int, *, accepted: int, wrong: int, sample: int) -> float:
    """Return P(X <= wrong_seen) for the wrong ones X in a sample drawn without replacement (hypergeometric)."""
    first = max(0, sample - (accepted - wrong))
    last = min(wrong_seen, wrong, sample)
    if first > last:
        return 0.0 if wrong_seen < first else 1.0
    if last >= min(wrong, sample):
        return 1.0
    return min(1.0, sum(_chance(seen, accepted, wrong, sample) for seen in range(first, last + 1)))


def _chance(seen: int, accepted: int, wrong: int, sample: int) -> float:
    if accepted <= _EXACT and sample <= 60:
        return comb(wrong, seen) * comb(accepted - wrong, sample - seen) / comb(accepted, sample)
    return exp(_log_comb(wrong, seen) + _log_comb(accepted - wrong, sample - seen) - _log_comb(accepted, sample))


def _log_comb(total: int, chosen: int) -> float:
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)


@lru_cache(maxsize=4096)
def most_wrong_proven(wrong_seen: int, *, accepted: int, sample: int, confidence: float) -> int:
    """Return the bound of an audit: with this confidence, no more of the accepted are wrong (Clopper and Pearson 1934).

    Those seen in the sample are among them.
    """
    low, high = wrong_seen, accepted - (sample - wrong_seen)
    while low < high:  # the most that is still likelier than 1 - confidence
        middle = (low + high + 1) // 2
        if chance_of_at_most(wrong_seen, accepted=accepted, wrong=middle, sample=sample) > 1 - confidence + 1e-12:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=4096)
def plan_audit(accepted: int, *, rightness: float, confidence: float = 0.95, allowed: int = 0) -> AuditPlan:
    """Return the smallest sample that proves the rightness with no more than so many wrong ones in it.

    Where everything would have to be checked, the sample is everything.
    """
    least_wrong = most_wrong(accepted, rightness) + 1  # the claim is false from here on
    low, high = min(accepted, allowed + 1), accepted
    while low < high:
        middle = (low + high) // 2
        if chance_of_at_most(allowed, accepted=accepted, wrong=least_wrong, sample=middle) <= 1 - confidence + 1e-12:
            high = middle
        else:
            low = middle + 1
    return AuditPlan(accepted, min(low, accepted), allowed, rightness, confidence)


def chance_to_pass(plan: AuditPlan, expected_wrong: float) -> float:
    """Return how likely an audit is passed when this share of what is accepted is wrong."""
    wrong = round(expected_wrong * plan.accepted)
    return chance_of_at_most(plan.allowed, accepted=plan.accepted, wrong=wrong, sample=plan.sample)


def is_worth_trying(plan: AuditPlan, expected_wrong: float) -> bool:
    """Tell whether an audit is passed more often than not; one that checks everything proves whatever it finds."""
    return plan.sample >= plan.accepted or chance_to_pass(plan, expected_wrong) >= _EVEN


def suggest_plan(accepted: int, *, rightness: float, expected_wrong: float, confidence: float = 0.95) -> AuditPlan:
    """Return the smallest plan that is likely enough to be passed; of too large ones, the likeliest that is not.

    Args:
        accepted: Pictures that are about to be accepted.
        rightness: What is to be proven.
        expected_wrong: The share that is expected to be wrong.
        confidence: Of the proof.
    """
    best: AuditPlan | None = None
    best_chance = -1.0
    for allowed in range(accepted + 1):
        plan = plan_audit(accepted, rightness=rightness, confidence=confidence, allowed=allowed)
        if best is not None and plan.sample > _MOST_CHECKED:
            break
        chance = chance_to_pass(plan, expected_wrong * _TRULY_WRONG)
        if chance > best_chance:
            best, best_chance = plan, chance
        if chance >= _LIKELY or plan.sample >= accepted:
            break
    assert best is not None
    return best


def confidence_of(number: int, confidence: float) -> tuple[float, float]:
    """Return the confidence that the audit with this number, from 1, is planned with, and what it may then claim.

    Who audits until it is passed is more often lucky: a first audit is planned with the wanted confidence, and each one
    after a failed one with half the doubt of the one before. What is claimed at the end counts the doubt of them all:
    wanted 95 % claims 95 %, then 92.5 %, 91.25 % and never less than 90 %.
    """
    doubt = 1 - confidence
    spent = doubt * (2 - 0.5 ** (number - 1))
    return 1 - doubt * 0.5 ** (number - 1), max(0.0, 1 - spent)
