"""The programs beside the model: the Python one with only onnxruntime, numpy and Pillow installed."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot
from visionft.export.bundle.sample_programs import PYTHON, ROOT, RUNTIMES, SAMPLES, run_python, sample_files
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.phone.fixed_size import fixed_input
from visionft.export.predictor import Predictor

SIGNATURES = Path(__file__).with_name("signatures")
ALLOWED = ("numpy", "numpy.libs", "onnxruntime", "PIL", "pillow.libs")


@pytest.fixture
def bare_packages(tmp_path: Path) -> Path:
    """Return a folder with only the three packages."""
    folder, installed = tmp_path / "packages", Path(np.__file__).parents[1]
    folder.mkdir()
    for name in ALLOWED:
        if (installed / name).is_dir():
            (folder / name).symlink_to(installed / name, target_is_directory=True)
    return folder


def save_turned(image: Image.Image, folder: Path) -> Path:
    """Return a JPEG file taken with the camera on its side, according to EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", quality=95, exif=exif)
    return folder / "turned.jpg"


def run_bare(packages: Path, script: Path, *words: object) -> list[float]:
    """Return the percentages that a script prints; it must end well and load neither torch nor this program."""
    done = bare_run(packages, script, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("False False")
    return [float(share) for share in re.findall(r"([\d.]+)%", done.stdout)]


def bare_run(packages: Path, script: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a script with the standard library and `packages` alone: no site-packages, no working folder."""
    start = (
        "import sys, runpy; sys.path.append(sys.argv[1]); sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        "print('torch' in sys.modules, 'visionft' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-I", "-S", "-c", start, str(packages), str(script), *map(str, words)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


@pytest.mark.slow
def test_the_script_beside_the_model_answers_like_the_program(run_of, snapshot, tmp_path, bare_packages, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = export_run(run_of("test_vit", "lora"), snapshot, Path("out")).model  # as a terminal gives it
    script = model.with_name("predict.py")
    assert all((model.parent / name).read_bytes() == (ROOT / name).read_bytes() for name in sample_files())
    record = json.loads((model.parent / "export.json").read_text())
    said = record["samples"]["python"]
    assert said["agrees"] is True and said["output"].startswith("image1.png\n") and "image2.png\n" in said["output"]
    assert set(sample_files()) <= set(record["files"])
    turned = save_turned(Image.open(snapshot.images[20].path), tmp_path)
    images = [snapshot.images[0].path, turned]
    expected = [100 * share for prediction in Predictor(model).predict(images) for _, share in prediction.top5]
    assert run_bare(bare_packages, script, *images) == pytest.approx(expected, abs=0.02)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return the script in a folder without a model."""
    script = tmp_path / "out" / "predict.py"
    script.parent.mkdir()
    script.write_bytes(PYTHON.content)
    return script


def test_the_script_needs_no_library_to_say_how_it_is_used_and_what_is_missing(script: Path, tmp_path: Path) -> None:
    none = tmp_path / "no packages"
    for word in ("-h", "--help"):
        done = bare_run(none, script, word)
        assert done.returncode == 0 and done.stderr == "" and "predict.py IMAGE..." in done.stdout
    assert "python " in refused(bare_run(none, script))
    said = refused(bare_run(none, script, "a.jpg"))
    assert said.startswith("numpy ") and said.endswith("onnxruntime numpy pillow")


def test_the_script_says_what_is_wrong_with_its_model(script: Path, bare_packages: Path) -> None:
    model = script.with_name("model.onnx")
    missing = refused(bare_run(bare_packages, script, "a.jpg"))
    model.write_bytes(b"no model")
    damaged = refused(bare_run(bare_packages, script, "a.jpg"))
    assert missing.startswith(f"{model} ") and damaged.startswith(f"{model} ") and missing != damaged


@pytest.mark.slow
def test_the_script_passes_over_what_it_cannot_read_and_says_so(export_of, snapshot, tmp_path, bare_packages) -> None:
    script = export_of("test_vit", "linear").model.with_name("predict.py")
    text, readable = tmp_path / "text.jpg", snapshot.images[0].path
    text.write_text("no image")
    done = bare_run(bare_packages, script, tmp_path / "gone.jpg", text, readable)
    said = done.stderr.splitlines()
    assert done.returncode == 2 and str(readable) in done.stdout and "%" in done.stdout
    assert [line.split(": ")[1] for line in said] == [str(tmp_path / "gone.jpg"), str(text)]


def test_the_option_stands_before_or_behind_the_images(export_of, snapshot, tmp_path, bare_packages) -> None:
    folder = shutil.copytree(export_of("test_vit", "linear").model.parent, tmp_path / "copy")
    (folder / "model.onnx").rename(folder / "other.onnx")
    script, image = folder / "predict.py", snapshot.images[0].path
    before = bare_run(bare_packages, script, "--model", "other.onnx", image)
    behind = bare_run(bare_packages, script, image, "--model", "other.onnx")
    assert before.returncode == behind.returncode == 0 and "%" in before.stdout and before.stdout == behind.stdout
    assert "--model" in refused(bare_run(bare_packages, script, image, "--model"))


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return a script's one-line reason for exit code 2."""
    assert (done.returncode, done.stdout) == (2, "") and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip().removeprefix("predict.py: ")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a script as a program")
def test_packages_in_the_folder_of_an_export_do_not_run(
    run_of, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project of others may bring them: exporting again into its folder ran them here."""
    ran, program, out = tmp_path / "ran", tmp_path / "bin" / "node", tmp_path / "out"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{ran}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(RUNTIMES, raising=False)
    (out / "samples" / "node" / "node_modules").mkdir(parents=True)
    export = export_run(run_of("test_vit", "linear"), snapshot, out)
    assert not ran.exists() and RUNTIMES in next(each for each in export.samples if each.name == "node").why_not
    monkeypatch.setenv(RUNTIMES, str(out / "samples" / "node"))  # a folder that the user names
    export_run(run_of("test_vit", "linear"), snapshot, tmp_path / "again")
    assert ran.exists()


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_ctrl_c_reaches_no_sample_that_is_run(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text("import os\nprint(os.getpgrp() == os.getpid())")
    assert run_python(tmp_path, {"model.onnx": []}).output.strip() == "True"


@pytest.mark.slow
def test_the_script_sees_what_training_sees(run_of, snapshot: Snapshot, tmp_path: Path, bare_packages: Path) -> None:
    """Transparent areas lie on white, and 16 bits are scaled, not clipped; the file for prepared images agrees."""
    options = ExportOptions.for_target(float_input=True)
    model = export_run(run_of("test_vit", "linear"), snapshot, tmp_path / "out", options=options).model
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (40, 30, 4), np.uint8)).save(tmp_path / "clear.png")
    Image.fromarray(random.integers(0, 65536, (40, 30), np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(random.random((40, 30), np.float32)).save(tmp_path / "unit.tif")
    Image.fromarray(random.normal(0, 9, (40, 30)).astype(np.float32)).save(tmp_path / "signed.tif")
    Image.fromarray(random.integers(0, 999, (40, 30), np.int32)).save(tmp_path / "whole.tif")
    (tmp_path / "wide.pgm").write_bytes(b"P5 2 2 999\n" + random.integers(0, 999, 4, np.uint16).astype(">u2").tobytes())
    images = [tmp_path / name for name in ("clear.png", "deep.png", "unit.tif", "signed.tif", "whole.tif", "wide.pgm")]
    expected = [100 * share for prediction in Predictor(model).predict(images) for _, share in prediction.top5]
    for words in ((), ("--model", "model_float.onnx")):
        assert run_bare(bare_packages, model.with_name("predict.py"), *words, *images) == pytest.approx(
            expected, abs=0.02
        )


@pytest.fixture
def asked(tmp_path: Path, snapshot: Snapshot) -> list[Path]:
    """Return images of many kinds, decoded by JavaScript as by this program."""
    random = np.random.default_rng(0)
    plain = Image.fromarray(random.integers(0, 256, (60, 90, 3), np.uint8))
    save_turned(plain, tmp_path)
    plain.convert("L").save(tmp_path / "grey.png")
    plain.convert("P").save(tmp_path / "palette.gif")
    plain.save(tmp_path / "lossy.webp")
    Image.fromarray(random.integers(0, 65536, (40, 30), np.uint16)).save(tmp_path / "deep.png")
    plain.resize((1, 1)).save(tmp_path / "least.png")
    made = ("turned.jpg", "grey.png", "palette.gif", "lossy.webp", "deep.png", "least.png")
    return [snapshot.images[0].path, *(tmp_path / name for name in made)]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_javascript_prints_what_the_script_prints(
    task: str, run_of, trained, snapshot: Snapshot, asked, tmp_path: Path, install_samples, monkeypatch
) -> None:
    run_dir = run_of("test_vit", "linear")
    if task == "multi":
        snapshot = dataclasses.replace(snapshot, task="multi")
        run_dir = trained(snapshot, tmp_path / "run", backbone="test_vit", method="linear")
    out = export_run(run_dir, snapshot, tmp_path / "out").model.parent
    assert not (out / "samples" / "node" / "node_modules").exists()
    install_samples(out)
    node, python = (
        subprocess.run([*start, *map(str, asked)], capture_output=True, text=True, timeout=120, check=True).stdout
        for start in (["node", str(out / "samples/node/predict.mjs")], [sys.executable, str(out / "predict.py")])
    )
    assert node == python and ("  *" in node) == (task == "multi")
    (out / "samples" / "node" / "node_modules").unlink()
    (out / "samples" / "web" / "node_modules").unlink()
    assert json.loads((out / "export.json").read_text())["samples"]["node"]["why_not"]
    install_samples(out)
    monkeypatch.setenv(RUNTIMES, str(out / "samples" / "node"))
    again = export_run(run_dir, snapshot, out)
    assert [(each.name, each.agrees) for each in again.samples] == [("python", True), ("node", True)]
    assert (out / "samples" / "node" / "node_modules").exists()  # earlier installations stay


@pytest.mark.slow
def test_the_javascript_refuses_in_words(run_of, snapshot: Snapshot, tmp_path: Path, install_samples) -> None:
    out = export_run(run_of("test_vit", "linear"), snapshot, tmp_path / "out").model.parent
    script = out / "samples" / "node" / "predict.mjs"

    def said(*words: object) -> tuple[int, list[str]]:
        command = ["node", str(script), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, [line.removeprefix("predict.mjs: ") for line in done.stderr.splitlines()]

    code, (line,) = said("a.png")
    assert code == 2 and "onnxruntime-node" in line and "npm install" in line
    install_samples(out)
    code, (line,) = said()
    assert code == 2 and "predict.mjs" in line
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    code, lines = said(tmp_path / "gone.png", text, tmp_path, snapshot.images[0].path)
    named = [line.split(": ")[0] for line in lines]
    assert code == 2 and named == [str(tmp_path / "gone.png"), str(text), str(tmp_path)]
    model = out / "model.onnx"
    content = model.read_bytes()
    for broken in (b"no model", content[:-9], b"", None):
        model.unlink()
        if broken is not None:
            model.write_bytes(broken)
        code, (line,) = said(snapshot.images[0].path)
        assert code == 2 and line.startswith(f"{model} ")


def test_the_samples_are_files_and_name_no_address() -> None:
    assert all(sample.file in sample_files(["model.onnx", "model.pt2"]) for sample in SAMPLES)
    for name in sample_files(["model.onnx", "model.pt2"]):
        assert not re.search(r"https?://(?!127\.0\.0\.1)", (ROOT / name).read_text(encoding="utf-8")), name


def test_the_c_sharp_fits_what_it_calls(tmp_path: Path) -> None:
    """Compiled by Mono against the used signatures of ONNX Runtime and SkiaSharp."""
    if shutil.which("mcs") is None:
        pytest.skip("Mono's compiler is not installed (apt-get install mono-mcs)")
    sources = [ROOT / "samples" / "csharp" / "Program.cs", Path(__file__).with_name("Signatures.cs")]
    command = ["mcs", "-warnaserror", "-langversion:7.2", f"-out:{tmp_path / 'predict.exe'}", *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


KOTLIN_MAIN = """
fun main(given: Array<String>) {
    val numbers = given.take(8).map { it.toInt() }
    val region = IntArray(4) { numbers[4 + it] }
    val fitting = Fitting(numbers[0], numbers[1], region, given[8].toDouble(), given[9] == "bicubic")
    val image = java.nio.ByteBuffer.wrap(java.io.File(given[10]).readBytes())
    val found = fitting.fit(image, numbers[2], numbers[3])
    java.io.File(given[11]).writeBytes(ByteArray(found.remaining()) { found.get(it) })
}
"""
SWIFT_MAIN = """
import Foundation

let given = CommandLine.arguments.dropFirst().map { String($0) }
let record = try JSONDecoder().decode(Record.self, from: Data(contentsOf: URL(fileURLWithPath: given[0])))
let image = [UInt8](try Data(contentsOf: URL(fileURLWithPath: given[3])))
let found = record.preprocessing.fit(image, height: Int(given[1])!, width: Int(given[2])!)
try Data(found).write(to: URL(fileURLWithPath: given[4]))
"""
STEPS = PreprocessConfig(
    height=64, width=64, crop_share=0.875, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
FITTINGS = [  # preprocessing, and height and width of an image
    (STEPS, (301, 187)),
    (dataclasses.replace(STEPS, interpolation="bilinear", crop_share=1.0), (90, 500)),
    (dataclasses.replace(STEPS, height=48, region=(100, 0, 900, 733)), (333, 400)),
    (STEPS, (40, 30)),  # smaller than the input
    (dataclasses.replace(STEPS, interpolation="bilinear"), (1, 2)),
]


def noise(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(shape[0]).integers(0, 256, (*shape, 3), np.uint8)


def assert_resized_alike(found: bytes, steps: PreprocessConfig, pixels: np.ndarray) -> None:
    """Compare with the input that an export is measured with: sums in another order may round to the next byte."""
    expected = fixed_input(steps)(pixels).astype(int)
    difference = np.abs(np.frombuffer(found, np.uint8).reshape(expected.shape) - expected)
    assert difference.max() <= 1 and difference.mean() < 0.001


@pytest.mark.slow
def test_the_kotlin_fits_what_it_calls_and_resizes_as_the_model(tmp_path: Path) -> None:
    """Compiled against the used signatures of ONNX Runtime and Android."""
    if (kotlin := shutil.which("kotlinc")) is None:
        pytest.skip("kotlinc is not installed (npm install kotlin-compiler has it in its folder bin; it needs Java)")
    # A file has one package.
    signatures = (SIGNATURES / "kotlin.txt").read_text(encoding="utf-8")
    sources = [ROOT / "samples" / "android" / "ImageClassifier.kt"]
    for number, package in enumerate(re.split(r"^(?=package )", signatures, flags=re.MULTILINE)[1:]):
        sources.append(tmp_path / f"signatures{number}.kt")
        sources[-1].write_text(package, encoding="utf-8")
    sources.append(tmp_path / "Main.kt")
    sources[-1].write_text(KOTLIN_MAIN, encoding="utf-8")
    program = tmp_path / "made.jar"
    command = [kotlin, "-Werror", "-include-runtime", "-d", str(program), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for steps, shape in FITTINGS:
        pixels, image, found = noise(shape), tmp_path / "image", tmp_path / "found"
        image.write_bytes(pixels.tobytes())
        numbers = (steps.height, steps.width, *shape, *steps.region, steps.crop_share)
        line = ["java", "-cp", program, "MainKt", *map(str, numbers), steps.interpolation, image, found]
        subprocess.run(line, check=True, timeout=60)
        assert_resized_alike(found.read_bytes(), steps, pixels)


@pytest.mark.slow
def test_the_swift_fits_what_it_calls_and_resizes_as_the_model(tmp_path: Path) -> None:
    """Compiled against the used signatures of ONNX Runtime and Core Graphics."""
    if (swift := shutil.which("swiftc")) is None:
        pytest.skip("swiftc is not installed (apt-get install swiftlang)")
    for module in ("CoreGraphics", "OnnxRuntimeBindings"):
        made = [swift, "-emit-module", "-parse-as-library", "-module-name", module, "-o", f"{module}.swiftmodule"]
        subprocess.run([*made, str(SIGNATURES / f"{module}.swift")], cwd=tmp_path, check=True, timeout=300)
    command = [swift, "-typecheck", "-warnings-as-errors", "-I", str(tmp_path)]
    source = ROOT / "samples" / "ios" / "ImageClassifier.swift"
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # The resize needs nothing but Foundation, so it runs on any system.
    text = source.read_text(encoding="utf-8")
    (tmp_path / "Fitting.swift").write_text("import Foundation\n" + text[text.index("/// What export.json") :])
    (tmp_path / "main.swift").write_text(SWIFT_MAIN, encoding="utf-8")
    program = [swift, "-O", "-o", "fitting", "main.swift", "Fitting.swift"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for steps, shape in FITTINGS:
        pixels, record = noise(shape), tmp_path / "export.json"
        record.write_text(json.dumps({"preprocessing": dataclasses.asdict(steps)}))
        (tmp_path / "image").write_bytes(pixels.tobytes())
        line = [tmp_path / "fitting", record, *map(str, shape), tmp_path / "image", tmp_path / "found"]
        subprocess.run(line, check=True, timeout=60)
        assert_resized_alike((tmp_path / "found").read_bytes(), steps, pixels)


@pytest.mark.slow
def test_the_c_plus_plus_prints_what_the_script_prints(run_of, snapshot: Snapshot, tmp_path: Path) -> None:
    if shutil.which("g++") is None or not Path("/usr/include/onnxruntime").is_dir():
        pytest.skip("g++ and ONNX Runtime are not installed (apt-get install g++ libonnxruntime-dev libopencv-dev)")
    if not Path("/usr/include/opencv4/opencv2/imgcodecs.hpp").is_file():
        pytest.skip("OpenCV is not installed (apt-get install libopencv-dev)")
    out = export_run(run_of("test_vit", "linear"), snapshot, tmp_path / "out").model.parent
    source = out / "samples" / "cpp" / "predict.cpp"
    places = ["-I/usr/include/onnxruntime", "-I/usr/include/opencv4"]
    libraries = ["-lonnxruntime", "-lopencv_imgcodecs", "-lopencv_imgproc", "-lopencv_core"]
    built = ["g++", "-std=c++17", "-O1", "-Wall", str(source), "-o", str(source.with_name("predict")), *places]
    subprocess.run([*built, *libraries], check=True, timeout=600)
    turned = save_turned(Image.open(snapshot.images[20].path), tmp_path)
    asked = [str(snapshot.images[0].path), str(turned), str(tmp_path / "gone.jpg")]
    native, python = (
        subprocess.run([*start, *asked], capture_output=True, text=True, timeout=120, check=False)
        for start in ([str(source.with_name("predict"))], [sys.executable, str(out / "predict.py")])
    )
    assert native.stdout == python.stdout and native.returncode == python.returncode == 2
    assert f"predict: {asked[2]}: " in native.stderr
