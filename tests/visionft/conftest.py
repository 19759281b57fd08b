"""Fixtures of the engine's tests: cheaper exports."""

import sys
from collections.abc import Iterator

import pytest
from cheap_exports import make_exports_cheap


@pytest.fixture(scope="session", autouse=True)
def _cheap_exports() -> Iterator[None]:
    """Make exports cheaper where a collected test can make one: nothing else loads PyTorch for it."""
    with pytest.MonkeyPatch.context() as patch:
        if "visionft.export.exporter" in sys.modules:
            make_exports_cheap(patch.setattr)
        yield
