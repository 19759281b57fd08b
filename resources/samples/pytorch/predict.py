"""Classify images with model.pt2 in PyTorch: python predict.py IMAGE...

Prints what the predict.py beside the model prints. Keep this file where the export put it: the model lies two folders
above. Needs nothing but: pip install torch pillow
"""

import os
import sys

# What lies beside this file (images, and whatever came with them) must not run in place of the libraries.
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:] = [folder for folder in sys.path if os.path.realpath(folder) != HERE]

import json
from pathlib import Path

try:
    import torch
    from PIL import Image, ImageOps
except ImportError as error:
    raise SystemExit(f"predict.py: {error.name} is not installed. Run: pip install torch pillow") from None

MODEL = Path(__file__).resolve().parents[2] / "model.pt2"
INDEX = MODEL.with_name("index.safetensors")


def say(message: str) -> None:
    """Print an error in one line."""
    print("predict.py:", " ".join(message.split()), file=sys.stderr)


def read_pixels(path: str) -> torch.Tensor:
    """Return an image as uint8 (height, width, 3) RGB: upright, transparent parts on white, as in training."""
    with Image.open(path) as image:
        if image.mode[0] in "IF" or (image.format == "TIFF" and is_special):
            raise ValueError("it has more than 8 bits or several planes: the predict.py beside the model reads it")
        upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        white.alpha_composite(upright.convert("RGBA"))
        upright = white
    rgb = upright.convert("RGB")
    return torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8).view(rgb.height, rgb.width, 3)


names = sys.argv[1:]
if not names or names[0] in ("-h", "--help"):
    print((__doc__ or "").strip())
    sys.exit(0 if names else 2)

about = {"metadata.json": ""}
program = torch.export.load(MODEL, extra_files=about)
metadata = json.loads(about["metadata.json"])
class_names = metadata["class_names"]
thresholds = metadata.get("thresholds")  # several labels: each class has a threshold on its probability
reading = metadata["preprocessing"]["image_reading"]  # how files of more than 8 bits or several planes become RGB
is_special = bool(reading["window"] or reading["channels"] or reading["plane"] != "first")
model = program.module(check_guards=False)  # on the processor; in a program of yours, see torch.export.passes for a GPU

if INDEX.is_file():
    with INDEX.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    changes = json.loads(header["__metadata__"]["about"])
    if changes["added"] or changes.get("removed"):
        say("the labelled images beside the model were changed: only the predict.py beside it answers from them")

left_out = 0
for name in names:
    try:
        pixels = read_pixels(name)
        with torch.inference_mode():
            # Any size will do: cropping, resizing and normalising happen inside the model.
            outputs = model(pixels[None])
    except (OSError, ValueError) as error:
        say(f"{name}: {'there is no such file' if isinstance(error, FileNotFoundError) else error}")
        left_out += 1
        continue
    is_unlike = "distance" in outputs and float(outputs["distance"][0]) > 1
    print(f"{name}{'  (unlike the images of training: a guess)' if is_unlike else ''}")
    shares = outputs["probabilities"][0]
    for place in shares.argsort(descending=True, stable=True)[:5].tolist():
        is_assigned = thresholds is not None and float(shares[place]) >= thresholds[place]
        print(f"  {float(shares[place]):7.2%}  {class_names[place]}{'  *' if is_assigned else ''}")
if left_out:
    sys.exit(2)
