"""From lines to texts: names, templates, lines used as templates, and indistinguishable classes."""

import re

import pytest

from models.text.class_texts import TEMPLATE_SETS, texts_of


def photo(words: str) -> str:
    """Return words in the template `photo`, with their article."""
    return TEMPLATE_SETS["photo"][0].replace("a {}", words)


def test_each_line_is_put_into_each_template_and_equal_texts_count_once() -> None:
    found = texts_of("wine_glass", (), "photo")
    assert found.is_name_alone and found.texts == (photo("a wine glass"),)
    found = texts_of("glass", ("a bottle", "a jar", "a bottle"), "seven")
    assert not found.is_name_alone and len(found.texts) == 14
    assert "bottle" in found.texts[0] and found.lines == ("a bottle", "a jar", "a bottle")


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("ants", "ants"),
        ("ant", "an ant"),
        ("wine_glasses", "wine glasses"),
        ("glass", "a glass"),
        ("bus", "a bus"),
        ("an apple", "an apple"),
        ("the Eiffel Tower", "the Eiffel Tower"),
        ("T-shirts", "T-shirts"),
        ("unicorn", "a unicorn"),
    ],
)
def test_the_article_of_a_template_follows_the_words(words: str, read: str) -> None:
    assert texts_of(words, (), "photo").texts == (photo(read),)
    wrong = re.compile(r"\b(an?|the) (an?|the)\b|\ba [aeo]")
    assert not any(wrong.search(text) for text in texts_of(words, (), "seven").texts)


def test_a_line_with_a_blank_is_a_template_itself() -> None:
    assert texts_of("glass", ("my {}",), "seven").texts == ("my glass",)
    assert texts_of("glass", ("my {}", "jar"), "none").texts == ("my glass", "jar")
