"""The rank of what gives the labels of a folder: choice, tool's file, class folders, table, words in names, nothing."""

import json
from pathlib import Path

import pytest

from visionft.core.errors import ProjectError
from visionft.project.formats.image_table import LabelChoice
from visionft.project.importing.importer import import_source
from visionft.project.importing.preview import preview_source
from visionft.project.store import ProjectStore

CAT_DOG = {"cat": 3, "dog": 3}


@pytest.fixture
def folders(tmp_path: Path, draw) -> Path:
    """Return class folders `cat` and `dog`, each with `IMG_1.png` to `IMG_3.png`."""
    for number in range(6):
        draw(tmp_path / "pets" / ("cat", "dog")[number % 2] / f"IMG_{number // 2 + 1}.png", number)
    return tmp_path / "pets"


def classes_of(source: Path, **options) -> dict[str, int]:
    """Return the classes of a preview and an import, which agree."""
    preview = preview_source(source, **options)
    with ProjectStore.create(source.parent / f"project {len(list(source.parent.iterdir()))}") as project:
        assert import_source(project, source, **options).classes == preview.classes
    return preview.classes


def table(folder: Path, column: str, label_of) -> None:
    """Write `labels.csv` beside the images below a folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = [f"{name},{label_of(number, name)}" for number, name in enumerate(names)]
    (folder / "labels.csv").write_text("\n".join([f"file,{column}", *rows]), encoding="utf-8")


def test_class_folders_go_before_a_table_of_something_else(folders: Path) -> None:
    table(folders, "weather", lambda number, _: ("sun", "rain")[number % 2])
    assert classes_of(folders) == CAT_DOG
    assert preview_source(folders).readings[1].classes == {"sun": 3, "rain": 3}


def test_a_column_of_labels_goes_before_folders_of_places(folders: Path) -> None:
    table(folders, "species", lambda number, _: ("fox", "elk", "owl")[number % 3])
    assert classes_of(folders) == {"fox": 2, "elk": 2, "owl": 2}


def test_a_table_of_most_images_goes_before_folders_of_few(folders: Path, draw) -> None:
    for number in range(7, 27):
        draw(folders / f"{number}.png", number)
    table(folders, "label", lambda number, _: ("fox", "elk")[number % 2])
    assert set(classes_of(folders)) == {"fox", "elk"}


def test_a_file_of_a_labelling_tool_goes_before_class_folders(folders: Path) -> None:
    names = sorted(path.relative_to(folders).as_posix() for path in folders.rglob("*.png"))
    coco = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [{"id": n, "image_id": n, "category_id": n % 2} for n in range(len(names))],
        "categories": [{"id": 0, "name": "fox"}, {"id": 1, "name": "elk"}],
    }
    (folders / "coco.json").write_text(json.dumps(coco), encoding="utf-8")
    assert classes_of(folders) == {"fox": 3, "elk": 3}


def test_a_table_names_the_ids_of_class_folders(tmp_path: Path, draw) -> None:
    for number in range(8):
        draw(tmp_path / "set" / str(number % 2) / f"{number}.png", number)
    table(tmp_path / "set", "label", lambda _, name: "cat" if name.startswith("0") else "dog")
    assert classes_of(tmp_path / "set") == {"cat": 4, "dog": 4}


def test_words_in_names_are_offered_alone_and_never_taken(tmp_path: Path, draw, folders: Path) -> None:
    for number in range(8):
        draw(tmp_path / "names" / f"{('cat', 'dog')[number % 2]}_{number}.png", number)
    assert classes_of(tmp_path / "names") == {}
    assert preview_source(tmp_path / "names").readings[0].classes == {"cat": 4, "dog": 4}
    for path in sorted(folders.rglob("*.png")):  # beside class folders they are no rival
        path.rename(path.with_name(f"fox_{path.name}"))
    assert all("fox" not in each.classes for each in preview_source(folders).readings)


CHOICES = [
    (LabelChoice(class_folder=1), {"site 1": 2, "site 2": 2}),
    (LabelChoice(class_folder=-1), {"cat + big": 2, "dog": 2}),
    (LabelChoice(class_folder=-1, separator="+"), {"cat": 2, "big": 2, "dog": 2}),
    (LabelChoice(name_part=1), {"oak": 2, "elm": 2}),
    (LabelChoice(label="b"), {"x": 2, "y": 2}),
    (LabelChoice(table="more/second.csv", label="b"), {"u": 2, "v": 2}),
    (LabelChoice(is_unlabelled=True), {}),
]


@pytest.mark.parametrize(("choice", "classes"), CHOICES, ids=str)
def test_the_choice_of_the_user_counts(tmp_path: Path, draw, choice: LabelChoice, classes: dict[str, int]) -> None:
    source, names = tmp_path / "set", list[str]()
    for number in range(4):
        folder = f"site {number // 2 + 1}/{('cat + big', 'dog')[number % 2]}"
        draw(source / (name := f"{folder}/{('oak', 'elm')[number // 2]}_{number}.png"), number)
        names.append(name)
    rows = [f"{name},{number},{'xy'[number % 2]}" for number, name in enumerate(names)]
    (source / "first.csv").write_text("\n".join(["file,a,b", *rows]), encoding="utf-8")
    (source / "more").mkdir()
    rows = [f"../{name},{'uv'[number % 2]}" for number, name in enumerate(names)]
    (source / "more/second.csv").write_text("\n".join(["file,b", *rows]), encoding="utf-8")
    preview = preview_source(source, choice=choice)
    assert preview.classes == classes
    with ProjectStore.create(tmp_path / "project", task="multi") as project:
        assert import_source(project, source, choice=choice).classes == classes


@pytest.mark.parametrize(
    "choice",
    [
        LabelChoice(class_folder=3),
        LabelChoice(name_part=7),
        LabelChoice(label="colour"),
    ],
)
def test_a_choice_that_gives_nothing_says_so(folders: Path, choice: LabelChoice) -> None:
    table(folders, "label", lambda number, _: number % 2)
    with pytest.raises(ProjectError) as caught:
        preview_source(folders, choice=choice)
    assert caught.value.hint
