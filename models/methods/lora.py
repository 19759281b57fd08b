"""LoRA through peft: low-rank updates beside frozen weights, W + (alpha / rank) B A (Hu et al. 2021, arXiv:2106.09685).

Merging folds each update into its weight: the result is a plain timm network with the base's parameter names and speed.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions, layers_setting
from models.shapes import Matrices, NetworkShape
from visionft.core.errors import Problem
from visionft.core.files import umask_permissions
from visionft.core.messages import Message
from visionft.core.settings import setting

GROUPED_CONVOLUTIONS = Message("updates of its grouped convolutions cannot be merged; choose adapter or full")


@dataclass(frozen=True, kw_only=True)
class LoraOptions(MethodOptions):
    rank: int = setting(
        8, label="Rank", limits=(1, 256), help="Rank of each update; more can fit more, and trains more."
    )
    alpha: float = setting(
        16.0, label="Alpha", limits=(0.1, 1024), help="Scale of the update (alpha / rank); twice the rank is usual."
    )
    layers: str = layers_setting("last")


class Lora(Method[LoraOptions]):
    name = "lora"
    title = Message("LoRA")
    summary = Message("Small low-rank updates learn beside the frozen weights and fold into them at export.")
    when = Message("Nearly full fine-tuning's accuracy for a few percent of the memory. The usual choice.")
    options = LoraOptions
    learning_rate = 1.5e-3
    interpolates = True

    def refusal(self, backbone: Backbone) -> str:
        return GROUPED_CONVOLUTIONS if backbone.shape.is_grouped else super().refusal(backbone)

    def injected_parameters(self, shape: NetworkShape, options: LoraOptions) -> int:
        return options.rank * sum(fan_in + out for matrix in _updated(shape) for fan_in, out in matrix.sizes)

    def problems(self, backbone: Backbone, options: LoraOptions, *, batch_size: int) -> list[Problem]:
        largest = min(min(size) for matrix in backbone.shape.matrices.values() for size in matrix.sizes)
        if options.rank <= largest:
            return []
        message = Message(
            "must be at most {largest}, the width of {name}'s narrowest layer, got {rank}",
            largest=largest,
            name=backbone.name,
            rank=options.rank,
        )
        return [Problem(f"{self.name}.rank", message)]

    def inject(self, network: Any, backbone: Backbone, options: LoraOptions) -> Any:
        from peft import inject_adapter_in_model
        from torch import nn

        from models.methods.lora_linear import UpdatedLinear

        config = _peft_config(backbone.shape, options)
        config._register_custom_module({nn.Linear: UpdatedLinear})
        inject_adapter_in_model(config, network)
        return super().inject(network, backbone, options)

    def merge(self, network: Any) -> None:
        """Fold every update into its weight and put the plain layers back, in place."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        updated = [(name, module) for name, module in network.named_modules() if isinstance(module, BaseTunerLayer)]
        for name, module in updated:
            module.merge(safe_merge=True)
            network.set_submodule(name, module.get_base_layer())
        body = getattr(network, "body", network)
        if hasattr(body, "peft_config"):
            del body.peft_config

    def is_scaled_elsewhere(self, name: str) -> bool:
        """Return True for A: B, zero at the start, scales the update."""
        return ".lora_A." in name

    def save_exchange(self, network: Any, folder: Path, *, backbone: Backbone, options: LoraOptions) -> None:
        """Write the files of `PeftModel.from_pretrained`; a head of the network travels along as a module to save."""
        import torch
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        head = backbone.head
        head_state = network.get_submodule(head).state_dict()  # empty where a `JoinedNetwork` has the head
        state = dict(get_peft_model_state_dict(network))
        state |= {f"{head}.{name}": value for name, value in head_state.items()}
        path = folder / "adapter_model.safetensors"
        with umask_permissions(path):
            plain = {name: value.detach().to("cpu", torch.float32, copy=True) for name, value in state.items()}
            save_file({f"base_model.model.{name}": value.contiguous() for name, value in plain.items()}, path)
        config = _peft_config(backbone.shape, options).to_dict()
        config |= {
            "base_model_name_or_path": backbone.hub_id or None,
            "modules_to_save": [head] if head_state else None,
            "inference_mode": True,
            # peft drops keys of its own level that it does not know, with a warning; these it keeps.
            "auto_mapping": {
                "base_model_class": type(network).__name__,
                "parent_library": type(network).__module__,
                "base_model_construction": backbone.construction,
            },
        }
        text = json.dumps(
            config, indent=2, default=lambda value: sorted(value) if isinstance(value, set) else str(value)
        )
        (folder / "adapter_config.json").write_text(text, encoding="utf-8")


def _updated(shape: NetworkShape) -> list[Matrices]:
    """Return the layers that get an update: queries, keys and values in a network with tokens, else all."""
    return [shape.matrices["qkv"]] if shape.has_tokens else list(shape.matrices.values())


def _peft_config(shape: NetworkShape, options: LoraOptions) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]
        target_modules="|".join(matrix.pattern for matrix in _updated(shape)),  # peft matches whole names
        bias="none",
    )
