"""An exponential moving average of the weights, which validates better than the weights of any one step."""

from collections.abc import Generator
from contextlib import contextmanager

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.classifier import Classifier


class ModelEma:
    """Averages of a classifier's trainable state: a <- d a + (1 - d) w, with d rising to `decay` at first."""

    def __init__(self, classifier: Classifier, decay: float) -> None:
        self._classifier = classifier
        self._decay = decay
        self.updates = 0
        self.values = {name: value.detach().clone() for name, value in classifier.trainable_state().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the current weights; counters and other whole numbers are copied."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        for name, value in self._classifier.trainable_state().items():
            if value.is_floating_point():
                self.values[name].lerp_(value.to(self.values[name].dtype), 1 - decay)
            else:
                self.values[name].copy_(value)

    def load(self, values: dict[str, Tensor], updates: int) -> None:
        """Continue from a checkpoint."""
        self.updates = updates
        for name, value in values.items():
            self.values[name].copy_(value)

    @contextmanager
    def in_place(self) -> Generator[None]:
        """Let the classifier have the averages for a while, then its own weights again."""
        own = {name: value.detach().clone() for name, value in self._classifier.trainable_state().items()}
        self._classifier.load_trainable_state(self.values)
        try:
            yield
        finally:
            self._classifier.load_trainable_state(own)
