"""Small label files that would take gigabytes or minutes end soon and in little memory, and usual ones are read."""

import json
import random
import struct
import subprocess
import sys
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
    record,
    shared_workbook,
    workbook_parts,
)
from packed_files import xlsx_content

from visionft.errors import ProjectError
from visionft.files import parse_yaml
from visionft.project.formats.readers import read_table
from visionft.project.formats.spreadsheets import spreadsheet_rows

SECONDS, MEGABYTES = 20, 1500
# Reads a file as an import does, in limits of memory and time; the last line is the outcome.
READER = f"""
import resource, signal, sys
from pathlib import Path
from visionft.errors import VisionFTError
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

signal.alarm({SECONDS})
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + {MEGABYTES} * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
try:
    with Project.create(Path(sys.argv[2])) as project:
        report = import_source(project, Path(sys.argv[1]))
        print("read", report.added)
except VisionFTError as error:
    print("refused", error.message)
"""
CELL = open_document_cell
ROW = open_document_row
WIDE = "x" * 1000
SHEET = [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3), (2, 0, 4), (2, 1, 5)]
TEXTS = ["file", "label", "a.png", "cat", "b.png", "dog"]


def larger_than_stated(parts: dict[str, str]) -> bytes:
    """Return a zip whose last part states the size of its beginning, and the hash of that."""
    import zlib

    content = bytearray(packed(parts))
    name = list(parts)[-1].encode()
    stated = 100
    whole = list(parts.values())[-1].encode()
    place = content.rindex(name) - 46
    struct.pack_into("<I", content, place + 16, zlib.crc32(whole[:stated]))
    struct.pack_into("<I", content, place + 24, stated)
    return bytes(content)


EXPANDING: dict[str, Callable[[], bytes | str]] = {
    "shared.xlsx": shared_workbook,
    "shared by few.xlsx": lambda: shared_workbook(60_000_000, 100),
    "no places.xlsx": lambda: packed(
        workbook_parts("<row>" + "<c><v>1</v></c>" * 20_000 + "</row>" + "<row/>" * 2000 + "<row><c/></row>")
    ),
    "last row.xlsx": lambda: packed(
        workbook_parts("<row>" + "<c/>" * 999 + '</row><row r="1048576"><c><v>1</v></c></row>')
    ),
    "long reference.xlsx": lambda: packed(workbook_parts('<row><c r="A0000000001048576"/><c r="XFD1"/></row>')),
    "other place.xlsx": lambda: packed(
        workbook_parts('<row><c r="A1"><v>1</v></c><c r="XFD1048576"><v>1</v></c></row>', place="worksheets/sheet1.bin")
    ),
    "many sheets.xlsx": lambda: packed(workbook_parts("<row/>" * 500_000, sheets=500)),
    "more than it states.xlsx": lambda: larger_than_stated(
        workbook_parts('<row><c r="A1"><v>1</v></c></row>' + " " * 600_000_000)
    ),
    "cells.ods": lambda: open_document(ROW(CELL(WIDE, columns=1000), times=10_000)),
    "text.ods": lambda: open_document(ROW(CELL(WIDE * 1000), times=10_000)),
    "blanks.ods": lambda: open_document(ROW(CELL('<text:s text:c="900000000"/>'), times=3)),
    "sheets.ods": lambda: open_document(
        '</table:table><table:table table:name="T">'.join([ROW(CELL("x", columns=1000), times=19_000)] * 30)
    ),
    "formulas.ods": lambda: open_document(
        ROW(f'<table:table-cell table:formula="{WIDE * 100}" table:number-columns-repeated="900"/>', times=900)
    ),
    "negative.ods": lambda: open_document(ROW(CELL(WIDE * 1000, columns=-1), CELL(WIDE * 1000), times=10_000)),
    "loop.xls": lambda: compound_file(b"", loop=1),
    "directory loop.xls": lambda: compound_file(old_records(TEXTS, SHEET), directory_loop=1),
    "stated.xls": lambda: compound_file(old_records(TEXTS, SHEET), directories=0x7FFFFFFF, minis=0x7FFFFFFF),
    "table loop.xls": lambda: compound_file(old_records(TEXTS, SHEET), more=0),
    "shared.xls": lambda: compound_file(
        old_records(["x" * 60_000], [(row, column, 0) for row in range(20_000) for column in range(3)])
    ),
    "many sheets.xls": lambda: compound_file(
        old_records(["x" * 6000], [(row, 0, 0) for row in range(2000)], sheets=2000)
    ),
    "far cell.xls": lambda: compound_file(old_records(TEXTS, [*SHEET, (65_535, 65_535, 0)])),
    "dimensions.xls": lambda: compound_file(
        old_records(TEXTS, SHEET, dimensions=struct.pack("<IIHHH", 0, 0xFFFFFFFF, 0, 0xFFFF, 0))
    ),
    "texts.xls": lambda: compound_file(
        record(0x809, bytes(16)) + record(0xFC, struct.pack("<Ii", 1, 0x7FFFFFFF)) + record(0x0A)
    ),
    "keys.jsonl": changing_keys,
    "more keys.jsonl": lambda: changing_keys(6000, 4),
    "a line of keys.jsonl": lambda: changing_keys(1, 300_000),
    "long key.jsonl": lambda: json.dumps({"k" * 1_000_000: [{"a": 1}] * 50_000, "file": "a.png"}),
    "columns.csv": lambda: ",".join(f"c{n}" for n in range(200_000)) + "\n" + ",".join(["1"] * 200_000),
    "columns without a title.csv": lambda: "file\n" + ("a.png" + "," * 300_000 + "\n") * 100,
    "cells.csv": lambda: "file" + "," * 40_000 + "\n" + ("a.png" + "," * 40_000 + "\n") * 1500,
    "data.yaml": aliases,
    "numbers.yaml": lambda: "names: [a, b]\nx: " + ":".join(["1"] * 300_000),
}


QUICK = ("shared.xlsx", "cells.ods", "directory loop.xls", "columns.csv", "data.yaml")


@pytest.fixture
def read_within_limits(tmp_path: Path) -> Callable[[Path], str]:
    """Return a function that imports a file in a process with limits on memory and time, and returns the outcome."""

    def read(path: Path) -> str:
        command = [sys.executable, "-c", READER, str(path), str(tmp_path / "project")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3 * SECONDS, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return read


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on a process's memory")
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in EXPANDING]
)
def test_what_would_become_gigabytes_ends_soon(name: str, tmp_path: Path, draw, read_within_limits) -> None:
    content = EXPANDING[name]()
    file = tmp_path / "data" / name
    file.parent.mkdir()
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    draw(file.parent / "a.png", 1)
    if file.suffix == ".yaml":
        (file.parent / "a.txt").write_text("0 .5 .5 .1 .1\n")
        file = file.parent
    assert read_within_limits(file)


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
        assert [cells for _, cells in spreadsheet_rows(tmp_path / name)] == rows, name


def test_damaged_spreadsheets_are_read_or_say_what_is_wrong(tmp_path: Path) -> None:
    """Bytes are changed, and ends are cut off: calamine panics, and zipfile and zlib raise errors of their own."""
    shared = "".join(f'<row><c t="s"><v>{2 * r}</v></c><c t="s"><v>{2 * r + 1}</v></c></row>' for r in range(3))
    whole = {
        "a.xlsx": packed(workbook_parts(shared, TEXTS)),
        "a.ods": open_document("".join(ROW(CELL("a"), CELL(str(n))) for n in range(9))),
        "a.xls": compound_file(old_records(TEXTS, SHEET)),
    }
    generator, refused = random.Random(0), 0
    for name, content in whole.items():
        for number in range(60):
            damaged = bytearray(content)
            for _ in range(1 + number % 8):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            file = tmp_path / name
            file.write_bytes(damaged[: generator.randrange(len(damaged))] if number % 10 == 0 else damaged)
            try:
                list(spreadsheet_rows(file))
            except ProjectError as error:
                refused += 1
                assert error.message and error.hint
    assert refused > 60


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
