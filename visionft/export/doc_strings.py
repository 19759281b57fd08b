"""What an exported graph says of itself to whoever opens it in a viewer: what goes in, what comes out."""

from typing import Any

from visionft.data.types import Task

GRAPH = "picture_classifier"

_IMAGE = (
    "Pictures, uint8 [batch, height, width, 3]: red, green, blue from 0 to 255, upright (EXIF applied), transparent "
    "parts on white. Any size; those of a batch have the same. Cropping, resizing and normalising happen inside."
)
_INPUT = (
    "Pictures, float32 [batch, 3, height, width]: the centre square, resized and normalised as the metadata's "
    "“preprocessing” says."
)
_PROBABILITIES: dict[Task, str] = {
    "single": "float32 [batch, classes]: softmax(logits / temperature), so that they are calibrated and sum to 1.",
    "multi": "float32 [batch, classes]: sigmoid(logits / temperature), calibrated. A picture has each class that "
    "reaches its value in the metadata's “thresholds”.",
}
_OUTPUTS = {
    "logits": "float32 [batch, classes]: of the network, before they are divided by the metadata's “temperature”.",
    "distance": "float32 [batch]: how unlike the pictures of training a picture is; above 1 the answer is a guess.",
    "embedding": "float32 [batch, directions]: where a picture lies among the labelled ones of index.safetensors.",
}
_MORE = {
    "distance_output": "With the bytes of the metadata's “distance_output” (hex digits) behind the file, it has the "
    "output “distance”.",
    "embedding_output": "With those of “embedding_output” it has the output “embedding”.",
}


def describe_values(model: Any, task: Task) -> None:
    """Say of each input and output of a graph what it is; before any is hidden, so that it comes back with it."""
    said = {"image": _IMAGE, "input": _INPUT, "probabilities": _PROBABILITIES[task], **_OUTPUTS}
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = said[value.name]


def describe_model(model: Any, metadata: dict[str, Any]) -> None:
    """Say what the whole model does, from what it holds and its metadata; a viewer shows it first."""
    graph, classes = model.graph, len(metadata["class_names"])
    several = {"single": "one of", "multi": "which of"}[metadata["task"]]
    lines = [
        f"Tells {several} {classes} classes a picture shows. Made by VisionFT from the run {metadata['run']}.",
        *(f"In: {value.name}. {value.doc_string}" for value in graph.input),
        *(f"Out: {value.name}. {value.doc_string}" for value in graph.output),
        *(words for key, words in _MORE.items() if key in metadata),
        "The metadata's “class_names” (a JSON list) name the columns.",
    ]
    model.doc_string = "\n".join(lines)
    graph.name = GRAPH
