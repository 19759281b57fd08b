"""The table of backbones: one row of `BACKBONES` each. Torch-free. Methods have theirs in `models.methods.table`."""

from dataclasses import replace

from models.backbone import Backbone, Normalisation
from models.errors import ConfigError, Problem
from models.pins import PINS
from models.shapes import ResNetShape, Stage, ViTShape
from models.starter import hybrid
from models.starter.architectures import STARTERS
from models.text_towers import PE_CORE_S, SIGLIP2_B
from models.timm_index import PREFIX, timm_backbone

__all__ = ["BACKBONES", "DEFAULT_BACKBONE", "Backbone", "backbone_of_file", "get_backbone", "known_backbone"]

_HALF = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
DEFAULT_BACKBONE = "resnet18_in1k"
DEFAULT_TEXT_BACKBONE = "pe_core_s"  # of those that answer from prompts
_BOTH_SIDES = "open_clip_model.safetensors"


def _recommended(
    name: str, title: str, summary: str, timm_name: str, *, input_size: int = 0, crop_share: float = 0.0
) -> Backbone:
    """Return a network of timm under a short name; what is not said here is as timm's configuration has it."""
    row = timm_backbone(PREFIX + timm_name)
    row = replace(row.at(input_size or row.input_size), name=name, title=title, summary=summary)
    return replace(row, crop_share=crop_share or row.crop_share)


_TINY_IMAGENET = (
    "these weights learned from Tiny ImageNet, whose pictures ImageNet's terms allow for non-commercial research and "
    "education; whether weights inherit that limit is not settled law. Ask a lawyer."
)

BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        Backbone(
            name=DEFAULT_BACKBONE,
            title="ResNet-18 (ImageNet)",
            summary="Ships with the program: trained on ImageNet's 1.2 million photographs. A good first choice.",
            family="resnet",
            architecture="resnet18",
            model_args={"layers": (2, 2, 2, 3)},
            shape=ResNetShape(
                stem=64,
                stages=(Stage("basic", 2, 64), Stage("basic", 2, 128), Stage("basic", 2, 256), Stage("basic", 3, 512)),
            ),
            parameters=15_897_152,
            features=512,
            input_size=160,
            normalisation=Normalisation(mean=hybrid.MEAN, std=hybrid.STD),
            crop_share=1.0,
            licence="MIT",
            bundled="bundled/cntk_resnet18_in1k.safetensors",
            sha256="ae77a56630f1c5ebde25a50e31728c58f684dcaac29bc490ca414b538984f4e8",
            origin="CNTK, by the NuGet package Microsoft.ML.DnnImageFeaturizer.ResNet18 0.23.1",
        ),
        Backbone(
            name="starter_resnet",
            title="Starter ResNet",
            summary="Ships with the program: the fast one, a fifth of ResNet-18's size and less accurate.",
            family="resnet",
            architecture=STARTERS["starter_resnet"].architecture,
            model_args=STARTERS["starter_resnet"].timm_kwargs,
            shape=ResNetShape(
                stem=64,
                stages=(Stage("basic", 2, 32), Stage("basic", 2, 64), Stage("basic", 3, 128), Stage("basic", 1, 448)),
            ),
            parameters=3_393_152,
            features=896,
            input_size=128,
            normalisation=_HALF,
            crop_share=1.0,
            bundled="starter/starter_resnet.safetensors",
            sha256="b5b035f423cd16c574cba6eb0b3d105f51c5051d8739781df176e2363e22cd54",
            caveat=_TINY_IMAGENET,
        ),
        Backbone(
            name=hybrid.NAME,
            title="Hybrid ViT",
            summary="Ships with the program: a transformer on three stages of an ImageNet ResNet. A good first ViT.",
            family="vit",
            architecture=hybrid.ARCHITECTURE,
            model_args=hybrid.TIMM_KWARGS,
            embedding=hybrid.EMBEDDING,
            shape=ViTShape(width=256, depth=4, heads=8, mlp_width=1024, patch=16, has_batch_norm=True),
            parameters=6_033_728,
            features=256,
            input_size=hybrid.INPUT_SIZE_PX,
            normalisation=Normalisation(mean=hybrid.MEAN, std=hybrid.STD),
            crop_share=1.0,
            licence="MIT and Apache-2.0",
            bundled="starter/hybrid_vit.safetensors",
            sha256="42e8d7fa99950fd95c2439b24a9009a5512a56b39535d5740365c07d8618a469",
            origin="VisionFT, on CNTK's ResNet-18",
            caveat=_TINY_IMAGENET,
        ),
        Backbone(
            name="starter_vit",
            title="Starter ViT",
            summary="Ships with the program: a small transformer that works without a network.",
            family="vit",
            architecture=STARTERS["starter_vit"].architecture,
            model_args=STARTERS["starter_vit"].timm_kwargs,
            shape=ViTShape(width=224, depth=6, heads=7, mlp_width=896, patch=16),
            parameters=3_817_184,
            features=224,
            input_size=128,
            normalisation=_HALF,
            crop_share=1.0,
            bundled="starter/starter_vit.safetensors",
            sha256="e0872fce1c5ef22238d73f7b1157193b463f2fb537a1ccd850837f61f7693ed5",
            caveat=_TINY_IMAGENET,
        ),
        _recommended(
            "test_resnet",
            "Test ResNet",
            "A tiny ResNet to try things out in seconds; not for real work.",
            "test_resnet.r160_in1k",
        ),
        _recommended(
            "test_vit",
            "Test ViT",
            "A tiny ViT to try things out in seconds; not for real work.",
            "test_vit.r160_in1k",
        ),
        _recommended(
            "resnet18",
            "ResNet-18",
            "Small, quick and steady; a good first choice on any computer.",
            "resnet18.a1_in1k",
        ),
        _recommended(
            "resnet34",
            "ResNet-34",
            "Twice ResNet-18's depth for a little more accuracy.",
            "resnet34.a1_in1k",
        ),
        _recommended(
            "resnet50",
            "ResNet-50",
            "The field's yardstick: strong features at moderate cost.",
            "resnet50.a1_in1k",
        ),
        _recommended(
            "resnet50d",
            "ResNet-50-D",
            "ResNet-50 with a better stem, trained for 3,600 epochs on ImageNet.",
            "resnet50d.ra4_e3600_r224_in1k",
        ),
        _recommended(
            "resnet101",
            "ResNet-101",
            "Deeper still; for fine differences and a good GPU.",
            "resnet101.a1_in1k",
        ),
        _recommended(
            "vit_tiny",
            "ViT-Tiny/16",
            "The smallest full vision transformer; light enough for a laptop.",
            "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
        ),
        _recommended(
            "vit_small",
            "ViT-Small/16",
            "A transformer of ResNet-50's size with knowledge from 21,000 classes.",
            "vit_small_patch16_224.augreg_in21k_ft_in1k",
        ),
        _recommended(
            "vit_base",
            "ViT-Base/16",
            "Large and accurate; wants a GPU, and shines with LoRA.",
            "vit_base_patch16_224.augreg2_in21k_ft_in1k",
        ),
        _recommended(
            "deit_small",
            "DeiT-Small/16",
            "ViT-Small trained on ImageNet-1k alone with strong augmentation.",
            "deit_small_patch16_224.fb_in1k",
        ),
        _recommended(
            "dinov2_small",
            "DINOv2-Small/14",
            "Self-supervised on 142 million pictures; superb with few labels.",
            "vit_small_patch14_dinov2.lvd142m",
            input_size=224,
            crop_share=0.95,  # as runs of earlier versions had it
        ),
        _recommended(
            "dinov2_base",
            "DINOv2-Base/14",
            "The strongest features here for few labels; wants a GPU.",
            "vit_base_patch14_dinov2.lvd142m",
            input_size=224,
            crop_share=0.95,
        ),
        _recommended(
            "dinov2_reg_small",
            "DINOv2-Small/14 with registers",
            "DINOv2-Small with cleaner attention: registers take what is no part of the picture.",
            "vit_small_patch14_reg4_dinov2.lvd142m",
            input_size=224,
        ),
        _recommended(
            "dinov2_reg_base",
            "DINOv2-Base/14 with registers",
            "DINOv2-Base with cleaner attention; wants a GPU.",
            "vit_base_patch14_reg4_dinov2.lvd142m",
            input_size=224,
        ),
        _recommended(
            "siglip2_base",
            "SigLIP 2-Base/16",
            "Learned from pictures and their captions in many languages; wants a GPU.",
            "vit_base_patch16_siglip_224.v2_webli",
        ),
        Backbone(
            name=DEFAULT_TEXT_BACKBONE,
            title="PE-Core-S/16 with text",
            summary="Learned from pictures and their captions: answers from prompts, without a label. Small and quick.",
            family="vit",
            architecture="vit_pe_core_small_patch16_384",
            shape=ViTShape(width=384, depth=12, heads=6, mlp_width=1536, patch=16, has_rotary=True),
            parameters=23_586_048,
            features=384,
            input_size=384,
            normalisation=_HALF,
            interpolation="bilinear",
            crop_share=1.0,
            hub_id="timm/PE-Core-S-16-384",
            hub_file=_BOTH_SIDES,
            pin=PINS["timm/PE-Core-S-16-384"],
            text=PE_CORE_S,
        ),
        Backbone(
            name="siglip2_b",
            title="SigLIP 2-B/16 with text",
            summary="Answers from prompts in many languages, more accurately than PE-Core-S; large, and wants a GPU.",
            family="vit",
            architecture="vit_base_patch16_siglip_224",
            shape=ViTShape(width=768, depth=12, heads=12, mlp_width=3072, patch=16),
            parameters=92_884_224,
            features=768,
            input_size=224,
            normalisation=_HALF,
            crop_share=1.0,
            hub_id="timm/ViT-B-16-SigLIP2",
            hub_file=_BOTH_SIDES,
            pin=PINS["timm/ViT-B-16-SigLIP2"],
            text=SIGLIP2_B,
        ),
    )
}


def get_backbone(name: str) -> Backbone:
    """Return the row of `BACKBONES`, or any other network of timm by its own name, `timm/NAME`.

    The name of weights that a row of the table has gives that row.

    Raises:
        ConfigError: There is none; what can be chosen is said.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith(PREFIX):
        row = timm_backbone(name)
        return next((each for each in BACKBONES.values() if row.hub_id and each.hub_id == row.hub_id), row)
    hint = (
        f"Choose one of {', '.join(BACKBONES)}; or a network of timm by its own name, such as timm/resnet50d.a1_in1k."
    )
    raise ConfigError((Problem("backbone", f"there is no backbone {name!r}", hint),))


def known_backbone(name: str) -> Backbone | None:
    """Return what `get_backbone` does, or None where there is none."""
    try:
        return get_backbone(name)
    except ConfigError:
        return None


def backbone_of_file(stem: str) -> Backbone | None:
    """Return the backbone whose `file_stem` it is, or None."""
    return known_backbone(stem) or known_backbone(stem.replace("_", "/", 1))
