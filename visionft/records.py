"""Reading of stored results, which may be missing or damaged: then they are measured again."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def none_if_unreadable(read: Callable[P, T | None]) -> Callable[P, T | None]:
    """Let a function return None where its file is missing or damaged; the log names a damaged one."""

    @wraps(read)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return read(*args, **kwargs)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
            logger.warning("%s of %s: the file cannot be read: %s", read.__name__, args[0], error)
            return None

    return guarded
