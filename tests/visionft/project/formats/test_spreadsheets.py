"""Spreadsheets: rows of merged cells, limits on their size, and what their XML may not declare."""

import zipfile
from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.formats.spreadsheets import spreadsheet_rows

SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData>{}</worksheet>'


def write_sheet(file: Path, cells: dict[str, str], merged: str = "") -> Path:
    """Write a spreadsheet of Excel with the texts of some cells, a row each, and a range of merged cells."""
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    rows = "".join(
        f'<row><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>' for place, text in cells.items()
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{packages}/content-types"><Default Extension="xml" '
        f'ContentType="{types}.worksheet+xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{types}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r1" '
        f'Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r1" '
        f'Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEET[18:77]}" xmlns:r="{relation}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": SHEET.format(
            rows, f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
        ),
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file


def add_part(file: Path, name: str, text: str) -> Path:
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, text)
    return file


CELLS = {"A1": "Foto", "B1": "Klasse", "A2": "a.jpg", "B2": "cat", "A3": "b.jpg", "B3": "dog"}


def test_spreadsheets_within_limits(tmp_path: Path) -> None:
    rows = list(spreadsheet_rows(write_sheet(tmp_path / "table.xlsx", CELLS)))
    assert rows == [(1, ["Foto", "Klasse"]), (2, ["a.jpg", "cat"]), (3, ["b.jpg", "dog"])]
    merged = {place: text for place, text in CELLS.items() if place != "B3"}
    rows = list(spreadsheet_rows(write_sheet(tmp_path / "merged.xlsx", merged, "B2:B3")))
    assert rows[1:] == [(2, ["a.jpg", "cat"]), (3, ["b.jpg", "cat"])]
    with pytest.raises(ProjectError, match=r"20,000,000"):
        list(spreadsheet_rows(write_sheet(tmp_path / "bomb.xlsx", CELLS | {"XFD1048576": "x"})))


ENTITIES = '<!DOCTYPE a [<!ENTITY b "b">]>\n<a>&b;</a>'
ATTRIBUTES = '<!DOCTYPE a [<!ATTLIST a r CDATA "XFD1048576">]>\n<a/>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>\n<a>&b;</a>'
MACROS = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE library:libraries PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "libraries.dtd">
<library:libraries xmlns:library="http://openoffice.org/2000/library"/>"""


@pytest.mark.parametrize("part", [ENTITIES, ATTRIBUTES, EXTERNAL])
def test_a_document_type_with_declarations_is_refused(part: str, tmp_path: Path) -> None:
    file = add_part(write_sheet(tmp_path / "table.xlsx", CELLS), "xl/styles.xml", part)
    with pytest.raises(ProjectError, match="document type") as caught:
        list(spreadsheet_rows(file))
    assert caught.value.hint


def test_macros_of_libreoffice_are_not_refused(tmp_path: Path) -> None:
    file = write_sheet(tmp_path / "table.xlsx", CELLS)
    rows = list(spreadsheet_rows(file))
    assert rows == list(spreadsheet_rows(add_part(file, "Basic/script-lc.xml", MACROS)))


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    file = add_part(
        write_sheet(tmp_path / "table.xlsx", CELLS), "xl/styles.xml", '<?xml version="1.0" encoding="uto-8"?><a/>'
    )
    with pytest.raises(ProjectError, match=r"styles\.xml is no XML"):
        list(spreadsheet_rows(file))
