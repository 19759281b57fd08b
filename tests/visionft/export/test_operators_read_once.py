"""What makes the export tests quicker must not break them where PyTorch has moved what it leans on."""

import sys

import pytest

PLACE = "torch.onnx._internal.exporter._registration"


def test_operators_are_read_once_and_afterwards_as_ever(operators_read_once) -> None:
    registry = pytest.importorskip(PLACE).ONNXRegistry
    own = registry.__dict__["from_torchlib"]
    with operators_read_once():
        first = registry.from_torchlib(opset_version=18)
    with operators_read_once():
        assert registry.from_torchlib(opset_version=18) is first
    assert registry.__dict__["from_torchlib"] is own


@pytest.mark.parametrize("lost", ["module", "class", "function"])
def test_where_pytorch_keeps_them_elsewhere_nothing_breaks(
    operators_read_once, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    module = pytest.importorskip(PLACE)
    if lost == "module":
        monkeypatch.setitem(sys.modules, PLACE, None)
    elif lost == "class":
        monkeypatch.delattr(module, "ONNXRegistry")
    else:
        monkeypatch.delattr(module.ONNXRegistry, "from_torchlib")
    with operators_read_once():
        assert lost  # entered and left without an error
