"""Default precision of a computer's devices."""

import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from visionft.core.devices import free_gpu_mb, list_devices


@pytest.mark.parametrize(
    ("abilities", "precision"),
    [
        ({}, "fp32"),
        ({"_is_avx512_bf16_supported": False, "_is_amx_tile_supported": False}, "fp32"),
        ({"_is_avx512_bf16_supported": True}, "bf16"),
        ({"_is_avx512_bf16_supported": False, "_is_amx_tile_supported": True}, "bf16"),
    ],
)
def test_a_cpu_takes_bf16_only_where_it_multiplies_it_by_itself(
    abilities: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        torch, "cpu", SimpleNamespace(**{name: partial(bool, is_there) for name, is_there in abilities.items()})
    )
    assert list_devices()[-1].precision == precision


def test_the_cpu_is_there_and_comes_last() -> None:
    assert list_devices()[-1].kind == "cpu"


def test_free_memory_of_a_gpu_is_what_its_driver_says_and_unknown_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda _handle: SimpleNamespace(free=5000 << 20),
    )
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert free_gpu_mb() == 5000

    def no_driver() -> None:
        raise OSError("no driver")

    driver.nvmlInit = no_driver
    assert free_gpu_mb() is None
