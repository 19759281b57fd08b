"""LoRA's fused layer (one product) equals peft's own (three products)."""

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear
from torch.utils._python_dispatch import TorchDispatchMode

from models.methods.lora_linear import UpdatedLinear


def make_layer(kind: type[Linear], *, bias: bool = True, rslora: bool = False) -> Linear:
    torch.manual_seed(0)
    base = torch.nn.Linear(12, 20, bias=bias).requires_grad_(False)
    config = LoraConfig(r=3, lora_alpha=5, use_rslora=rslora)
    layer = kind(base, "default", config=config, r=3, lora_alpha=5)
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    return layer


def run(layer: Linear, dtype: torch.dtype, *, frozen_below: bool = False) -> list[torch.Tensor]:
    """Return the output and the gradients of the input, A and B, all in fp32."""
    x = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(1)).requires_grad_(not frozen_below)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        output = layer(x)
    assert output.dtype == dtype
    (output.float() * torch.linspace(-1, 1, 20)).square().sum().backward()
    results = [output, x.grad, layer.lora_A["default"].weight.grad, layer.lora_B["default"].weight.grad]
    return [result.detach().float() for result in results if result is not None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("bias", "rslora"), [(True, False), (False, False), (True, True)])
def test_outputs_and_gradients_are_pefts(dtype, bias, rslora) -> None:
    ours, theirs = (run(make_layer(kind, bias=bias, rslora=rslora), dtype) for kind in (UpdatedLinear, Linear))
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=tolerance, atol=tolerance * float(other.abs().max()))


def test_a_frozen_input_gets_no_gradient_and_a_frozen_weight_may_be_of_a_smaller_type() -> None:
    output, to_down, to_up = run(make_layer(UpdatedLinear), torch.float32, frozen_below=True)
    whole = run(make_layer(UpdatedLinear), torch.float32)
    assert torch.equal(output, whole[0]) and torch.equal(to_down, whole[2]) and torch.equal(to_up, whole[3])
    layer = make_layer(UpdatedLinear)
    expected = run(layer, torch.bfloat16)[0]
    layer.get_base_layer().to(torch.bfloat16)
    torch.testing.assert_close(run(layer, torch.bfloat16)[0], expected, rtol=2e-2, atol=2e-2)


def test_no_gradient_as_large_as_the_weight_is_formed() -> None:
    """The purpose of the layer: full fine-tuning's third product is avoided."""
    layer = make_layer(UpdatedLinear)
    shapes = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            shapes.append(tuple(result.shape) if isinstance(result, torch.Tensor) else ())
            return result

    output = layer(torch.randn(5, 12, requires_grad=True))
    with Watch():
        output.sum().backward()
    products = [shape for shape in shapes if shape == (20, 12)]
    assert len(products) == 1, "one only: the updated weight, computed again rather than kept"
