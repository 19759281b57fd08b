"""Exported files in common runtimes: predictions equal ONNX Runtime's, for every kind of head and size.

With `--log-cli-level INFO` the tests log the largest difference of each runtime.
"""

import dataclasses
import functools
import http.server
import json
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

import resources
from visionft.core.errors import ExportError
from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.export.predictor import Predictor, read_index, write_index
from visionft.export.sample_programs import write_runtime
from visionft.training.combining import combine
from visionft.training.runs.run_folder import load_run

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KINDS = ("resnet", "vit", "knn", "several", "whole", "region", "combined")
NEAR = 2e-6
SCRIPTS = Path(__file__).with_name("javascript")
SAMPLES = Path(resources.__file__).parent / "samples"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def javascript(package: str, model: Path, images: Sequence[np.ndarray], scratch: Path) -> list[np.ndarray]:
    """Predict with onnxruntime-node, or onnxruntime-web in Node, through the samples' own module."""
    script, listed = Path(shutil.copy(SCRIPTS / "ask_model.mjs", scratch)), []
    for number, pixels in enumerate(images):
        raw = scratch / f"{number}.rgb"
        raw.write_bytes(pixels.tobytes())
        listed.append((str(raw), pixels.shape[1], pixels.shape[0]))
    (scratch / "images.json").write_text(json.dumps(listed))
    printed = run("node", script, package, SAMPLES, model, scratch / "images.json")
    return [np.array(row, np.float32) for row in json.loads(printed)]


def openvino(model: Path, images: Sequence[np.ndarray], scratch: Path) -> list[np.ndarray]:
    """Predict with OpenVINO in full precision."""
    vino = pytest.importorskip("openvino")
    core = vino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.asarray(compiled(pixels[None])["probabilities"])[0] for pixels in images]


def reference(model: Path, images: Sequence[np.ndarray], scratch: Path) -> list[np.ndarray]:
    """Predict with the reference evaluator, ONNX's definition of its operators."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(model))
    answers = (cast("list[np.ndarray]", evaluator.run(["probabilities"], {"image": each[None]})) for each in images)
    return [probabilities[0] for (probabilities,) in answers]


def opencv(model: Path, images: Sequence[np.ndarray], scratch: Path) -> list[np.ndarray]:
    """Predict with OpenCV 5, the first with an engine for dynamic sizes."""
    cv2 = pytest.importorskip("cv2", minversion="5.0")
    network = cv2.dnn.readNetFromONNX(str(model))
    found = []
    for pixels in images:
        network.setInput(pixels[None])
        found.append(network.forward("probabilities")[0])
    return found


def tract(model: Path, images: Sequence[np.ndarray], scratch: Path) -> list[np.ndarray]:
    """Predict with tract; it needs the image size before planning."""
    runtime = pytest.importorskip("tract", reason="pip install tract")
    found = []
    for pixels in images:
        read = runtime.onnx().load(str(model))
        read.set_input_fact(0, f"1,{pixels.shape[0]},{pixels.shape[1]},3,u8")
        found.append(read.into_model().into_runnable().run([pixels[None]])[0].to_numpy()[0])
    return found


def run(*words: object, cwd: Path | None = None) -> str:
    """Return a program's output; it must end well."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=300, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


ASKED = {
    "onnxruntime-node": functools.partial(javascript, "onnxruntime-node"),
    "onnxruntime-web": functools.partial(javascript, "onnxruntime-web"),
    "openvino": openvino,
    "reference": reference,
    "opencv": opencv,
    "tract": tract,
}


@pytest.fixture(scope="module")
def exports(snapshot: Snapshot, several: Snapshot, trained, run_of, tmp_path_factory) -> dict[str, Path]:
    """Return an export of every kind of head: {kind: folder}."""
    project = tmp_path_factory.mktemp("runtimes")
    shared = {"resnet": ("test_resnet", "full"), "vit": ("test_vit", "lora"), "knn": ("test_resnet", "knn")}
    for number, (kind, pair) in enumerate(shared.items(), start=1):
        run_dir = shutil.copytree(run_of(*pair), project / "runs" / f"{number:03d}-{kind}")
        export_run(run_dir, snapshot, project / kind)
    made = {
        "several": ("test_vit", "linear", several),
        "whole": ("test_vit", "full", snapshot, {"framing": "whole", "aspect": 1.5}),
        "region": ("test_resnet", "adapter", snapshot, {"framing": "region", "region": "0.1,0,0.6,0.9"}),
    }
    for number, (kind, (backbone, method, shown, *framing)) in enumerate(made.items(), start=4):
        settings = {"backbone": backbone, "method": method, **dict(*framing)}
        run_dir = trained(shown, project / "runs" / f"{number:03d}-{kind}", **settings)
        export_run(run_dir, shown, project / kind)
    mixed = load_run(project, combine(project, ("1", "2"), snapshot).run)
    export_run(mixed.path, snapshot, project / "combined")
    return {kind: project / kind for kind in KINDS}


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Return images of all sizes: least, thin, upright, grey, of 12 million pixels."""
    random = np.random.default_rng(1)

    def drawn(height: int, width: int) -> np.ndarray:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        waves = np.stack([np.sin(x / 37 + y / 91), np.cos(y / 53), np.sin((x + y) / 29)], axis=-1)
        return (127 + 110 * waves + random.normal(0, 12, waves.shape)).clip(0, 255).astype(np.uint8)

    made = [drawn(*shape) for shape in ((1, 1), (1, 300), (31, 33), (64, 64), (480, 640), (900, 600), (3000, 4000))]
    return [*made, np.repeat(drawn(240, 320)[..., :1], 3, axis=2)]


@pytest.mark.parametrize("runtime", ASKED)
def test_every_head_answers_as_in_onnx_runtime(runtime: str, exports, images, tmp_path: Path, request) -> None:
    asked = [each for each in images if runtime != "reference" or each.size < 2_000_000]  # pure Python: slow
    ask: Callable[..., list[np.ndarray]] = ASKED[runtime]
    for kind, folder in exports.items():
        expected = [Predictor(folder, device="cpu").probabilities(pixels[None])[0] for pixels in asked]
        (scratch := tmp_path / kind).mkdir()
        if runtime.startswith("onnxruntime"):
            packages = request.getfixturevalue("javascript_packages")
            (scratch / "node_modules").symlink_to(packages, target_is_directory=True)
        got = ask(folder / "model.onnx", asked, scratch)
        difference = max(float(np.abs(a - b).max()) for a, b in zip(expected, got, strict=True))
        logger.info("%s, %s: %.1e", runtime, kind, difference)
        assert difference <= NEAR, (runtime, kind)


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Return a function: folder of an export -> address of the page in it."""
    servers = []

    def serve(folder: Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/samples/web/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def served(exports, install_samples, serve, tmp_path: Path) -> Callable[[str], tuple[Path, str]]:
    """Return a function: kind -> (its export with the samples, address of the page in it)."""

    def serve_kind(kind: str) -> tuple[Path, str]:
        folder = Path(shutil.copytree(exports[kind], tmp_path / kind))
        install_samples(folder)
        return folder, serve(folder)

    return serve_kind


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def ask_page(address: str, scratch: Path, *files: Path) -> list[dict]:
    """Return the sample page's output for each image, in headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (set CHROMIUM to its path)")
    script = shutil.copy(SCRIPTS / "ask_page.mjs", scratch)
    printed = run("node", script, CHROMIUM, address, scratch / "page.png", *files)
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_answers_as_the_program_in_a_browser(kind: str, served, javascript_packages, images, tmp_path) -> None:
    folder, address = served(kind)
    (tmp_path / "node_modules").symlink_to(javascript_packages, target_is_directory=True)
    files = []
    for number, pixels in enumerate(images):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels).save(files[-1], compress_level=1)
    turned = tmp_path / "turned.jpg"  # taken with the camera on its side, according to EXIF
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(images[4]).save(turned, quality=95, exif=exif)
    clear = tmp_path / "clear.png"
    Image.fromarray(np.dstack([images[4], images[4][..., 0]])).save(clear)
    files += [turned, clear]
    worst = 0.0
    for said, prediction in zip(
        ask_page(address, tmp_path, *files), Predictor(folder, device="cpu").predict(files), strict=True
    ):
        assert not said["complaints"] and said["isUnlike"] == prediction.is_unlike
        shown = {name.removesuffix("  ✓"): share for name, share in said["answers"]}
        near = 2e-3 if prediction.path == clear else NEAR  # of half-transparent pixels a browser rounds some by one
        for name, probability in prediction.top5:
            worst = max(worst, abs(shown[name] - probability)) if prediction.path != clear else worst
            assert shown[name] == pytest.approx(probability, abs=near), (prediction.path, said)
        ticked = {name.removesuffix("  ✓") for name, _ in said["answers"] if name.endswith("✓")}
        assert ticked == set(prediction.classes or ())
    logger.info("page in Chromium, %s: %.1e", kind, worst)


@pytest.mark.parametrize("device", ["WebGPU", "WebAssembly"])
def test_the_page_needs_no_npm(
    device: str, export_of, javascript_packages, images, tmp_path, serve, monkeypatch
) -> None:
    """Without a graphics card, Chromium's WebGPU is computed by the processor."""
    folder = Path(shutil.copytree(export_of("test_resnet", "full").model.parent, tmp_path / "out"))
    try:
        write_runtime(folder)
    except ExportError:
        pytest.skip("ONNX Runtime for browsers is not here: run `python packaging/make_runtimes.py --web`")
    (tmp_path / "node_modules").symlink_to(javascript_packages, target_is_directory=True)  # drives the browser
    Image.fromarray(images[2]).save(path := tmp_path / "image.png")
    if device == "WebGPU":
        monkeypatch.setenv("WEBGPU", "1")
    (said,) = ask_page(address := serve(folder) + "?device=webgpu", tmp_path, path)
    (prediction,) = Predictor(folder, device="cpu").predict([path])
    assert not said["complaints"] and said["state"].endswith(device), said
    shown = [(name, pytest.approx(share, abs=1e-5)) for name, share in said["answers"]]
    assert [*prediction.top5] == shown
    record = json.loads((folder / "export.json").read_text())
    record["reference"]["model.onnx"][1].reverse()  # as if the card computed otherwise
    (folder / "export.json").write_text(json.dumps(record))
    (said,) = ask_page(address, tmp_path)
    assert said["state"].endswith("WebAssembly."), said


def test_samples_say_that_the_images_beside_the_model_were_changed(served, javascript_packages, tmp_path) -> None:
    folder, address = served("knn")
    node = ["node", folder / "samples" / "node" / "predict.mjs", tmp_path / "a.png"]
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert not subprocess.run(node, capture_output=True, text=True, timeout=120, check=True).stderr
    index = read_index(folder / "model.onnx")
    assert index is not None
    write_index(folder / "index.safetensors", dataclasses.replace(index, removed=1))
    assert "predict.py" in subprocess.run(node, capture_output=True, text=True, timeout=120, check=True).stderr
    (tmp_path / "node_modules").symlink_to(javascript_packages, target_is_directory=True)
    (said,) = ask_page(address, tmp_path)
    assert "predict.py" in said["state"]
