"""Prompt templates. Torch-free.

A model trained on captions understands sentences better than single words. The seven are from Radford et al. (2021,
arXiv:2103.00020; notebook "Prompt Engineering for ImageNet") and nearly match their eighty.
"""

import re
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

_ARTICLE = re.compile(r"\b(a|the) ((?:\w+ )?)\{\}")  # before the blank, with one adjective between
_OWN_ARTICLE = re.compile(r"(an?|the) (?=\S)", re.IGNORECASE)
_PLURAL = re.compile(  # of the last word; without a dictionary, so that a rare noun may be taken for the other number
    r"(?:.*\W)?(?:(?!(?:lens|gas|atlas|canvas)$)\w*[^\Wsui]s|people|children|(?:\w*wo)?men|mice|feet|teeth|geese)$",
    re.IGNORECASE,
)
_VOWEL = re.compile(r"(?!uni|use|eu|one\b)[aeiou]", re.IGNORECASE)


def fill(template: str, words: str) -> str:
    """Return a template with words in its blank; its article follows them: `a cat`, `an ant`, `ants`, `the moon`."""
    own = _OWN_ARTICLE.match(words)
    noun = words[own.end() :] if own else words

    def with_article(found: re.Match[str]) -> str:
        phrase = f"{found[2]}{noun}"
        if "the" in (found[1], own and own[1].lower()):
            return f"the {phrase}"
        if _PLURAL.match(noun):
            return phrase
        return f"{'an' if _VOWEL.match(phrase) else 'a'} {phrase}"

    return _ARTICLE.sub(with_article, template).replace(BLANK, words)
