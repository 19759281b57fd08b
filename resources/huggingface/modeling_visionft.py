"""The model of this folder for Hugging Face transformers, from model.pt2.

    pipeline("image-classification", FOLDER, trust_remote_code=True)
    AutoModelForImageClassification.from_pretrained(FOLDER, trust_remote_code=True)

FOLDER is the folder of the export or its name on the hub. The model takes uint8 images (B, H, W, 3) of any size:
cropping, resizing and normalising happen inside. It cannot be trained further.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.export.passes import move_to_device_pass
from transformers import BatchFeature, PretrainedConfig, PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.utils import cached_file

_FILE = "model.pt2"
_HUB = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "token")


class VisionFTConfig(PretrainedConfig):
    """The classes of the model, the temperature of its logits, and the thresholds of several labels.

    With several labels, a class is assigned from its threshold on, in the order of the classes.
    """

    model_type = "visionft"

    def __init__(self, calibration_temperature: float = 1.0, thresholds: list | None = None, **others) -> None:
        super().__init__(**others)
        self.calibration_temperature = calibration_temperature
        self.thresholds = thresholds


class VisionFTImageProcessor(BaseImageProcessor):
    """Images as uint8 (B, H, W, 3) RGB, upright, transparent parts on white; those of a batch have one size."""

    model_input_names = ("pixel_values",)

    def preprocess(self, images, return_tensors=None, **_others) -> BatchFeature:
        images = images if isinstance(images, (list, tuple)) else [images]
        pixels = np.stack([self._pixels(image) for image in images])
        return BatchFeature({"pixel_values": torch.from_numpy(pixels)}, tensor_type=return_tensors)

    @staticmethod
    def _pixels(image) -> np.ndarray:
        if not isinstance(image, Image.Image):
            image = Image.fromarray(np.asarray(image))
        image = ImageOps.exif_transpose(image)
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            white.alpha_composite(image.convert("RGBA"))
            image = white
        return np.array(image.convert("RGB"))


class VisionFTForImageClassification(PreTrainedModel):
    """The traced model; its `logits` are calibrated, so their softmax (or sigmoid) is that of model.onnx."""

    config_class = VisionFTConfig
    main_input_name = "pixel_values"

    def __init__(self, config: VisionFTConfig) -> None:
        super().__init__(config)
        self.place = torch.nn.Parameter(torch.zeros(()), requires_grad=False)  # the device

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *_others, config=None, **options):
        hub = {name: options[name] for name in _HUB if name in options}
        config = config or VisionFTConfig.from_pretrained(pretrained_model_name_or_path, **hub)
        model = cls(config)
        model._file = cached_file(pretrained_model_name_or_path, _FILE, **hub)
        model._program = torch.export.load(model._file)
        model._module = None
        return model.eval()

    def save_pretrained(self, save_directory, *others, **options):
        """Write what `from_pretrained` reads, model.pt2 among it."""
        super().save_pretrained(save_directory, *others, **options)
        copy = Path(save_directory, _FILE)
        if not (copy.exists() and copy.samefile(self._file)):
            shutil.copyfile(self._file, copy)

    def forward(self, pixel_values: torch.Tensor, **_others) -> ImageClassifierOutput:
        """Map uint8 (B, H, W, 3) images to (B, C) logits, divided by the temperature."""
        if self._module is None or self._module[0] != self.device:
            program = move_to_device_pass(self._program, str(self.device))
            self._module = self.device, program.module(check_guards=False)
        outputs = self._module[1](pixel_values.to(self.device))
        return ImageClassifierOutput(logits=outputs["logits"] / self.config.calibration_temperature)
