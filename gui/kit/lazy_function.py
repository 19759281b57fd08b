"""Lazy imports of engine functions and pages: learning libraries load slowly."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from visionft.core.jobs import JobContext, load_libraries


def import_name(target: str) -> Any:
    """Return the object at `module:name`, importing its module."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def lazy_function(target: str, *, uses_torch: bool = True) -> Callable[..., Any]:
    """Return a function that imports and calls `module:name(*inputs, job=job)` in the thread of its job.

    Callable inputs are called in that thread and replaced by their results: `session.snapshot_getter` reads the images
    of the project, which takes a second for 100,000 images. With `uses_torch`, the learning libraries are imported
    first, with a progress event.
    """

    def work(*inputs: Any, job: JobContext, **options: Any) -> Any:
        if uses_torch:
            load_libraries(job)
        values = (value() if callable(value) else value for value in inputs)
        return import_name(target)(*values, job=job, **options)

    return work
