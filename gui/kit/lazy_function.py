"""Names of the engine and of pages, imported when needed: learning libraries load slowly."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from visionft.jobs import JobContext
from visionft.libraries import load_libraries


def import_name(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Deferred:
    """An input that is read in the thread of the job, such as the images of a project: 100,000 take a second."""

    read: Callable[[], Any]


@dataclass(frozen=True)
class LazyFunction:
    """A function `module:name` of the shape `work(inputs, *, job) -> Result`, imported in the thread of its job.

    `Deferred` inputs are read there too. With `uses_torch`, the learning libraries are preloaded first, with a progress
    event.
    """

    target: str
    uses_torch: bool = True

    def __call__(self, *inputs: Any, job: JobContext, **options: Any) -> Any:
        if self.uses_torch:
            load_libraries(job)
        known = (each.read() if isinstance(each, Deferred) else each for each in inputs)
        return import_name(self.target)(*known, job=job, **options)
