"""From the prompt lines of a class to its texts. Torch-free.

A class has lines; without any, its name is used. Each line is put into each template of the chosen set; a line with
`{}` is a template itself, filled with the class's name. All texts of a class have equal weight.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BLANK: Final = "{}"
# A model trained on captions understands sentences better than single words. The seven are from Radford et al. (2021,
# arXiv:2103.00020; notebook "Prompt Engineering for ImageNet") and nearly match their eighty.
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


@dataclass(frozen=True, slots=True)
class ClassTexts:
    """The texts of one class for the encoder, without repetition, from its prompt lines.

    `lines` hold the class's name, and `is_name_alone` is true, where there are no prompt lines.
    """

    class_name: str
    lines: tuple[str, ...]
    texts: tuple[str, ...]
    is_name_alone: bool


def fill(template: str, words: str) -> str:
    """Return a template with its blank filled by `words`, and the article before the blank adapted to them.

    For example `a cat`, `an ant`, `ants`, `the moon`.
    """
    own_article = _OWN_ARTICLE.match(words)
    noun = words[own_article.end() :] if own_article else words

    def with_article(match: re.Match[str]) -> str:
        phrase = f"{match[2]}{noun}"
        if "the" in (match[1], own_article and own_article[1].lower()):
            return f"the {phrase}"
        if _PLURAL.match(noun):
            return phrase
        return f"{'an' if _VOWEL.match(phrase) else 'a'} {phrase}"

    return _ARTICLE.sub(with_article, template).replace(BLANK, words)


def texts_of(class_name: str, lines: Sequence[str], templates: str) -> ClassTexts:
    """Return the texts of one class for its prompt lines, without empty texts; no line means the name.

    Underscores of the name are read as spaces; `templates` is a key of `TEMPLATE_SETS`.
    """
    spoken = class_name.replace("_", " ").strip() or class_name
    written = tuple(lines) or (spoken,)
    texts: list[str] = []
    for line in written:
        if BLANK in line:  # a template itself
            texts.append(line.replace(BLANK, spoken))
        else:
            texts += [fill(template, line) for template in TEMPLATE_SETS[templates]]
    return ClassTexts(class_name, written, tuple(dict.fromkeys(texts)), is_name_alone=not lines)


def all_texts(class_names: Sequence[str], prompts: Sequence[Sequence[str]], templates: str) -> tuple[ClassTexts, ...]:
    """Return the texts of all classes, in their order; `prompts` may be empty."""
    written = prompts or [()] * len(class_names)
    return tuple(texts_of(name, lines, templates) for name, lines in zip(class_names, written, strict=True))


def same_texts(classes: Sequence[ClassTexts]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of classes with identical texts: no image can distinguish them.

    Texts are compared as text encoders read them: without case, and without spaces at the ends.
    """
    groups: dict[frozenset[str], list[str]] = {}
    for class_texts in classes:
        groups.setdefault(frozenset(text.casefold().strip() for text in class_texts.texts), []).append(
            class_texts.class_name
        )
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)
