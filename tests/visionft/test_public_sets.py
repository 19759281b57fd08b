"""Public sets: torchvision's own download and checks, against a server on this computer."""

import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from visionft.errors import VisionFTError
from visionft.events import Progress
from visionft.jobs import JobContext
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.public_sets import PUBLIC_SETS, fetch_set, get_set, list_file

PETS = get_set("OxfordIIITPet")
NAMES = ["Abyssinian_1", "Abyssinian_2", "beagle_1", "beagle_2"]


def archive(files: dict[str, bytes]) -> bytes:
    """Return a tar.gz of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def image(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((96, 96), shade + 20).convert("RGB").save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a small Oxford-IIIT Pet on the loopback, with its own checksums, and return the folder it lies in."""
    from torchvision.datasets import OxfordIIITPet

    lines = [f"{name} {1 + (name[0] == 'b')} 1 1" for name in NAMES]
    folder = tmp_path / "server"
    folder.mkdir()
    files = {
        "images.tar.gz": archive({f"images/{name}.jpg": image(place) for place, name in enumerate(NAMES)}),
        "annotations.tar.gz": archive(
            {
                "annotations/trainval.txt": "\n".join(lines[::2]).encode(),
                "annotations/test.txt": "\n".join(lines[1::2]).encode(),
            }
        ),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    place = f"http://127.0.0.1:{server.server_port}"
    sums = [(f"{place}/{name}", hashlib.md5(data).hexdigest()) for name, data in files.items()]
    monkeypatch.setattr(OxfordIIITPet, "_RESOURCES", tuple(sums))
    for name in ("HF_HUB_OFFLINE", "VISIONFT_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    server.shutdown()
    server.server_close()


def test_a_set_is_fetched_checked_and_can_be_imported(served: Path, tmp_path: Path):
    events: list[Progress] = []
    target = fetch_set(PETS, tmp_path / "sets", job=JobContext(events.append))  # type: ignore[arg-type]
    assert target == list_file(PETS, tmp_path / "sets")
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [(line["label"], line.get("split")) for line in lines] == [
        ("Abyssinian", None),
        ("Beagle", None),
        ("Abyssinian", "test"),
        ("Beagle", "test"),
    ]
    assert events[-1].done == sum(file.stat().st_size for file in served.iterdir())
    assert not list(target.parent.rglob("*.gz")) and not list((tmp_path / "sets").glob(".*"))
    with Project.create(tmp_path / "project") as project:
        report = import_source(project, target)
        assert (report.added, report.classes) == (4, {"Abyssinian": 2, "Beagle": 2})
        assert project.summary().splits["test"] == 2


def test_what_is_there_is_not_fetched_again(served: Path, tmp_path: Path):
    target = fetch_set(PETS, tmp_path / "sets")
    for file in served.iterdir():
        file.unlink()
    assert fetch_set(PETS, tmp_path / "sets") == target


def test_stopping_leaves_nothing(served: Path, tmp_path: Path):
    assert fetch_set(PETS, tmp_path / "sets", job=JobContext(cancelled=lambda: True)) is None
    assert list((tmp_path / "sets").iterdir()) == []
    assert fetch_set(PETS, tmp_path / "sets") is not None


def test_what_a_killed_download_unpacked_is_not_taken_for_whole(served: Path, tmp_path: Path):
    part = tmp_path / "sets" / ".Oxford-IIIT Pet.part" / "oxford-iiit-pet"
    (part / "images").mkdir(parents=True)
    (part / "annotations").mkdir()
    (part / "annotations" / "trainval.txt").write_text("beagle_9 2 1 1")
    target = fetch_set(PETS, tmp_path / "sets")
    assert target is not None and len(target.read_text().splitlines()) == 4


def test_a_damaged_download_is_refused(served: Path, tmp_path: Path):
    (served / "images.tar.gz").write_bytes(b"cut short")
    with pytest.raises(VisionFTError, match="damaged"):
        fetch_set(PETS, tmp_path / "sets")
    assert not list_file(PETS, tmp_path / "sets").exists()


def test_a_server_without_the_file_is_explained(served: Path, tmp_path: Path):
    (served / "images.tar.gz").unlink()
    with pytest.raises(VisionFTError, match="connection"):
        fetch_set(PETS, tmp_path / "sets")


def test_offline_nothing_is_asked_for(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VISIONFT_OFFLINE", "1")
    with pytest.raises(VisionFTError, match="offline"):
        fetch_set(PETS, tmp_path / "sets")


def test_every_set_is_one_of_torchvision_s_and_found_by_its_name():
    from torchvision import datasets

    for each in PUBLIC_SETS:
        assert hasattr(datasets, each.name) and get_set(each.title.lower()) is each
    with pytest.raises(VisionFTError, match="ImageNet"):
        get_set("ImageNet")
