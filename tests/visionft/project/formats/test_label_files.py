"""CSV and JSONL of many makes, and hostile ones: good rows are taken, bad ones listed with their reason."""

import os
from pathlib import Path

import pytest

from visionft.core.errors import ProjectError
from visionft.project.formats.folders import ImageIndex
from visionft.project.formats.image_table import ReadOptions
from visionft.project.formats.locating import AmbiguousNameError, ImageFinder
from visionft.project.importing.importer import import_source
from visionft.project.queries import find_images, image_rows
from visionft.project.store import ProjectStore


def write_csv(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder / "labels.csv"


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        ("cat/0.png,fox,train\ncat/1.png,fox,test\n", ("train", "test")),
        ("fox,cat/0.png\nfox,cat/1.png\n", (None, None)),
        ("train,fox,cat/0.png\ntest,fox,cat/1.png\n", ("train", "test")),
    ],
)
def test_a_table_without_titles_loses_no_row(empty: ProjectStore, images: Path, text: str, splits) -> None:
    report = import_source(empty, write_csv(images, text))
    assert (report.added, report.unreadable) == (2, ())
    rows = image_rows(empty, (1, 2))
    assert [(row.path.name, row.labels) for row in rows] == [("0.png", ("fox",)), ("1.png", ("fox",))]
    assert tuple(row.split for row in rows) == splits


def test_labels_of_a_csv_reach_images_that_are_there(tmp_path: Path, images: Path) -> None:
    with ProjectStore.create(tmp_path / "multi", task="multi") as multi:
        for path in images.rglob("*.png"):
            path.rename(images / path.name)
        import_source(multi, images)
        table = write_csv(tmp_path, f'path,labels,split\n{images}/3.png,a|b,test\n{images}/4.png,"[""c;d""]",\n')
        report = import_source(multi, table)
        assert (report.added, len(report.duplicates)) == (0, 2)
        found = {row.path.name: (row.labels, row.split) for row in image_rows(multi, find_images(multi))}
        assert (found["3.png"], found["4.png"]) == ((("a", "b"), "test"), (("c;d",), None))


@pytest.mark.parametrize(
    ("titles", "row"),
    [
        ("label", "../../../etc/passwd,x"),
        ("label", "cat/none.png,x"),
        ("label", ",x"),
        ("label,split", "cat/0.png,x,weekend"),
        ("label", "cat/0.png,x,y,z"),
        ("labels", "cat/0.png,x|y"),
        ("label", 'cat/0.png,"a\nb"'),
        ("label", f"cat/0.png,{'x' * 400}"),
        ("label", f"{'y' * 5000},a"),
        ("label", f'"{"y" * 2_000_000},a'),
    ],
    ids=range(10),
)
def test_hostile_rows_are_listed_and_the_others_taken(empty: ProjectStore, images: Path, titles: str, row: str) -> None:
    report = import_source(empty, write_csv(images, f"file_name,{titles}\n{row}\ndog/7.png,good\n"))
    (rejected,) = report.unreadable + report.skipped
    assert report.added == 1 and rejected.reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"a,b,c\n1,2,3\n",
        b"file,label\na.jpg,\x94L\x8c\xa2\n",
        b'"' + b"x" * 2_000_000,
        b'"file_name,label\na.png,x',
        b" ,fox\n",
        b"a\0.png,fox\n",
    ],
    ids=("empty", "blank", "no file column", "not UTF-8", "a cell of 2 MB", "an open quote", "a blank name", "a NUL"),
)
def test_files_that_are_no_tables_are_refused(empty: ProjectStore, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "labels.csv").write_bytes(data)
    with pytest.raises(ProjectError) as caught:
        import_source(empty, tmp_path / "labels.csv")
    assert caught.value.hint and not empty.history()


@pytest.mark.parametrize("open_row", ['"cat/2.png,fox', 'cat/2.png,"fox', 'cat/2.png,"fox|wolf, and more'])
def test_a_quote_that_is_not_closed_costs_one_row(empty: ProjectStore, images: Path, open_row: str) -> None:
    rows = [f"{'cat' if number < 6 else 'dog'}/{number}.png,fox" for number in range(12)]
    rows[2] = open_row
    rows[9] = '"dog/9.png","fox"'
    report = import_source(empty, write_csv(images, "\n".join(["file_name,label", *rows])))
    assert report.added == 11 and report.classes == {"fox": 11}
    assert [each.path.rpartition(":")[2] for each in report.unreadable] == ["4"]


def test_jsonl_takes_good_lines_and_lists_bad_ones(empty: ProjectStore, images: Path) -> None:
    lines = [
        '{"file_name": "cat/0.png", "label": "<b>fox</b>", "split": "val", "tags": ["t"], "note": "n",'
        ' "review": "done"}',
        '{"file_name": "cat/1.png", "label": 7}',
        '{"file_name": "cat/2.png"',
        "[1, 2]",
        '{"label": "x"}',
        '{"file_name": "cat/3.png", "label": {"a": 1}}',
        '{"file_name": "cat/4.png", "label": "\\ud800"}',
        '{"file_name": "cat/\\u0000.png"}',
        "[" * 100_000,
        "",
    ]
    (images / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    report = import_source(empty, images / "metadata.jsonl")
    assert (report.added, len(report.unreadable)) == (2, 7)
    row, number = image_rows(empty, (1, 2))
    assert (row.labels, row.split, row.tags, row.note, row.review) == (("<b>fox</b>",), "val", ("t",), "n", "done")
    assert number.labels == ("7",)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.png", "a.png"),
        ("a", "a.png"),
        ("./sub/../sub/b", "sub/b.jpg"),
        ("sub\\b.jpg", "sub/b.jpg"),
        ("c.png", "images/c.png"),
        ("elsewhere/b.jpg", "sub/b.jpg"),
        ("http://host/data/sub/b.jpg?x=1", "sub/b.jpg"),
        ("b", "sub/b.jpg"),
        ("../beside/d.png", "../beside/d.png"),
        ("../beside/d", "../beside/d"),  # outside of the folder only by the exact name
        ("two.", "two."),
    ],
)
def test_a_name_leads_to_the_image_that_it_means(tmp_path: Path, name: str, place: str) -> None:
    base = tmp_path / "base"
    for each in ("base/a.png", "base/sub/b.jpg", "base/images/c.png", "beside/d.png"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).touch()
    assert ImageFinder(base).find(name) == Path(os.path.normpath(base / place))


@pytest.mark.parametrize(
    ("table", "name", "found"),
    [
        ("trainLabels.csv", "1", "train/1.jpg"),
        ("train_labels.csv", "1.jpg", "train/1.jpg"),
        ("test/labels.csv", "1.jpg", "test/1.jpg"),
        ("train.csv", "2.jpg", None),  # in `test/` alone
        ("labels.csv", "2.jpg", "test/2.jpg"),
        ("labels.csv", "test/1.jpg", "test/1.jpg"),
        ("labels.csv", "0002", "test/2.jpg"),
        ("train.csv", "07", "train/scan_007.jpg"),
        ("labels.csv", "1.jpg", ""),
    ],
)
def test_of_images_of_one_name_the_folder_counts_that_the_table_points_to(
    tmp_path: Path, table: str, name: str, found: str | None
) -> None:
    for place in ("train/1.jpg", "train/scan_007.jpg", "test/1.jpg", "test/2.jpg", "test/labels.csv"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    file = tmp_path / table
    finder = ImageFinder(file.parent, ReadOptions(index=ImageIndex(tmp_path)), root=tmp_path, file=file)
    if found == "":
        with pytest.raises(AmbiguousNameError):
            finder.find(name)
    else:
        assert finder.find(name) == tmp_path / found if found else not finder.has(name)
