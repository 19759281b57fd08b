"""A few bytes of a label file can expand to gigabytes: the cost of reading is bounded, and grows with its size."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from visionft.core.errors import ProjectError
from visionft.project.formats import whole_files
from visionft.project.formats.cvat import read_cvat
from visionft.project.formats.hugging_face import read_parquet
from visionft.project.formats.readers import read_table
from visionft.project.formats.voc import read_voc
from visionft.project.formats.whole_files import xml_elements

COUNT = 30_000
NUMBERS = range(COUNT)
LARGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.json": (read_table, "[" + "[]," * COUNT + "[]]"),
    "rows.csv": (read_table, "file_name,label\n" + "x.png,a\n" * COUNT),
    "elements.xml": (read_cvat, "<a><b>" + "<c/>" * COUNT + "</b></a>"),
    "voc/ImageSets/Main/train.txt": (lambda file: read_voc(file.parents[2]), "\n".join(map(str, NUMBERS))),
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
