"""The table of checks: one row each. Whoever shows checks goes through it and asks nothing else."""

from visionft.curation.check import Check
from visionft.curation.duplicates import Duplicates
from visionft.curation.label_errors import LabelErrors
from visionft.curation.leaks import Leaks
from visionft.curation.quality import Quality

CHECKS: dict[str, Check] = {check.name: check for check in (Duplicates(), LabelErrors(), Leaks(), Quality())}
