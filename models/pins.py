"""The exact hub file of each backbone: commit, SHA-256 and size of its weights.

Each row agrees with the records of at least two independent public projects; none was fetched, as the hub was not
reachable when this table was written. A wrong row can refuse a good file, never accept a bad one.
Repositories without a row are taken at their newest commit and checked against the hash stated by the hub; so are
rows without a hash, at their commit.
"""

from typing import NamedTuple


class Pin(NamedTuple):
    """One file of the hub. Empty or 0: not known."""

    revision: str = ""
    sha256: str = ""
    bytes: int = 0


NO_PIN = Pin()

PINS: dict[str, Pin] = {
    "timm/resnet18.a1_in1k": Pin(
        "491b427b45c94c7fb0e78b5474cc919aff584bbf",
        bytes=46_807_446,
        sha256="80c49dee3da4822c009c5a7fe591e9223c5a2cfcf95a4067ca4dfb5a7b89c612",
    ),
    "timm/resnet50.a1_in1k": Pin(
        "767268603ca0cb0bfe326fa87277f19c419566ef",
        bytes=102_469_840,
        sha256="773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb",
    ),
    "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k": Pin(
        "7d3afdd0cf93ad84d986eb2d6bcc5812ebd0b106",
        sha256="fecf81b492bd13ee7a5297cb74d1d417aac8bf7e1b7d96aed89c4691984587ed",
    ),
    "timm/vit_small_patch16_224.augreg_in21k_ft_in1k": Pin(
        "7e2c55630205e1266030f18370f4c6ed1a514b52",
        bytes=88_216_496,
        sha256="79c03c635cdfd798a364a9d8c4e5c0b7255b975ea2c9616046d4f77ab01435aa",
    ),
    "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k": Pin(
        "063c6c38a5d8510b2e57df480445e94b231dad2c",
        bytes=346_284_714,
        sha256="32aa17d6e17b43500f531d5f6dc9bc93e56ed8841b8a75682e1bb295d722405b",
    ),
    "timm/deit_small_patch16_224.fb_in1k": Pin(
        "91327a9c99f98fe6b524cd4d397b7226b80e1365",
        bytes=88_216_496,
        sha256="1e747b4a8d0df2cfbd3c450e8c97685d867448ab0c2ddbfb34b6885f5cb23e5b",
    ),
    "timm/vit_small_patch14_dinov2.lvd142m": Pin(
        "4610ca143709d58a633b6397a74412c2c3842454",
        bytes=88_240_510,
        sha256="04d27f3400d059fc0cfd7d17dd1909a75bf3ea8fb3eeb48b97cb99e57ee20081",
    ),
    "timm/vit_base_patch14_dinov2.lvd142m": Pin(
        "4685c99dabffe5affac90bd99dbffd25801ae58d",
        bytes=346_334_872,
        sha256="55cbb5d887b336d430e649c277b85a1429e724871f9d02ac16203235886d8c7b",
    ),
    "timm/PE-Core-S-16-384": Pin(revision="3249a38eb1c432ec19231c6fe1774acb6a4e4efe"),
    "timm/ViT-B-16-SigLIP2": Pin(
        "eee10eff6dd8cabae2d7f379d4e8cfcd352030aa",
        bytes=1_500_786_832,
        sha256="d0a51069d2fa6c95b371b3bffd2a2c765c1815004798ee99f075290dbca73041",
    ),
}
