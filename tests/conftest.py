"""Fixtures of all tests: no network, a temporary home, small images, and the real ones where available."""

import contextlib
import gc
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as visionft/__init__.py does; before torch loads
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the processors already: more threads in each wait for one another (measured: four times as long).
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest
from PIL import Image

from visionft.core.files import sha256_file
from visionft.data.types import Snapshot, SnapshotImage

ROOT = Path(__file__).parents[1]
# The same examples every time; `--hypothesis-profile=default` explores others.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")
sys.path += [str(ROOT / "packaging"), str(ROOT / "tests" / "fixtures")]
from translations import compile_stale  # noqa: E402 (of packaging)

compile_stale()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for longer proofs."""
    parser.addoption("--long", action="store_true", help="also run what is marked long, and proofs at full length")
    parser.addoption("--torture", type=int, help="how often each loop of tests/torture is run (marked slow)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark long tests as slow, and skip them without `--long` or `--torture`, which lifts the time limit of a test."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")
            if not config.getoption("--long") and config.getoption("--torture") is None:
                item.add_marker(pytest.mark.skip(reason="takes minutes: give --long"))
        if config.getoption("--torture") is not None:
            item.add_marker(pytest.mark.timeout(0))  # a thousand kills take longer than any test may


def pytest_collection_finish() -> None:
    """Exempt the permanent objects of libraries and tests from garbage collection: a million objects, each time."""
    gc.freeze()


@pytest.fixture
def is_long(pytestconfig: pytest.Config) -> bool:
    """Return whether the proofs run at their full length."""
    return pytestconfig.getoption("--long")


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """Return a function: usual rounds of a loop of `tests/torture` -> the number given with `--torture`, or those."""
    asked: int | None = pytestconfig.getoption("--torture")
    return lambda usual: usual if asked is None else asked


@pytest.fixture
def torture_rounds(rounds: Callable[[int], int], is_long: bool) -> int:
    """Return the rounds of a loop that takes little time."""
    return rounds(200 if is_long else 20)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give each test a temporary home and refuse every connection beyond this machine."""
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name, folder in (
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"),
        ("HF_HOME", ".cache/huggingface"),
    ):
        monkeypatch.setenv(name, str(home / folder))
    monkeypatch.setattr(socket.socket, "connect", _guard(socket.socket.connect))


def _guard(connect):
    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    return guarded


@pytest.fixture
def weights_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty weights folder."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("VISIONFT_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def write_model() -> Callable[..., Path]:
    """Return a function to write an exported file for colour classification."""
    from tiny_model import write_model

    return write_model


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Return a model hub for uploads, at the address used by huggingface_hub (`tests/fixtures/fake_hub.py`)."""
    from fake_hub import served_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the hub on loopback stores files as Git LFS does
    with served_hub() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        close_session()
        yield served
        close_session()


@pytest.fixture
def stronger_hub(weights_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Return a hub on loopback with the hybrid ViT as the network `strong`, which may do better than the starter ViT.

    These two are all that is tried; the hub's file is that of the bundled network.
    """
    from dataclasses import replace

    from weights_hub import served_weights

    from models.catalog import BACKBONES
    from models.pins import NO_PIN
    from models.weights.locations import bundled_file
    from visionft.training import stronger
    from visionft.training.config import presets

    row = BACKBONES["hybrid_vit"]
    file = bundled_file(row)
    assert file is not None
    facts = {"name": "strong", "title": "Strong network", "bundled": "", "sha256": "", "pin": NO_PIN}
    strong = replace(row, **facts, hub_id="example/strong", licence="Apache-2.0")
    monkeypatch.setitem(BACKBONES, "strong", strong)
    monkeypatch.setattr(
        presets, "CANDIDATE_BACKBONES", {False: ("starter_vit", "strong"), True: ("starter_vit", "strong")}
    )
    monkeypatch.setattr(stronger, "STRONGER_NETWORKS", {False: ("strong",), True: ("strong",)})
    with served_weights(file.read_bytes(), monkeypatch) as served:
        yield served


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder per class of the sample's photographs of waste: twelve in each of five classes."""
    import zipfile

    from resources.photographs import PHOTOGRAPHS

    folder = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(PHOTOGRAPHS) as packed:
        names = sorted(name for name in packed.namelist() if not name.endswith("/"))
        classes = sorted({name.split("/")[-2] for name in names})
        chosen = [name for each in classes for name in [name for name in names if f"{each}/" in name][:12]]
        for name in chosen:
            packed.extract(name, folder)
    return folder


@pytest.fixture
def unprivileged():
    """Return a context in which permissions apply: root is exempt from them, so it becomes nobody there."""

    @contextlib.contextmanager
    def unprivileged():
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if is_root:
                os.seteuid(0)

    return unprivileged


@pytest.fixture
def disk_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a growing list of flushes and renames, by the name of the flushed file or rename target."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("the names of open files are known on Linux alone")
    made: list[str] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def flushed(descriptor: int) -> None:
        made.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def renamed(source, target, *, through=rename) -> None:
        made.append(f"rename {Path(target).name}")
        through(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "replace", lambda source, target: renamed(source, target, through=replace))
    return made


@pytest.fixture(scope="session")
def state_of():
    """Return a function: backbone, classes, image size -> random tensors as a hub's file of it would hold."""

    def state_of(backbone: str, *, classes: int = 1000, image_size: int = 64):
        import torch

        from models.catalog import BACKBONES
        from models.networks import build_network

        torch.manual_seed(1)
        state = build_network(BACKBONES[backbone], classes=classes, shape=(image_size, image_size)).state_dict()
        if not BACKBONES[backbone].text:
            return state
        side = {"text.positional_embedding": torch.zeros(1), "logit_scale": torch.zeros(())}
        return {f"visual.trunk.{name}": value for name, value in state.items()} | side

    return state_of


@pytest.fixture
def tiny_clip(weights_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a CLIP in this test's catalog only: tiny, random, in the weights folder."""
    return _add_tiny(weights_home, monkeypatch, "tiny_clip", is_sigmoid=False)


@pytest.fixture
def tiny_siglip(weights_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a SigLIP likewise, with a vocabulary of letters."""
    return _add_tiny(weights_home, monkeypatch, "tiny_siglip", is_sigmoid=True)


@pytest.fixture
def planted(tiny_clip: str, weights_home: Path, tmp_path: Path) -> Path:
    """Return a folder of images in three colours; tiny_clip classifies them with their names as prompts.

    Its random encoders are kept; the projection between them is solved so each colour's images match its text.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from models.catalog import BACKBONES
    from models.networks import build_network
    from models.text.text_encoder import open_text_side
    from models.weights.weights_loading import load_weights
    from visionft.data.preprocess import PreprocessConfig

    row, path, folder = BACKBONES[tiny_clip], weights_home / f"{tiny_clip}.safetensors", tmp_path / "colours"
    generator, colours = np.random.default_rng(0), {"red": (210, 40, 40), "green": (40, 190, 60), "blue": (40, 60, 220)}
    network, kinds = build_network(row, classes=0, shape=(64, 64)).eval(), []
    load_weights(network, row, path)
    inputs = []
    for number, (name, colour) in enumerate(colours.items()):
        (folder / name).mkdir(parents=True)
        for count in range(8):
            pixels = np.clip(np.array(colour) + generator.normal(0, 12, (64, 64, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}{count}.png")
            inputs.append(PreprocessConfig.for_backbone(row, (64, 64)).apply(pixels))
            kinds.append(number)
    with torch.no_grad():
        features = network.forward_head(network.forward_features(torch.stack(inputs)), pre_logits=True)
    texts = open_text_side(row).encode([f"a photo of a {name}." for name in colours])
    mean = features.mean(dim=0)
    solved = torch.linalg.lstsq(features - mean, texts[kinds] - texts.mean(dim=0), driver="gelsd").solution  # (D, E)
    state = load_file(path)
    state["visual.trunk.head.weight"] = solved.T.contiguous()
    state["visual.trunk.head.bias"] = texts.mean(dim=0) - solved.T @ mean
    save_file(state, path)
    return folder


def _add_tiny(weights_home: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, is_sigmoid: bool) -> str:
    from dataclasses import replace

    import torch
    from safetensors.torch import save_file

    from models.catalog import BACKBONES
    from models.networks import build_network
    from models.pins import NO_PIN
    from models.shapes import ViTShape
    from models.text.text_encoder import build_text_network

    like = BACKBONES["siglip2_b" if is_sigmoid else "pe_core_s"]
    assert like.text
    small = {"width": 32, "heads": 2, "layers": 2, "vocab_size": 300 if is_sigmoid else 49408}
    tower = replace(
        like.text,
        embedding=64 if is_sigmoid else 48,
        settings={**like.text.settings, **small},
        tokenizer_pin=NO_PIN,
    )
    row = replace(
        like,
        name=name,
        title=name,
        text=tower,
        pin=NO_PIN,
        hub_id=f"timm/{name}",
        model_args={"embed_dim": 64, "depth": 2, "num_heads": 2}
        | ({} if is_sigmoid else {"attn_pool_num_heads": 2, "img_size": 64}),
        shape=ViTShape(width=64, depth=2, heads=2, mlp_width=256, patch=16, has_rotary=not is_sigmoid),
        features=64,
        input_size=64,
    )
    headless = build_network(row, classes=0, shape=(64, 64))
    row = replace(row, parameters=sum(value.numel() for value in headless.parameters()))
    torch.manual_seed(3)
    trunk = build_network(row, classes=0 if is_sigmoid else tower.embedding, shape=(64, 64))
    state = {f"visual.trunk.{key}": value for key, value in trunk.state_dict().items()}
    state |= {f"text.{key}": value for key, value in build_text_network(tower).state_dict().items()}
    state["logit_scale"] = torch.tensor(3.0)
    if is_sigmoid:
        state["logit_bias"] = torch.tensor(-2.0)
        _write_letters(weights_home / f"{name}.tokenizer.json")
    save_file({key: value.contiguous().clone() for key, value in state.items()}, weights_home / f"{name}.safetensors")
    monkeypatch.setitem(BACKBONES, name, row)
    return name


def _write_letters(path: Path) -> None:
    """Write a vocabulary in Gemma's form: single letters, and some pairs of them."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    letters = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz0123456789äöüß", "th", "▁a", "▁o"]
    vocabulary = {piece: number for number, piece in enumerate(letters)}
    merges = [("t", "h"), ("▁", "a"), ("▁", "o")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in letters[:4]])
    tokenizer.save(str(path))


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Return a function to draw an image of distinct content for each number."""

    def draw_image(path: Path, number: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number % 256, number // 256 % 256, 200)).save(path)
        return path

    return draw_image


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real images, or skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real images (../shared/data) are not here")
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three class folders, 16 noisy 48x40 images each; a class is a hue."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for index, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir()
        for number in range(16):
            pixels = rng.integers(0, 120, (40, 48, 3))
            pixels[..., 2 - index] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="session")
def snapshot(image_folder: Path) -> Snapshot:
    """Return the images of `image_folder`, labelled and split: 10 train, 3 val, 3 test a class."""
    names = ("blue", "green", "red")
    images = [
        SnapshotImage(
            image_id=16 * index + number + 1,
            path=image_folder / name / f"{number:02d}.png",
            sha256=sha256_file(image_folder / name / f"{number:02d}.png"),
            labels=(index,),
            split="train" if number < 10 else "val" if number < 13 else "test",
        )
        for index, name in enumerate(names)
        for number in range(16)
    ]
    return Snapshot("single", names, tuple(images))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a growing list of the names of files decoded for the cache in this process."""
    from visionft.data import image_cache

    found: list[str] = []
    decode_open = image_cache.decode_open

    def counted(handle, **given):
        found.append(handle.name)
        return decode_open(handle, **given)

    monkeypatch.setattr(image_cache, "decode_open", counted)
    return found
