"""LoRA through peft: low-rank updates beside frozen weights, W + (alpha / rank) B A (Hu et al. 2021, arXiv:2106.09685).

Merging folds each update into its weight: the result is a plain timm network with the base's parameter names and speed.
"""

import json
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.catalog import Backbone
from models.methods.options import LoraOptions

_VIT_TARGETS = {"qkv": "attn.qkv", "attention": "attn.(qkv|proj)", "all": "(attn.(qkv|proj)|mlp.(fc1|fc2))"}


def target_pattern(family: str, options: LoraOptions) -> str:
    """Return the anchored pattern of module names that get an update; peft matches it against whole names."""
    if family == "resnet":
        return r"layer\d\.\d+\.conv[123]"
    return r"blocks\.\d+\." + _VIT_TARGETS[options.targets].replace(".", r"\.")


def inject(network: nn.Module, options: LoraOptions, family: str) -> None:
    """Put trainable low-rank updates beside the targeted layers of a timm network, in place."""
    from peft import inject_adapter_in_model

    from models.methods.lora_linear import UpdatedLinear

    config = _peft_config(family, options)
    if options.variant != "dora" and not options.dropout:  # these two need B A x apart from W x
        config._register_custom_module({nn.Linear: UpdatedLinear})
    inject_adapter_in_model(config, network)


def _peft_config(family: str, options: LoraOptions) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]
        lora_dropout=options.dropout,
        target_modules=target_pattern(family, options),
        use_rslora=options.variant == "rslora",
        use_dora=options.variant == "dora",
        bias="none",
    )


def merge(network: nn.Module) -> None:
    """Fold every update into its weight and put the plain layers back, in place.

    Raises:
        ValueError: A merged weight would not be finite.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    updated = [(name, module) for name, module in network.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, module in updated:
        module.merge(safe_merge=True)
        network.set_submodule(name, module.get_base_layer())
    if hasattr(network, "peft_config"):
        del network.peft_config


def save_peft_folder(network: Any, folder: Path, *, backbone: Backbone, options: LoraOptions) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors` that `PeftModel.from_pretrained` loads.

    The classifier head travels along as a module to save.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    head = backbone.head
    state = dict(get_peft_model_state_dict(network))
    state |= {f"{head}.{name}": value for name, value in network.get_submodule(head).state_dict().items()}
    save_file(
        {f"base_model.model.{name}": _plain(value) for name, value in state.items()},
        folder / "adapter_model.safetensors",
    )
    config = _peft_config(backbone.family, options).to_dict()
    config |= {
        "base_model_name_or_path": backbone.hub_id or backbone.name,
        "modules_to_save": [head],
        "inference_mode": True,
        "auto_mapping": {"base_model_class": type(network).__name__, "parent_library": type(network).__module__},
    }
    text = json.dumps(config, indent=2, default=_json_value)
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous()


def _json_value(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else str(value)
