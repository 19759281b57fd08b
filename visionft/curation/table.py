"""The table of checks: one row each. Whoever shows checks goes through it and asks nothing else."""

from visionft.curation.check import Check
from visionft.curation.duplicates.check import Duplicates
from visionft.curation.label_errors.check import LabelErrors
from visionft.curation.leaks.check import Leaks
from visionft.curation.quality.check import Quality

CHECKS: dict[str, Check] = {check.name: check for check in (Duplicates(), LabelErrors(), Leaks(), Quality())}
