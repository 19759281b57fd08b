"""Classify images with model.onnx: python predict.py IMAGE...

Another file of the export answers in its place: python predict.py --model model_int8.onnx IMAGE...

Where index.safetensors lies beside it, the labelled images for and against each answer are named too.

Needs nothing but: pip install onnxruntime numpy pillow
(and pi-heif where there are HEIC photographs, as iPhones take them)
"""

import os
import sys

# Python files beside this one must not be imported in place of the libraries.
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:] = [folder for folder in sys.path if os.path.realpath(folder) != HERE]
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime would report to its makers

import contextlib
import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

MODEL = Path(__file__).with_name("model.onnx")
SHOWN = 3  # labelled images for a prediction, and against it


def say(message: str) -> None:
    """Print an error in one line."""
    print("predict.py:", " ".join(message.split()), file=sys.stderr)


def the_end(message: str) -> SystemExit:
    """Print an error, and return the exception to exit with."""
    say(message)
    return SystemExit(2)


if sys.argv[1:2] in (["-h"], ["--help"]):
    print((__doc__ or "").strip())
    sys.exit()
names = sys.argv[1:]
if "--model" in names:  # before or behind the images
    place = names.index("--model")
    if not names[place + 1 :]:
        raise the_end("--model needs a file, such as: --model model_int8.onnx")
    _, name = names[place : place + 2]
    # The given path, or a file next to this one.
    MODEL = Path(name) if Path(name).is_file() else MODEL.with_name(name)
    del names[place : place + 2]
if not names:
    raise the_end(f"name one image or more, such as: python {sys.argv[0]} image.jpg")
INDEX = MODEL.with_name("index.safetensors")

try:
    import numpy as np
    import onnxruntime
    from PIL import Image, ImageOps, UnidentifiedImageError
except ImportError as error:
    message = f"{error.name} is not installed. Run: {sys.executable} -m pip install onnxruntime numpy pillow"
    raise the_end(message) from error
with contextlib.suppress(ImportError):
    import pi_heif

    pi_heif.register_heif_opener()

if not MODEL.is_file():
    raise the_end(f"{MODEL} is missing. Keep this file in the folder of the export.")


def opened(model: "str | bytes") -> "onnxruntime.InferenceSession":
    """Return a session on the processor."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # int8 is exact on old processors too
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


try:
    session = opened(str(MODEL))
    metadata = session.get_modelmeta().custom_metadata_map
    class_names = json.loads(metadata["class_names"])
    # Several labels: each class has a threshold on its probability.
    thresholds = json.loads(metadata.get("thresholds", "null"))
    # How files become pixels: values of more than 8 bits through a window, (black, white), and the plane of a stack.
    reading = json.loads(metadata.get("preprocessing", "{}")).get("image_reading", {})
    windows = [tuple(map(float, each.split(","))) for each in reading.get("window", "").split(";") if each]
    has_index = INDEX.is_file() and "embedding_output" in metadata
    # With these bytes appended, the file also returns the out-of-distribution score and the embedding of an image.
    hidden = ["distance"] * ("distance_output" in metadata) + ["embedding"] * has_index
    content = MODEL.read_bytes() + b"".join(bytes.fromhex(metadata[f"{name}_output"]) for name in hidden)
    if hidden:
        session = opened(content)
    outputs = ["probabilities", *hidden]
except Exception as error:
    raise the_end(f"{MODEL} cannot be used ({error}). Export it again.") from error


def read_index() -> "tuple[dict[str, np.ndarray], dict]":
    """Return the arrays of the index and its metadata: [name, hash, note, tags] of the image of each row."""
    packed = INDEX.read_bytes()
    start = 8 + int.from_bytes(packed[:8], "little")
    header = json.loads(packed[8:start])
    about = json.loads(header.pop("__metadata__")["about"])
    kinds = {"F32": "<f4", "I64": "<i8", "BOOL": "?"}
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(packed[start + first : start + last], kinds[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"])
    return arrays, about


index: "dict[str, np.ndarray]" = {}
about: "dict" = {"added": 0}
if has_index:
    try:
        index, about = read_index()
    except Exception as error:
        raise the_end(f"{INDEX} cannot be read ({error}). Export it again.") from error
    if hashlib.sha256(MODEL.read_bytes()).hexdigest() not in (about["model"], *about.get("variants", ())):
        raise the_end(f"{INDEX} belongs to another model. Export it again, or take it away.")


def compare(embedding: "np.ndarray", content: str) -> "tuple[np.ndarray, np.ndarray]":
    """Return the similarity to the labelled images, and a mask of copies of the same image: they do not vote."""
    weighted = embedding * index["weights"]
    products = index["rows"] @ weighted / index["lengths"] / max(1e-12, float(weighted @ embedding)) ** 0.5
    is_same = index["rows"] @ embedding >= index["border"]
    return products, is_same | np.array([image[1] == content for image in about["images"]])


def vote(products: "np.ndarray", is_same: "np.ndarray") -> "np.ndarray":
    """Return the probability of each class from the nearest labelled images, as the model computes it."""
    products = np.where(is_same, products - 4, products)
    nearest = np.argsort(-products, kind="stable")[: int(index["neighbours"])]
    weights = np.exp((products[nearest] - products[nearest[0]]) / index["temperature"]) * index["counts"][nearest]
    votes = np.zeros(len(class_names))
    for row, share in zip(nearest, weights / weights.sum(), strict=True):
        for label in index["labels"][row]:
            if label >= 0:
                votes[label] += share
    smoothing = float(index["smoothing"])
    chances = (votes + smoothing / (len(votes) if thresholds is None else 2)) / (1 + smoothing)
    if thresholds is not None:
        return 1 / (1 + ((1 - chances) / chances) ** (1 / about["temperature"]))
    powers = chances ** (1 / about["temperature"])
    return powers / powers.sum()


def tell(shares: "np.ndarray", products: "np.ndarray", is_same: "np.ndarray") -> None:
    """Print the labelled images for and against a prediction, the most similar first."""
    best = np.argsort(-shares, kind="stable")[:3]
    said = [best[0]] if thresholds is None else [each for each in best if shares[each] >= thresholds[each]]
    has_said = np.isin(index["labels"], said).any(axis=1)
    has_rival = np.isin(index["labels"], [each for each in best if each not in said]).any(axis=1) & ~has_said
    kinds = (("for", has_said & ~is_same), ("against", has_rival & ~is_same), ("the same", is_same))
    for words, wanted in kinds:
        for row in [row for row in np.argsort(-products, kind="stable") if wanted[row]][:SHOWN]:
            name, _, note, tags = about["images"][row]
            labels = ", ".join(class_names[label] for label in index["labels"][row] if label >= 0)
            remark = "".join([f"  [{', '.join(tags)}]" if tags else "", f"  {note!r}" if note else ""])
            print(f"  {words:8} {products[row]:.2f}  {labels}  {name}{remark}")


def composed(path: str) -> "Image.Image":
    """Return the channels, or the colours of 16 bits, that the model was trained on as an RGB image."""
    try:
        import tifffile
    except ImportError as error:
        raise ValueError(f"its channels need: {sys.executable} -m pip install tifffile imagecodecs") from error
    with tifffile.TiffFile(path) as file:
        about = file.ome_metadata
        root = ElementTree.fromstring(about or "<OME/>")
        if {each.text for each in root.iter() if "UUID" in each.tag} - {root.get("UUID")}:
            raise ValueError("it is one of the files of an OME-TIFF: save them as one file")
        axes, values = file.series[0].axes, file.series[0].asarray()
    axes, values = (axes, values) if "C" in axes else (f"C{axes}", values[np.newaxis])
    axes, values = (axes, values) if "S" in axes else (f"{axes}S", values[..., np.newaxis])
    stack = [axis for axis in axes if axis not in "CYXS"]
    values = values.transpose([axes.index(axis) for axis in ("C", *stack, "Y", "X", "S")])
    values = values.reshape(len(values), -1, *values.shape[-3:])  # channels, planes, rows, columns, samples
    found = root.find(".//{*}Pixels")
    named = [] if found is None else [each for each in found if each.tag.endswith("}Channel")]
    names = [" ".join((each.get("Name") or each.get("Fluor") or "").split())[:60] for each in named]
    wanted = reading["channels"].split(",") if reading.get("channels") and len(values) > 1 else ["1"]
    plane, count, parts = reading.get("plane", "first"), values.shape[1], []
    for channel in map(str.strip, wanted):
        planes = values[names.index(channel) if names.count(channel) == 1 else int(channel) - 1] if channel else None
        if planes is None:
            parts.append(np.zeros((*values.shape[2:4], 1), values.dtype))
        elif plane == "max":
            parts.append(planes.max(axis=0))
        else:
            parts.append(planes[{"first": 0, "middle": count // 2}[plane] if plane.isalpha() else int(plane) - 1])
    colours = np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0][:, :, :3]
    if values.dtype.itemsize > 1:
        low, high = np.array(windows or [(0, 65535)], np.float32).T
        colours = np.nan_to_num(colours.astype(np.float32), nan=0, posinf=0, neginf=0)
        colours = ((colours - low) * (255 / (high - low)) + 0.5).clip(0, 255)
    return Image.fromarray(np.broadcast_to(colours, (*colours.shape[:2], 3)).astype(np.uint8))


def shown_plane(image: "Image.Image") -> "Image.Image":
    """Return the plane of a TIFF stack that the model was trained on."""
    plane, count = reading.get("plane", "first"), getattr(image, "n_frames", 1)
    has_colours = len(image.getbands()) > 1 and ";16" in str(getattr(image, "tile", ""))
    is_composed = count > 1 and (reading.get("channels") or has_colours)
    if image.format == "TIFF" and (is_composed or (has_colours and windows)):
        return composed(str(getattr(image, "filename", "")))
    if image.format != "TIFF" or count == 1 or plane == "first":
        return ImageOps.exif_transpose(image)
    numbers = range(count) if plane == "max" else [count // 2 if plane == "middle" else int(plane) - 1]
    if numbers[-1] >= count:
        raise ValueError(f"it has {count} planes, and the model was trained on plane {plane}")
    image.seek(numbers[0])
    most = np.array(image)
    for number in numbers[1:]:
        image.seek(number)
        most = np.maximum(most, np.array(image))
    return Image.fromarray(most)


def rgb(image: "Image.Image", kind: "str | None") -> "Image.Image":
    """Return an image as 8-bit RGB, transparent parts on white, as in training."""
    if image.mode[0] in "IF":  # 16 or 32 bits: the value of white follows from the type, or from the values
        values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0, posinf=0, neginf=0)
        low, high = float(values.min()), float(values.max())
        tops = {"F": (1, 255, 65535), "I": (65535,) if kind == "PPM" else (255, 65535)}.get(image.mode, (65535,))
        fitting = [top for top in tops if low >= 0 and high <= top]
        low, high = (0, fitting[0]) if fitting else (low, high if high > low else low + 1)
        low, high = windows[0] if windows else (low, high)
        scaled = ((values - low) * (255 / (high - low)) + 0.5).clip(0, 255)
        image = Image.fromarray(scaled.astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


def answer(path: str) -> "tuple[np.ndarray, dict[str, np.ndarray]]":
    """Return the calibrated probability of each class, and the other outputs of the model for an image, by name."""
    with Image.open(path) as image:
        upright = rgb(shown_plane(image), image.format)
    # Any size will do: cropping, resizing and normalising happen inside the model.
    pixels = np.asarray(upright, dtype=np.uint8)
    shares, *others = (np.asarray(found)[0] for found in session.run(outputs, {"image": pixels[np.newaxis]}))
    return shares, dict(zip(outputs[1:], others, strict=True))


left_out = 0
for name in names:
    try:
        shares, told = answer(name)
        alike = compare(told["embedding"], hashlib.sha256(Path(name).read_bytes()).hexdigest()) if has_index else None
    except Exception as error:
        reason: object = "there is no such file" if isinstance(error, FileNotFoundError) else error
        if isinstance(error, UnidentifiedImageError) and name.lower().endswith((".heic", ".heif", ".hif")):
            reason = f"HEIC photographs need a package. Run: {sys.executable} -m pip install pi-heif"
        say(f"{name}: {reason}")
        left_out += 1
        continue
    if alike is not None and about["added"] + about.get("removed", 0):  # the model does not include the changes
        shares = vote(*alike)
    is_unlike = "distance" in told and float(told["distance"]) > 1
    print(f"{name}{'  (unlike the images of training: a guess)' if is_unlike else ''}")
    for place in np.argsort(-shares, kind="stable")[:5]:
        is_assigned = thresholds is not None and shares[place] >= thresholds[place]
        print(f"  {shares[place]:7.2%}  {class_names[place]}{'  *' if is_assigned else ''}")
    if alike is not None:
        tell(shares, *alike)
if left_out:
    sys.exit(2)
