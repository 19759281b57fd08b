"""Small label files that would take gigabytes or minutes end soon and in little memory, and usual ones are read."""

import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from expanding_files import (
    aliases,
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

from visionft.core.errors import ProjectError
from visionft.core.files import parse_yaml
from visionft.core.jobs import SILENT_JOB
from visionft.project.formats import watched
from visionft.project.formats.watched import foreign_rows
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

CELL = open_document_cell
ROW = open_document_row
SHEET = [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3), (2, 0, 4), (2, 1, 5)]
TEXTS = ["file", "label", "a.png", "cat", "b.png", "dog"]
EXPANDING: dict[str, Callable[[], bytes | str]] = {
    "shared.xlsx": shared_workbook,
    "loop.xls": lambda: compound_file(b"", loop=1),
    "text.parquet": parquet_of_one_text,
    "columns.csv": lambda: ",".join(f"c{n}" for n in range(200_000)) + "\n" + ",".join(["1"] * 200_000),
    "data.yaml": aliases,
}


def largest_child() -> int:
    """Return the memory of the largest process that this one has started and that has ended, in bytes; 0 elsewhere."""
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name.endswith("parquet") else name for name in EXPANDING],
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
    largest_before = largest_child()
    began = time.process_time()
    with ProjectStore.create(tmp_path / "project") as project:
        try:
            import_source(project, file, job=SILENT_JOB)
        except ProjectError as error:
            assert error.message and error.hint
    assert time.process_time() - began < 20
    assert largest_child() == largest_before or largest_child() < 1.5 * watched.MAX_MEMORY


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
