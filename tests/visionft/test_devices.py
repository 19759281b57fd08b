"""Which precision a computer's devices take by themselves."""

from types import SimpleNamespace

import pytest

from visionft.devices import _cpu_precision, list_devices


@pytest.mark.parametrize(
    ("cpu", "precision"),
    [
        (SimpleNamespace(), "fp32"),
        (SimpleNamespace(_is_avx512_bf16_supported=lambda: False, _is_amx_tile_supported=lambda: False), "fp32"),
        (SimpleNamespace(_is_avx512_bf16_supported=lambda: True), "bf16"),
        (SimpleNamespace(_is_avx512_bf16_supported=lambda: False, _is_amx_tile_supported=lambda: True), "bf16"),
    ],
)
def test_a_cpu_takes_bf16_only_where_it_multiplies_it_by_itself(cpu: SimpleNamespace, precision: str) -> None:
    assert _cpu_precision(cpu) == precision


def test_the_cpu_is_there_and_comes_last() -> None:
    assert list_devices()[-1].kind == "cpu"
