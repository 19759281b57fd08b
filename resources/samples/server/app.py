"""Classify images over HTTP with model.onnx: python app.py, then POST images to http://127.0.0.1:8000/predict.

    GET  /health           200 while a model is loaded, else 503
    GET  /model            classes, limits
    POST /predict          one image, form field `file`
    POST /predict/batch    several images, form field `files`; one that cannot be read has an `error` in its place
    GET  /docs             this interface as a page to try it; /openapi.json is its description

Keep this file where the export put it: the model lies two folders above. Another file of the export answers with
--model model_int8.onnx. Needs: pip install -r requirements.txt

Any ASGI server starts it too, in this folder: `uvicorn app:app --workers 4`, or
`gunicorn app:app -k uvicorn_worker.UvicornWorker -w 4`. The environment variable MODEL then names another file. Each
process loads the model; set THREADS=1 for one process per core.

The server itself asks no other computer for anything. The page /docs is the exception in the browser: it loads
Swagger UI from cdn.jsdelivr.net, and stays empty where that cannot be reached.

It has no passwords and no TLS: in front of other people's computers, put a proxy that has.
"""

import argparse
import asyncio
import json
import os
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

HERE = Path(__file__).resolve().parent
sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != HERE]  # a file here is no library
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime would report to its makers

try:
    import anyio.to_thread
    import numpy as np
    import onnxruntime
    import uvicorn
    from fastapi import FastAPI, HTTPException, UploadFile
    from fastapi.concurrency import run_in_threadpool
    from PIL import Image, ImageOps, UnidentifiedImageError
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError as error:
    raise SystemExit(f"{error.name} is not installed. Run: pip install -r {HERE / 'requirements.txt'}") from None

# Each can be set by an environment variable of its name.
MODEL = os.environ.get("MODEL", "model.onnx")  # a file of the export, or a path
MAX_REQUEST_MB = float(os.environ.get("MAX_REQUEST_MB", "32"))  # all images of a request together
MAX_IMAGES = int(os.environ.get("MAX_IMAGES", "16"))  # of a batch
MAX_MEGAPIXELS = float(os.environ.get("MAX_MEGAPIXELS", "40"))  # of an image; each thread takes about 20 bytes a pixel
THREADS = max(1, int(os.environ.get("THREADS", os.cpu_count() or 1)))  # images decoded and classified at a time
FORMATS = ("JPEG", "PNG", "WEBP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # of 8 bits
EXPORT_FOLDER = HERE.parents[1]
Image.MAX_IMAGE_PIXELS = int(MAX_MEGAPIXELS * 1e6)  # Pillow warns above it, and refuses twice this number
warnings.simplefilter("error", Image.DecompressionBombWarning)


class LoadedModel:
    """A model that VisionFT exported. One session answers all threads; each image takes one."""

    def __init__(self, path: Path) -> None:
        metadata = _session(path.read_bytes()).get_modelmeta().custom_metadata_map
        if "class_names" not in metadata:
            raise ValueError("it is no model that VisionFT exported")
        # With these bytes behind it, the file also tells how unlike the images of training an image is.
        hidden = bytes.fromhex(metadata.get("distance_output", ""))
        self._session = _session(path.read_bytes() + hidden)
        if self._session.get_inputs()[0].name != "image":
            raise ValueError("it takes prepared images; model.onnx prepares them itself")
        self._outputs = ["probabilities", "distance"] if hidden else ["probabilities"]
        self.file, self.class_names = path.name, json.loads(metadata["class_names"])
        # An image may have several classes: each has a probability from which it is assigned.
        self.thresholds: list[float] | None = json.loads(metadata.get("thresholds", "null"))

    def classify(self, file: BinaryIO) -> dict[str, Any]:
        """Return the five most probable classes of an image file (HTTPException: it cannot be read)."""
        pixels = read_pixels(file)
        found = [np.asarray(each)[0] for each in self._session.run(self._outputs, {"image": pixels[np.newaxis]})]
        places = np.argsort(-found[0], kind="stable")[:5]
        best = [self._prediction(int(place), float(found[0][place])) for place in places]
        is_unlike = {"is_unlike": bool(found[1] > 1)} if len(found) > 1 else {}  # a guess: training had no such images
        return {"width": pixels.shape[1], "height": pixels.shape[0], **is_unlike, "predictions": best}

    def _prediction(self, place: int, probability: float) -> dict[str, Any]:
        assigned = {"is_assigned": probability >= self.thresholds[place]} if self.thresholds else {}
        return {"class": self.class_names[place], "probability": probability, **assigned}


def was_index_changed(path: Path) -> bool:
    """Tell whether the labelled images beside the model were changed since the export: predict.py answers by them."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    about = json.loads(header["__metadata__"]["about"])
    return about["added"] + about.get("removed", 0) > 0


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, (os.cpu_count() or 1) // THREADS)  # all images together: each core once
    options.add_session_config_entry("session.x64quantprecision", "1")  # int8 is exact on old processors too
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def read_pixels(file: BinaryIO) -> np.ndarray:
    """Return an image as upright RGB, transparent parts on white: uint8 (height, width, 3), as the model learned it."""
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise HTTPException(415, f"This is no image of a known type: {', '.join(FORMATS)}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise HTTPException(413, f"The image has more than {MAX_MEGAPIXELS:g} megapixels.") from None
    except Exception:  # damaged headers; Pillow raises many kinds of errors
        raise HTTPException(422, "The image is damaged.") from None
    with image:
        if image.mode not in MODES:
            raise HTTPException(415, f"Images of 8 bits are read, and this one is {image.mode}.")
        try:
            upright = ImageOps.exif_transpose(image)  # a camera held on its side says so in EXIF
            if upright.has_transparency_data:
                white = Image.new("RGBA", upright.size, "white")
                white.alpha_composite(upright.convert("RGBA"))
                upright = white
            return np.asarray(upright.convert("RGB"), dtype=np.uint8)
        except Exception:
            raise HTTPException(422, "The image is damaged, or a part of it is missing.") from None


class LimitedBody:
    """Refuses a request whose body is larger than allowed, and discards the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count the bytes of its body."""
        got, most = 0, MAX_REQUEST_MB * 1e6

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            while most < got <= 4 * most and message.get("more_body"):  # a client listens when it has sent all
                message = await receive()
                got += len(message.get("body", b""))
            if got > most:
                raise HTTPException(413, f"A request may have {MAX_REQUEST_MB:g} MB.")
            return message

        await self.app(scope, counted, send)


def load_model(name: str) -> LoadedModel:
    """Return the classifier of a file, given by its path or by its name in the export (RuntimeError: not found)."""
    path = Path(name) if Path(name).is_file() else EXPORT_FOLDER / name
    try:
        classifier = LoadedModel(path)
    except FileNotFoundError:
        raise RuntimeError(f"{path} is missing. Keep this file in the folder of the export.") from None
    except Exception as error:
        raise RuntimeError(f"{path} cannot be used ({error}). Export it again.") from error
    if was_index_changed(path.with_name("index.safetensors")):
        print(
            "The labelled images beside the model were changed since the export; it lacks the changes.", file=sys.stderr
        )
    return classifier


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Before the first request, load the model and bound the threads, and so the memory."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    if not hasattr(app.state, "classifier"):  # another program started the server
        app.state.classifier = load_model(MODEL)
    yield


app = FastAPI(title="Image classifier", lifespan=lifespan, redoc_url=None)
app.add_middleware(LimitedBody)


def loaded_model() -> LoadedModel:
    """Return the classifier (HTTPException: the server was started without its `lifespan`)."""
    if not hasattr(app.state, "classifier"):
        raise HTTPException(503, "No model is loaded. Start the server with its lifespan events on.")
    return app.state.classifier


@app.get("/health")
async def health() -> dict[str, str]:
    """Tell that the model is loaded."""
    loaded_model()
    return {"status": "ok"}


@app.get("/model")
async def model() -> dict[str, Any]:
    """Tell the classes and the limits."""
    classifier = loaded_model()
    limits = {"request_mb": MAX_REQUEST_MB, "images": MAX_IMAGES, "megapixels": MAX_MEGAPIXELS, "formats": FORMATS}
    named = {"file": classifier.file, "classes": classifier.class_names, "thresholds": classifier.thresholds}
    return {**named, "limits": limits}


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, Any]:
    """Classify one image."""
    return await run_in_threadpool(loaded_model().classify, file.file)


@app.post("/predict/batch")
async def predict_batch(files: list[UploadFile]) -> dict[str, Any]:
    """Classify several images independently; the results are in their order."""
    if len(files) > MAX_IMAGES:
        raise HTTPException(413, f"A request may have {MAX_IMAGES} images, and this one has {len(files)}.")
    return {"results": await asyncio.gather(*(result(each) for each in files))}


async def result(file: UploadFile) -> dict[str, Any]:
    """Return the predictions for an image of a batch, or the reason why they are missing."""
    try:
        return {"file": file.filename, **await predict(file)}
    except HTTPException as error:
        return {"file": file.filename, "error": error.detail}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL, help="a file of the export, such as model_int8.onnx")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: all computers of the network may ask")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    try:
        app.state.classifier = load_model(given.model)
    except RuntimeError as error:
        raise SystemExit(str(error)) from None
    uvicorn.run(app, host=given.host, port=given.port, limit_concurrency=256, timeout_keep_alive=5)
