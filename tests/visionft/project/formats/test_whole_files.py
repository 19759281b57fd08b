"""A few bytes of a label file can expand to gigabytes: the cost of reading is bounded, and grows with its size."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.formats import hugging_face, whole_files
from visionft.project.formats.cvat import read_cvat
from visionft.project.formats.hugging_face import images_within, read_parquet
from visionft.project.formats.listing import Listing
from visionft.project.formats.readers import read_table
from visionft.project.formats.voc import read_voc
from visionft.project.formats.whole_files import Element, xml_elements
from visionft.suggest.audit import read_answers

COUNT = 30_000
NUMBERS = range(COUNT)
LARGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.json": (read_table, "[" + "[]," * COUNT + "[]]"),
    "nested.jsonl": (read_table, ('{"file_name":"a.png","label":[' + "[]," * (COUNT // 10) + "[]]}\n") * 10),
    "rows.csv": (read_table, "file_name,label\n" + "x.png,a\n" * COUNT),
    "labels.csv": (read_table, "file_name,labels\n" + "x.png," + "ab|" * (3 * COUNT) + "c\n"),
    "none.csv": (read_table, "file_name,label\nx.png,a\n" + ",a\n" * COUNT),
    "elements.xml": (read_cvat, "<a><b>" + "<c/>" * COUNT + "</b></a>"),
    "attributes.xml": (read_cvat, "<a><b " + " ".join(f'a{number}="1"' for number in NUMBERS) + "/></a>"),
    "texts.xml": (read_cvat, "<a><b>" + "<c/>x" * COUNT + "</b></a>"),
    "voc/ImageSets/Main/train.txt": (lambda file: read_voc(file.parents[2]), "\n".join(map(str, NUMBERS))),
    "answers.csv": (lambda file: read_answers(file, ["a"]), "image_id,answer\n" + "1,a\n" * COUNT),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_would_take_too_much_memory_is_refused(name: str, tmp_path: Path, monkeypatch) -> None:
    read, content = LARGE[name]
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    limit = 2_000_000
    monkeypatch.setattr(whole_files, "MAX_MEMORY", limit)
    tracemalloc.start()
    with pytest.raises(ProjectError) as caught:
        read(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "memory" in caught.value.message and caught.value.hint
    assert peak < 8 * limit  # its text and the values of a line next to it


@pytest.mark.parametrize("beginning", ["<a><b ", "<a><!--"])
def test_a_tag_of_many_megabytes_is_refused(beginning: str, tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text(beginning + " ".join(f'a{number}="1"' for number in range(500_000)))
    with pytest.raises(ProjectError):
        list(xml_elements(file))


@pytest.mark.parametrize("count", [1000, 4000])
def test_a_long_text_is_put_together_once(count: int, tmp_path: Path, monkeypatch) -> None:
    """Counts characters copied into an element; expat delivers its text in pieces."""
    file, copied = tmp_path / "a.xml", [0]

    class Counting(Element):
        def __setattr__(self, name: str, value: object) -> None:
            copied[0] += len(value) if name == "text" and isinstance(value, str) else 0
            super().__setattr__(name, value)

    monkeypatch.setattr(whole_files, "Element", Counting)
    file.write_text("<a><b>" + "<c/>one line\n" * count + "</b></a>")
    text = next(xml_elements(file)).text
    assert text == "one line\n" * count and copied[0] <= len(text)


def test_a_text_that_all_rows_of_a_parquet_table_share_is_made_once(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file, rows, label = tmp_path / "a.parquet", 1000, "a" * 100_000
    shared = arrow.DictionaryArray.from_arrays(arrow.array([0] * rows), arrow.array([label]))
    parquet.write_table(arrow.table({"file_name": ["x.png"] * rows, "label": shared}), file, store_schema=False)
    pool = arrow.default_memory_pool()
    before = pool.max_memory()
    tracemalloc.start()
    listing: Listing = read_parquet(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert file.stat().st_size < 20_000 and {each.labels for each in listing.files} == {(label,)}
    assert peak < 20_000_000 and pool.max_memory() < max(before, 20_000_000)


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", ""])
def test_a_parquet_table_says_the_same_however_its_texts_are_stored(encoding: str, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"file_name": ["a.png", "b.png", "c.png"], "labels": [["x", "y"], None, ["x"]]})
    stored = {"use_dictionary": False, "column_encoding": {"file_name": encoding}} if encoding else {}
    parquet.write_table(table, tmp_path / "a.parquet", **stored)
    listing = read_parquet(tmp_path / "a.parquet")
    assert [each.labels for each in listing.files] == [("x", "y"), (), ("x",)]


def test_a_parquet_row_that_holds_millions_of_labels_is_refused(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    count = 6_000_000
    label = arrow.DictionaryArray.from_arrays(arrow.nulls(count, arrow.int8()).fill_null(0), arrow.array(["a"]))
    labels = arrow.ListArray.from_arrays(arrow.array([0, count], arrow.int32()), label)
    parquet.write_table(arrow.table({"file_name": ["a.png"], "labels": labels}), tmp_path / "a.parquet")
    with pytest.raises(ProjectError, match="6,000,000"):
        read_parquet(tmp_path / "a.parquet")


@pytest.mark.slow
def test_parquet_tables_that_are_made_of_little_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """Columns of one value, and pages that are packed well, take a few bytes for any number of cells and texts."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    one = arrow.nulls(2_000_000, arrow.int8())
    names = arrow.DictionaryArray.from_arrays(arrow.nulls(2_000_000, arrow.int8()).fill_null(0), arrow.array(["a.png"]))
    long = arrow.array(["x" * 110_000_000])
    shared = arrow.DictionaryArray.from_arrays(arrow.nulls(4000, arrow.int8()).fill_null(0), arrow.array(["x" * 10**6]))
    tables = {
        "cells": {"file_name": names, **{f"v{number}": one for number in range(30)}},
        "text": {"file_name": ["a.png"], "label": long},
        "shared": {"file_name": ["a.png"] * 4000, "label": shared},
    }
    for name, columns in tables.items():
        file = tmp_path / f"{name}.parquet"
        parquet.write_table(
            arrow.table(columns), file, compression="zstd", store_schema=False, use_dictionary=name != "text"
        )
        assert file.stat().st_size < 12_000_000
        with pytest.raises(ProjectError) as caught:
            read_parquet(file)
        assert caught.value.hint


def understate(file: Path, number: int, times: int = -1) -> None:
    """Write 1 for a 64-bit number in the footer of a Parquet file (Thrift's compact protocol), in as many bytes."""
    old, left = [0x16], 2 * number
    while left > 127:
        old, left = [*old, left % 128 + 128], left // 128
    new = bytes([0x16, 0x82, *[0x80] * (len(old) - 2), 0])
    data = file.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    changed = data[start:].replace(bytes([*old, left]), new, times)
    assert changed != data[start:]
    file.write_bytes(data[:start] + changed)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("understated", ["sizes", "values", "rows"])
def test_a_parquet_table_is_bounded_by_its_pages_whatever_its_footer_says(
    understated: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    limit = {"sizes": "_MAX_UNPACKED", "values": "_MAX_IN_LISTS", "rows": "_MAX_ROWS"}[understated]
    monkeypatch.setattr(hugging_face, limit, 50_000)
    labels = {"sizes": [["a" * 60_000]], "values": [["a"] * 60_000], "rows": [["a"]] * 60_000}[understated]
    table = arrow.table({"file_name": ["a.png"] * len(labels), "labels": labels})
    file = tmp_path / "a.parquet"
    parquet.write_table(
        table, file, use_dictionary=False, compression="zstd", store_schema=False, write_statistics=False,
        data_page_version=version, max_rows_per_page=10**6, write_batch_size=10**6
    )  # fmt: skip
    chunk = parquet.read_metadata(file).row_group(0).column(1)
    number = {"sizes": chunk.total_uncompressed_size, "values": chunk.num_values, "rows": len(labels)}[understated]
    understate(file, number, times=1 if understated == "rows" else -1)  # the first one is of the whole file
    with pytest.raises(ProjectError, match="50,000|50 kB"):
        read_parquet(file)


def test_a_parquet_table_with_damaged_pages_is_refused(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"file_name": ["a.png"] * 9}), file)
    data = file.read_bytes()
    for header in (b"\xff" * 12, b"\x15" * 12, bytes(12), b"\x1c" * 12, b"\x18\xff\xff\xff\xff\x07"):
        file.write_bytes(data[:4] + header + data[4 + len(header) :])
        with pytest.raises(ProjectError) as caught:
            read_parquet(file)
        assert caught.value.hint


@pytest.mark.slow
def test_images_in_parquet_that_are_made_of_little_are_refused(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    images = [{"bytes": bytes(150_000_000), "path": "a.png"}]
    file = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"image": images}), file, compression="zstd", use_dictionary=False)
    with pytest.raises(ProjectError):
        next(images_within(file))
    understate(file, parquet.read_metadata(file).row_group(0).column(0).total_uncompressed_size)
    with pytest.raises(ProjectError):
        next(images_within(file))


def test_xml_of_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text('<?xml version="1.0" encoding="uto-8"?><annotations/>', encoding="utf-8")
    with pytest.raises(ProjectError, match="line 1: unknown encoding"):
        list(xml_elements(tmp_path / "x.xml"))
