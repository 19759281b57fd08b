"""From what a person wrote of a class to the texts that stand for it. Torch-free.

A class has lines; none means its own name. Each line is put into each template of the chosen set; a line with `{}` is a
template itself, filled with the class's name, and is read as it is. All texts of a class count alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from visionft.zero_shot.templates import BLANK, TEMPLATE_SETS


@dataclass(frozen=True, slots=True)
class ClassTexts:
    """What stands for one class.

    Attributes:
        class_name: Whose texts they are.
        lines: What a person wrote; the class's name where nobody wrote anything.
        texts: What is read, each once.
        is_name_alone: Whether nobody wrote anything.
    """

    class_name: str
    lines: tuple[str, ...]
    texts: tuple[str, ...]
    is_name_alone: bool


def texts_of(class_name: str, lines: Sequence[str], templates: str) -> ClassTexts:
    """Return the texts of one class.

    Args:
        class_name: Its name; underscores are read as spaces.
        lines: Its prompts, none of them empty; no line means the name.
        templates: A key of `TEMPLATE_SETS`.
    """
    spoken = class_name.replace("_", " ").strip() or class_name
    written = tuple(lines) or (spoken,)
    texts = [text for line in written for text in _filled(line, spoken, templates)]
    return ClassTexts(class_name, written, tuple(dict.fromkeys(texts)), is_name_alone=not lines)


def all_texts(class_names: Sequence[str], prompts: Sequence[Sequence[str]], templates: str) -> tuple[ClassTexts, ...]:
    """Return the texts of all classes, in their order; `prompts` may be empty where nobody wrote any."""
    written = prompts or [()] * len(class_names)
    return tuple(texts_of(name, lines, templates) for name, lines in zip(class_names, written, strict=True))


def _filled(line: str, spoken: str, templates: str) -> list[str]:
    if BLANK in line:
        return [line.replace(BLANK, spoken)]
    return [template.replace(BLANK, line) for template in TEMPLATE_SETS[templates]]


def same_texts(classes: Sequence[ClassTexts]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of classes that the very same texts stand for: no picture can tell these apart.

    Texts are compared as the text sides read them: without case, and without spaces at the ends.
    """
    groups: dict[frozenset[str], list[str]] = {}
    for each in classes:
        groups.setdefault(frozenset(text.casefold().strip() for text in each.texts), []).append(each.class_name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)
