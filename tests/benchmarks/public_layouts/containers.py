"""Archives, workbooks and image formats: data sets that are no folder of JPEG and PNG files."""

import io
import json
import tarfile
import zipfile
from importlib.util import find_spec

from data_sets import DataSet, collect
from public_layouts.spreadsheet import write_xlsx
from public_layouts.tools import CLASSES, photos

CONTAINERS, data_set = collect()


def zipped(
    made: DataSet, name: str, images: list[tuple[str, str, str | None]], extra: dict[str, str] | None = None
) -> None:
    """Write a zip of images: (name in it, class, split)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, label, split in images:
            archive.writestr(path, made.image(path, label, split, is_written=False))
        for path, text in (extra or {}).items():
            archive.writestr(path, text)
    made.data(name, stream.getvalue())


@data_set("Zip of class folders", source="animals.zip")
def zip_of_folders(made: DataSet) -> None:
    zipped(
        made,
        "animals.zip",
        [(f"animals/{name}/{n}{name}.jpg", name, None) for name in CLASSES for n in range(3)],
        {"animals/readme.txt": "hello"},
    )


@data_set("Teachable Machine, a zip for each class")
def teachable(made: DataSet) -> None:
    for name in ("Cat", "Dog"):
        zipped(made, f"{name}-samples.zip", [(f"{place}{name}.jpg", name, None) for place in range(4)])


@data_set("Teachable Machine, project", source="project.tm")
def teachable_project(made: DataSet) -> None:
    images = [(f"{name}-!-{place}.png", name, None) for name in ("Class 1", "Class 2") for place in range(4)]
    zipped(made, "project.tm", images, {"manifest.json": json.dumps({"type": "image", "version": "2.4.8"})})


def tarred(made: DataSet, name: str, images: list[tuple[str, str, str | None]], mode: str = "w:gz") -> None:
    """Write a tar of images: (name in it, class, split)."""
    path = made.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for member, label, split in images:
            _add(archive, member, made.image(member, label, split, is_written=False))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


@data_set("tgz of splits and class folders", source="animals.tgz")
def tar_of_folders(made: DataSet) -> None:
    tarred(made, "animals.tgz", [(f"animals/{side}/{name}/{n}.jpg", name, side) for side in ("train", "val")
                                 for name in CLASSES for n in range(3)])  # fmt: skip


@data_set("tar of class folders, its folder named")
def tar_in_folder(made: DataSet) -> None:
    tarred(made, "download/animals.tar", [(f"./{name}/{n}.jpg", name, None) for name in CLASSES for n in range(3)], "w")
    made.text("download/README.md", "# Animals")


@data_set("WebDataset shards")
def web_dataset(made: DataSet) -> None:
    for shard in range(2):
        path = made.folder / f"train/animals-train-{shard:06d}.tar"
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for number in range(4):
                key, which = f"{shard:02d}{number:06d}", number % 3
                content = made.image(f"{key}.jpg", CLASSES[which], ("train", None), is_written=False)
                _add(archive, f"{key}.jpg", content)
                _add(archive, f"{key}.cls", str(which).encode())
                _add(archive, f"{key}.json", json.dumps({"label": which, "class_name": CLASSES[which]}).encode())
    made.name_both({str(place): name for place, name in enumerate(CLASSES)})


@data_set("Hugging Face Parquet with images")
def parquet_images(made: DataSet) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made.name_both({str(place): name for place, name in enumerate(CLASSES)})
    features = {
        "info": {"features": {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}}
    }
    for side, split in (("train", "train"), ("test", "test")):
        rows = [
            {"bytes": made.image(f"{side}{n}.jpg", CLASSES[n % 3], split, is_written=False), "path": f"{side}{n}.jpg"}
            for n in range(6)
        ]
        table = pa.table({"image": rows, "label": pa.array([n % 3 for n in range(6)], pa.int64())})
        (made.folder / "data").mkdir(exist_ok=True)
        pq.write_table(
            table.replace_schema_metadata({"huggingface": json.dumps(features)}),
            made.folder / f"data/{side}-00000-of-00001.parquet",
        )
    made.text(
        "README.md", "---", "dataset_info:", "  features:", "  - name: image", "    dtype: image", "---", "# Animals"
    )


@data_set("Excel list beside photographs")
def excel(made: DataSet) -> None:
    rows: list[tuple[object, ...]] = [("Photo", "Date", "Finding")]
    rows += [(name, "2026-11-20", label) for name, label, _ in photos(made, "Photos 2026/")]
    write_xlsx(made.folder / "Findings.xlsx", rows)


@data_set("Excel list, named", source="Findings.xlsx")
def excel_named(made: DataSet) -> None:
    excel(made)


def telephone(made: DataSet, kind: str, suffix: str) -> None:
    """Write class folders of photographs in a format of telephones."""
    from PIL import Image

    for place in range(6):
        stream = io.BytesIO()
        Image.new("RGB", (64, 64), (40 * place, 255 - 40 * place, 90)).save(stream, kind, quality=60)
        name = f"{CLASSES[place % 2]}/IMG_{4021 + place}{suffix}"
        made.data(name, stream.getvalue())
        made.note(stream.getvalue(), name, CLASSES[place % 2])


@data_set("AVIF photographs of a telephone")
def avif(made: DataSet) -> None:
    telephone(made, "AVIF", ".avif")


if find_spec("pillow_heif"):

    @data_set("HEIC photographs of a telephone")
    def heic(made: DataSet) -> None:
        import pillow_heif

        pillow_heif.register_heif_opener()
        telephone(made, "HEIF", ".HEIC")
