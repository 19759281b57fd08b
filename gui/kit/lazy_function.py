"""Names of the engine and of pages, imported when needed: learning libraries load slowly."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from visionft.core.jobs import JobContext, load_libraries


def import_name(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def lazy_function(target: str, *, uses_torch: bool = True) -> Callable[..., Any]:
    """Return a function `module:name` of the shape `work(inputs, *, job) -> Result`, imported in its job's thread.

    An input that is itself a function is called there, and its result passed on: `session.snapshot_getter` reads the images of
    the project, which takes a second for 100,000. With `uses_torch`, the learning libraries are preloaded first, with a
    progress event.
    """

    def work(*inputs: Any, job: JobContext, **options: Any) -> Any:
        if uses_torch:
            load_libraries(job)
        known = (each() if callable(each) else each for each in inputs)
        return import_name(target)(*known, job=job, **options)

    return work
