"""The table of checks: one row each. User interfaces iterate over it."""

from visionft.curation.check import Check
from visionft.curation.duplicates.duplicate_check import Duplicates
from visionft.curation.label_errors.label_error_check import LabelErrors
from visionft.curation.leaks.leak_check import Leaks
from visionft.curation.quality.quality_check import Quality
from visionft.errors import VisionFTError

CHECKS: dict[str, Check] = {check.name: check for check in (LabelErrors(), Duplicates(), Leaks(), Quality())}


def get_check(name: str) -> Check:
    """Return the check of a name, with its default settings (VisionFTError: there is none)."""
    if name not in CHECKS:
        raise VisionFTError("There is no check “{name}”.", "There are {names}.", name=name, names=", ".join(CHECKS))
    return CHECKS[name]
