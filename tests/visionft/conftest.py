"""Fixtures of the engine's tests: cheaper exports, and a command run in this process."""

import sys
from collections.abc import Callable, Iterator

import pytest
from cheap_exports import make_exports_cheap


@pytest.fixture(scope="session", autouse=True)
def _cheap_exports() -> Iterator[None]:
    """Make exports cheaper where a collected test can make one: nothing else loads PyTorch for it."""
    with pytest.MonkeyPatch.context() as patch:
        if "visionft.export.exporter" in sys.modules:
            make_exports_cheap(patch.setattr)
        yield


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function to run a command: its arguments -> (exit code, stdout, stderr)."""
    from visionft.cli import main  # not for all the tests that run no command

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
