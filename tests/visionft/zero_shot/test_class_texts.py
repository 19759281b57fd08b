"""From lines to texts: names, templates, lines used as templates, and indistinguishable classes."""

import re

import pytest

from visionft.zero_shot.class_texts import all_texts, same_texts, texts_of
from visionft.zero_shot.templates import BLANK, TEMPLATE_SETS


def test_each_line_is_put_into_each_template_and_equal_texts_count_once() -> None:
    found = texts_of("wine_glass", (), "photo")
    assert found.is_name_alone and found.texts == ("a photo of a wine glass.",)
    found = texts_of("glass", ("a bottle", "a jar", "a bottle"), "seven")
    assert not found.is_name_alone and len(found.texts) == 14
    assert found.texts[0] == "itap of a bottle." and found.lines == ("a bottle", "a jar", "a bottle")


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("ants", "a photo of ants."),
        ("ant", "a photo of an ant."),
        ("wine_glasses", "a photo of wine glasses."),
        ("glass", "a photo of a glass."),
        ("bus", "a photo of a bus."),
        ("an apple", "a photo of an apple."),
        ("the Eiffel Tower", "a photo of the Eiffel Tower."),
        ("T-shirts", "a photo of T-shirts."),
        ("unicorn", "a photo of a unicorn."),
    ],
)
def test_the_article_of_a_template_follows_the_words(words: str, read: str) -> None:
    assert texts_of(words, (), "photo").texts == (read,)
    for text in texts_of(words, (), "seven").texts:
        assert not re.search(r"\b(an?|the) (an?|the)\b|\ba [aeo]", text)


def test_a_line_with_a_blank_is_a_template_itself() -> None:
    assert texts_of("glass", ("a {} on a belt",), "seven").texts == ("a glass on a belt",)
    assert texts_of("glass", ("a {} on a belt", "jar"), "none").texts == ("a glass on a belt", "jar")


def test_every_template_has_one_blank() -> None:
    assert all(template.count(BLANK) == 1 for templates in TEMPLATE_SETS.values() for template in templates)
    assert len(TEMPLATE_SETS["seven"]) == 7


def test_classes_that_the_same_texts_stand_for_are_named() -> None:
    names = ("glass", "Glass", "jar", "pot", "can")
    classes = all_texts(names, ((), (), ("pot", "jar"), ("jar", "pot"), ()), "photo")
    assert same_texts(classes) == (("glass", "Glass"), ("jar", "pot"))
    assert same_texts(all_texts(("a", "b"), (), "photo")) == ()
