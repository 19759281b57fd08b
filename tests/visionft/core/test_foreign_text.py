"""Untrusted text: its form in terminals, JSON and spreadsheets."""

import csv
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionft.core.foreign_text import (
    from_spreadsheet_cell,
    is_unicode,
    printable,
    printable_json,
    spreadsheet_cell,
)

ANY_TEXT = st.text(st.characters())  # halves of pairs and control characters included


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe ж 猫 🦊 क्षि می‌خواهم", "Größe ж 猫 🦊 क्षि می‌خواهم"),
        ("a\x1b[31mb\x07", "a\\x1b[31mb\\x07"),
        ("\x9b2J", "\\x9b2J"),  # the one-byte form of ESC [
        ("a\nvisionft: done", "a\\nvisionft: done"),
        ("gpj\u202e.exe", "gpj\\u202e.exe"),
        ("\udfff.jpg", "\\udfff.jpg"),
        ("\u2028", "\\u2028"),
    ],
)
def test_what_steers_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_byte_that_is_no_utf8_is_shown_as_one() -> None:
    assert printable(Path(os.fsdecode(b"caf\xe9.jpg"))) == "caf\\xe9.jpg"


@given(ANY_TEXT)
def test_printable_text_is_utf8_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert is_unicode(shown) and not any(sign < " " or "\x7f" <= sign <= "\x9f" for sign in shown)
    assert printable(shown) == shown


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_json_holds_the_same_and_can_be_printed(value: dict[str, str]) -> None:
    text = printable_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert printable(text) == text and text.encode()


@given(st.text(st.sampled_from("=+-@\t\r\n'＝＠1a ,\"")))
def test_no_cell_is_run_and_each_comes_back(text: str) -> None:
    cell = spreadsheet_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert from_spreadsheet_cell(cell) == text
    written = io.StringIO()
    csv.writer(written).writerow([cell, "x"])
    assert next(csv.reader(io.StringIO(written.getvalue(), newline="")))[0] == cell
