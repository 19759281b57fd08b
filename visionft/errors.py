"""What a user may meet as "expected": a message for a person and a hint that names the next step.

Anything that is not a `VisionFTError` is a bug: it is logged with its traceback and never dressed up as advice.
"""

from models.errors import ConfigError, Problem, VisionFTError, WeightsError

__all__ = [
    "ConfigError",
    "ExportError",
    "ImageError",
    "Problem",
    "ProjectError",
    "RunError",
    "VisionFTError",
    "WeightsError",
]


class ProjectError(VisionFTError):
    """The project folder, its database or a change to it is at fault."""


class ImageError(VisionFTError):
    """A picture cannot be used; `message` is the reason that lists show beside its path."""


class RunError(VisionFTError):
    """A training run's folder or checkpoint is missing, damaged or of another make."""


class ExportError(VisionFTError):
    """An export failed or differs from PyTorch; nothing was left behind."""
