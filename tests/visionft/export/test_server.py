"""The server beside the model, as its own process."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visionft.export.predictor import Predictor

httpx = pytest.importorskip("httpx", reason="pip install httpx")
for name in ("fastapi", "uvicorn", "python_multipart"):
    pytest.importorskip(name, reason=f"pip install {name}")
LIMITS = {"MAX_REQUEST_MB": "0.5", "MAX_IMAGES": "6", "MAX_MEGAPIXELS": "1", "THREADS": "2"}


@pytest.fixture(scope="module")
def exported(export_of) -> Path:
    """Return the folder of an export."""
    return export_of("test_vit", "linear").model.parent


@contextmanager
def client_of(*command: str, cwd: Path | None = None, started: int = 1, **environment: str) -> Iterator[Any]:
    """Yield a client of a server that is started in its own process, once `started` processes answer."""
    server = subprocess.Popen(
        [sys.executable, "-X", "utf8", *command, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | LIMITS | environment,
    )
    try:
        assert server.stderr is not None
        address, lines = None, list[str]()
        while address is None or sum("startup complete" in line for line in lines) < started:
            lines.append(server.stderr.readline())
            assert lines[-1], "the server did not start: " + "".join(lines)
            address = address or re.search(r"http://127\.0\.0\.1:\d+", lines[-1])
        with httpx.Client(base_url=address[0], trust_env=False, timeout=60) as client:
            yield client
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.fixture(scope="module")
def client(exported: Path) -> Iterator[Any]:
    """Return a client of the export's server, started as a program."""
    with client_of(str(exported / "samples" / "server" / "app.py")) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_an_asgi_server_loads_the_model(exported: Path, images: list[Path], processes: int) -> None:
    folder = exported / "samples" / "server"
    (prediction,) = Predictor(exported, device="cpu").predict(images[:1])
    command = ("-m", "uvicorn", "app:app", "--workers", str(processes))
    with client_of(*command, cwd=folder, started=processes) as client:
        assert client.get("/health").status_code == 200
        for _ in range(4):
            answer = client.post("/predict", files={"file": images[0].read_bytes()}, headers={"Connection": "close"})
            assert answer.json()["predictions"][0]["class"] == prediction.top5[0][0]


def test_an_asgi_server_does_not_start_without_the_model(exported: Path) -> None:
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0"]
    environment = os.environ | {"MODEL": "absent.onnx"}
    folder = exported / "samples" / "server"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode and str(exported / "absent.onnx") in done.stderr


def test_a_library_that_is_not_installed_is_named_with_the_way_to_get_it(exported: Path) -> None:
    command = [sys.executable, "-I", "-S", str(exported / "samples" / "server" / "app.py")]  # -S: no library at all
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "requirements.txt" in done.stderr


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return files of every type that the server reads, one with the camera on its side, two with transparent parts."""
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    plain = Image.fromarray(random.integers(0, 256, (60, 90, 3), np.uint8))
    clear = Image.fromarray(random.integers(0, 256, (40, 30, 4), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.save(folder / "turned.jpg", quality=95, exif=exif)
    plain.convert("CMYK").save(folder / "print.jpg")
    clear.save(folder / "clear.png")
    clear.save(folder / "clear.webp", lossless=True)
    plain.convert("P").save(folder / "palette.png")
    return sorted(folder.iterdir())


def encoded(image: Image.Image) -> bytes:
    """Return an image as PNG."""
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def test_the_server_answers_as_the_program(client, exported: Path, images: list[Path]) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    predictor = Predictor(exported, device="cpu")
    assert client.get("/model").json()["classes"] == list(predictor.class_names)
    batch = client.post("/predict/batch", files=[("files", (each.name, each.read_bytes())) for each in images])
    for path, prediction, found in zip(images, predictor.predict(images), batch.json()["results"], strict=True):
        single = client.post("/predict", files={"file": path.read_bytes()}).json()
        assert found == {"file": path.name, **single}
        answered = [(each["class"], each["probability"]) for each in single["predictions"]]
        assert [name for name, _ in answered] == [name for name, _ in prediction.top5], path.name
        assert [share for _, share in answered] == pytest.approx([share for _, share in prediction.top5], abs=1e-5)
        assert single["is_unlike"] == prediction.is_unlike


TEXT, CUT = b"no image", encoded(Image.effect_noise((90, 90), 90))[:-2000]
LARGE, BOMB = (encoded(Image.new("1", size)) for size in ((1001, 1000), (30_000, 30_000)))
BAD = {"text": (TEXT, 415), "cut": (CUT, 422), "header": (CUT[:20], 422), "empty": (b"", 415), "large": (LARGE, 413)}
BAD |= {"bomb": (BOMB, 413), "deep": (encoded(Image.fromarray(np.zeros((9, 9), np.uint16))), 415)}
BAD |= {"upload": (bytes(600_000), 413), "huge upload": (bytes(9_000_000), 413)}


@pytest.mark.parametrize(("content", "status"), BAD.values(), ids=BAD)
def test_what_is_no_image_for_it_is_refused_in_words(client, content: bytes, status: int) -> None:
    answer = client.post("/predict", files={"file": content})
    assert answer.status_code == status and re.fullmatch(r"[A-Z].+\.", answer.json()["detail"])
    assert client.get("/health").status_code == 200


def test_requests_of_another_form_are_refused(client, images: list[Path]) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.get("/predict").status_code == 405
    assert client.post("/predict").status_code == client.post("/predict", data={"file": "a"}).status_code == 422
    many = [("files", images[0].read_bytes())] * 7
    assert client.post("/predict/batch", files=many).status_code == 413
    found = client.post("/predict/batch", files=[("files", TEXT), many[0]]).json()["results"]
    assert "error" in found[0] and "predictions" in found[1]
