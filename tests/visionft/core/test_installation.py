"""VisionFT's requirements on this computer, and those added by an extra."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from visionft.core import installation
from visionft.core.installation import packages_of, refusal, requirements

DECLARED = [
    "onnxruntime-gpu>=1.28; sys_platform != 'darwin' and platform_machine != 'ARM64'",
    "onnxruntime>=1.28; sys_platform == 'darwin' or platform_machine == 'ARM64'",
    "timm>=1",
    "pyarrow>=18; extra == 'parquet'",
    "open_clip_torch<4,>=3.3; extra == 'zero-shot'",
    "tokenizers>=0.21; extra == 'zero-shot'",
    "nothing; sys_platform == 'amiga' and extra == 'zero-shot'",
]


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch):
    """Return a function to simulate a kind of computer with VisionFT's metadata and one ONNX Runtime."""

    def put(system: str, processor: str, runtime: str) -> None:
        installed = {runtime: "1.31.1"}
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr("platform.machine", lambda: processor)
        monkeypatch.setattr(metadata, "requires", lambda _name: DECLARED)
        monkeypatch.setattr(installation, "version_of", installed.get)

    return put


@pytest.mark.parametrize(
    ("system", "processor", "runtime"),
    [
        ("linux", "x86_64", "onnxruntime-gpu"),
        ("linux", "x86_64", "onnxruntime"),  # as start.py installs it without a GPU
        ("linux", "aarch64", "onnxruntime-gpu"),
        ("win32", "ARM64", "onnxruntime"),
        ("darwin", "arm64", "onnxruntime"),
    ],
)
def test_markers_decide_what_is_asked_for(computer, system: str, processor: str, runtime: str) -> None:
    computer(system, processor, runtime)
    assert requirements() == [f"{runtime}>=1.28", "timm>=1"]


def test_the_projects_own_metadata_can_be_read() -> None:
    named = [line for line in requirements() if line.startswith("onnxruntime")]
    assert len(named) == 1 and any(line.startswith("torch>=") for line in requirements())
    assert not any("pyarrow" in line for line in requirements())


def test_an_extra_is_what_it_adds_so_that_pip_leaves_the_exchanged_runtime_alone(computer) -> None:
    computer("linux", "x86_64", "onnxruntime")
    assert packages_of("visionft[zero-shot]") == ["open_clip_torch<4,>=3.3", "tokenizers>=0.21"]
    assert packages_of("visionft[parquet]") == ["pyarrow>=18"]
    assert packages_of("timm>=1") == ["timm>=1"]


def test_every_extra_that_an_error_names_is_one() -> None:
    for extra in ("parquet", "zero-shot"):
        assert packages_of(f"visionft[{extra}]")


def test_a_program_without_python_takes_nothing_in_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("visionft[zero-shot]") is None
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    refused = refusal("visionft[zero-shot]")
    assert refused is not None and "docs/install.md" in refused.hint
    assert (Path(__file__).parents[3] / "docs" / "install.md").is_file()
    damaged = refusal("timm>=1")
    assert damaged is not None and "timm>=1" in damaged.message and damaged.hint
