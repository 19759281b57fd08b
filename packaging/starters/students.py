"""The starter networks as their pretraining builds them, from the rows of the catalog."""

from typing import Any

import timm

from models.catalog import BACKBONES

STUDENTS = ("starter_resnet", "starter_vit")
STUDENT_ROW = BACKBONES[STUDENTS[0]]
INPUT_SIZE_PX = STUDENT_ROW.input_size
MEAN, STD = STUDENT_ROW.normalisation


def build_student(name: str) -> Any:
    """Build a student with random weights and without a head; a ViT takes any input size."""
    row = BACKBONES[name]
    more = {"dynamic_img_size": True} if row.family == "vit" else {}
    return timm.create_model(row.architecture, pretrained=False, num_classes=0, **{**row.model_args, **more})
