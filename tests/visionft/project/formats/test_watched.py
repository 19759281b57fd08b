"""Small label files that would take gigabytes or minutes end soon and in little memory, and usual ones are read."""

import json
import random
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from expanding_files import (
    aliases,
    changing_keys,
    compound_file,
    old_records,
    open_document,
    open_document_cell,
    open_document_row,
    packed,
    parquet_of_one_text,
    shared_workbook,
    workbook_parts,
)
from packed_files import xlsx_content

from visionft.errors import ProjectError
from visionft.files import parse_yaml
from visionft.jobs import SILENT
from visionft.project.formats import watched
from visionft.project.formats.readers import read_table
from visionft.project.formats.watched import foreign_rows
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

CELL = open_document_cell
ROW = open_document_row
WIDE = "x" * 1000
SHEET = [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3), (2, 0, 4), (2, 1, 5)]
TEXTS = ["file", "label", "a.png", "cat", "b.png", "dog"]
EXPANDING: dict[str, Callable[[], bytes | str]] = {
    "shared.xlsx": shared_workbook,
    "last row.xlsx": lambda: packed(
        workbook_parts("<row>" + "<c/>" * 999 + '</row><row r="1048576"><c><v>1</v></c></row>')
    ),
    "cells.ods": lambda: open_document(ROW(CELL(WIDE, columns=1000), times=10_000)),
    "loop.xls": lambda: compound_file(b"", loop=1),
    "stated.xls": lambda: compound_file(old_records(TEXTS, SHEET), directories=0x7FFFFFFF, minis=0x7FFFFFFF),
    "shared.xls": lambda: compound_file(
        old_records(["x" * 60_000], [(row, column, 0) for row in range(20_000) for column in range(3)])
    ),
    "text.parquet": parquet_of_one_text,
    "keys.jsonl": changing_keys,
    "long key.jsonl": lambda: json.dumps({"k" * 1_000_000: [{"a": 1}] * 50_000, "file": "a.png"}),
    "columns.csv": lambda: ",".join(f"c{n}" for n in range(200_000)) + "\n" + ",".join(["1"] * 200_000),
    "cells.csv": lambda: "file" + "," * 40_000 + "\n" + ("a.png" + "," * 40_000 + "\n") * 1500,
    "data.yaml": aliases,
    "numbers.yaml": lambda: "names: [a, b]\nx: " + ":".join(["1"] * 300_000),
}
QUICK = ("shared.xlsx", "loop.xls", "columns.csv", "data.yaml")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in EXPANDING]
)
def test_what_would_become_gigabytes_ends_soon(
    name: str, tmp_path: Path, draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "MAX_SECONDS", 5)
    content = EXPANDING[name]()
    file = tmp_path / "data" / name
    file.parent.mkdir()
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    draw(file.parent / "a.png", 1)
    if file.suffix == ".yaml":
        (file.parent / "a.txt").write_text("0 .5 .5 .1 .1\n")
        file = file.parent
    began = time.process_time()
    with Project.create(tmp_path / "project") as project:
        try:
            import_source(project, file, job=SILENT)
        except ProjectError as error:
            assert error.message and error.hint
    assert time.process_time() - began < 20
    if sys.platform == "linux":
        import resource

        kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert kilobytes < 1.5 * watched.MAX_MEMORY / 1024


def test_a_parser_is_ended_at_its_limit_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "MAX_MEMORY", 1_000_000)
    rows = "".join(f"<row><c><v>{number}</v></c></row>" for number in range(200_000))
    (tmp_path / "a.xlsx").write_bytes(packed(workbook_parts(rows)))
    with pytest.raises(ProjectError) as caught:
        list(foreign_rows("spreadsheet", tmp_path / "a.xlsx", "a spreadsheet"))
    assert caught.value.hint


def test_repeated_parts_of_yaml_are_refused_and_scalars_stay_text() -> None:
    assert parse_yaml("names: {0: no, 1: 1:30}") == {"names": {"0": "no", "1": "1:30"}}
    for text in ("a: &a [x]\nb: *a", "a: &a {x: y}\nb: {<<: *a}", "- [", "[" * 5000, "a: b\n---\nc: d", "\x00"):
        with pytest.raises(ValueError):
            parse_yaml(text)


def test_usual_spreadsheets_of_all_kinds_say_the_same(tmp_path: Path) -> None:
    rows = [TEXTS[place : place + 2] for place in range(0, len(TEXTS), 2)]
    empty = '<table:table-cell table:number-columns-repeated="16382"/>'
    cells = "".join(ROW(*map(CELL, row), empty) for row in rows)
    # LibreOffice fills the sheet with empty rows, and may write a second one.
    rest = ROW('<table:table-cell table:number-columns-repeated="16384"/>', times=1_048_573)
    other = f'</table:table><table:table table:name="T">{ROW(*[CELL("x")] * 40)}{rest}'
    shared = "".join(
        f'<row r="{r + 1}"><c r="A{r + 1}" t="s"><v>{2 * r}</v></c><c r="B{r + 1}" t="s"><v>{2 * r + 1}</v></c></row>'
        for r in range(3)
    )
    files = {
        "a.xlsx": packed(workbook_parts(shared, TEXTS)),
        "b.xlsx": xlsx_content(rows),
        "a.ods": open_document(cells + rest + other),
        "a.xls": compound_file(old_records(TEXTS, SHEET, dimensions=struct.pack("<IIHHH", 0, 3, 0, 2, 0))),
        "b.xls": compound_file(old_records(TEXTS, SHEET), name="Book"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert [cells for _, cells in foreign_rows("spreadsheet", tmp_path / name, name)] == rows, name


def test_a_merged_cell_counts_in_each_of_its_rows(tmp_path: Path) -> None:
    cells = {"A1": "Foto", "B1": "Klasse", "A2": "a.jpg", "B2": "cat", "A3": "b.jpg"}
    rows = "".join(
        f'<row><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>' for place, text in cells.items()
    )
    parts = workbook_parts(rows)
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(
        "</sheetData>", '</sheetData><mergeCells count="1"><mergeCell ref="B2:B3"/></mergeCells>'
    )
    (tmp_path / "a.xlsx").write_bytes(packed(parts))
    read = list(foreign_rows("spreadsheet", tmp_path / "a.xlsx", "a spreadsheet"))
    assert read == [[1, ["Foto", "Klasse"]], [2, ["a.jpg", "cat"]], [3, ["b.jpg", "cat"]]]


def test_damaged_spreadsheets_are_read_or_say_what_is_wrong(tmp_path: Path) -> None:
    """Bytes are changed, and ends are cut off: calamine returns errors, and panics."""
    shared = "".join(f'<row><c t="s"><v>{2 * r}</v></c><c t="s"><v>{2 * r + 1}</v></c></row>' for r in range(3))
    whole = {
        "a.xlsx": packed(workbook_parts(shared, TEXTS)),
        "a.ods": open_document("".join(ROW(CELL("a"), CELL(str(n))) for n in range(9))),
        "a.xls": compound_file(old_records(TEXTS, SHEET)),
    }
    generator, refused = random.Random(0), 0
    for name, content in whole.items():
        for number in range(12):
            damaged = bytearray(content)
            for _ in range(1 + number % 8):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            file = tmp_path / name
            file.write_bytes(damaged[: generator.randrange(len(damaged))] if number % 10 == 0 else damaged)
            try:
                list(foreign_rows("spreadsheet", file, "a spreadsheet"))
            except ProjectError as error:
                refused += 1
                assert error.message and error.hint
    assert refused > 10


@pytest.mark.slow
def test_usual_tables_of_many_rows_are_read(tmp_path: Path) -> None:
    """Nothing of a usual size meets a limit."""
    texts = [f"text {n}" for n in range(500)]
    head = "".join(f"<c><v>{n}</v></c>" for n in range(18))
    sheet = "".join(
        f'<row><c t="inlineStr"><is><t>{n}.png</t></is></c><c t="s"><v>{n % 500}</v></c>{head}</row>'
        for n in range(20_000)
    )
    (tmp_path / "t.xlsx").write_bytes(
        packed(workbook_parts('<row><c t="inlineStr"><is><t>file</t></is></c><c t="inlineStr"><is><t>label</t></is></c>'
                              + "".join(f'<c t="inlineStr"><is><t>v{n}</t></is></c>' for n in range(18))
                              + f"</row>{sheet}", texts))
    )  # fmt: skip
    others = ",".join(f"v{n}" for n in range(18))
    lines = (f"{n}.png,text {n % 500},{',' * 17}" for n in range(100_000))
    (tmp_path / "t.csv").write_text(f"file,label,{others}\n" + "\n".join(lines))
    for name, count in (("t.xlsx", 20_000), ("t.csv", 100_000)):
        files = read_table(tmp_path / name).files
        assert len(files) == count and {each.labels for each in files} == {(text,) for text in texts}
