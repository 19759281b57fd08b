"""The sentences that a prompt is put into before a text side reads it. Torch-free.

A model that learned from captions knows sentences better than bare words. The seven are those that Radford et al.
(2021, arXiv:2103.00020; their notebook "Prompt Engineering for ImageNet") found to do nearly what all their eighty do.
"""

from typing import Final

BLANK: Final = "{}"
TEMPLATE_SETS: Final[dict[str, tuple[str, ...]]] = {
    "photo": ("a photo of a {}.",),
    "seven": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    "none": ("{}",),
}
DEFAULT_TEMPLATES: Final = "photo"
