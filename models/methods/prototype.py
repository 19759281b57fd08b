"""Prototype: each class is the mean of its images' features, and the nearest mean is the answer."""

from dataclasses import dataclass

from models.methods.method import Method, MethodOptions, layers_setting
from visionft.core.messages import Message


@dataclass(frozen=True, kw_only=True)
class PrototypeOptions(MethodOptions):
    layers: str = layers_setting()


class Prototype(Method[PrototypeOptions]):
    name = "prototype"
    title = Message("Prototype")
    summary = Message("Each class is the mean of its images; nothing is trained.")
    when = Message("You have one to five images of each class.")
    options = PrototypeOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True
    solution = "prototype"
