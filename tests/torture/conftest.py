"""Fixtures of the torture tests: a process that forks what is to be disturbed, damage to files, and a tally."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Loads everything once. For each line of input a fork calls `work` with it, and is killed after a time if asked: before
# it is waited for, so that its number is never another's.
LOOP = """
import json, os, signal, sys, time
print("ready", flush=True)
for line in sys.stdin:
    kill_after_s, words = json.loads(line)
    child = os.fork()
    if not child:
        code = 99
        try:
            code = work(**words) or 0
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkServer:
    """Calls the function `work` of some code in forks of one process."""

    def __init__(self, code: str, *arguments: object, **environment: str) -> None:
        command = [sys.executable, "-W", "ignore", "-c", code + LOOP, *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout and self._process.stdout.readline() == "ready\n"

    def run(self, *, kill_after_s: float | None = None, **words: object) -> int:
        """Call `work` with these words; return its exit code, -SIGKILL of one that was killed."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps([kill_after_s, words], default=str), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def was_killed(self, *, kill_after_s: float | None = None, **words: object) -> bool:
        """Call `work`, which must succeed unless it is killed; return whether it was."""
        code = self.run(kill_after_s=kill_after_s, **words)
        assert code == 0 or (code == -signal.SIGKILL and kill_after_s is not None), f"it ended with {code}"
        return code != 0

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def fork_server() -> Iterator[Callable[..., ForkServer]]:
    """Return a function to start a server; all end with the module."""
    with ExitStack() as stack:

        def start(code: str, *arguments: object, **environment: str) -> ForkServer:
            server = ForkServer(code, *arguments, **environment)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def tally(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Counter[str]]:
    """Count the outcomes of a test's rounds, and print them at its end, also after a failure."""
    counted = Counter[str]()
    yield counted
    with capsys.disabled():
        if counted:
            print(f"\n{request.node.name}: {', '.join(f'{count} {each}' for each, count in sorted(counted.items()))}")


@pytest.fixture(scope="session")
def damage() -> Callable[[Path, random.Random], str]:
    """Return a function to damage the content of a file; it returns the kind of damage."""

    def damage(path: Path, chance: random.Random) -> str:
        data = bytearray(path.read_bytes())
        at = chance.randrange(min(len(data), chance.choice((4096, 1 << 40))) or 1)
        end = min(at + chance.choice((4, 16, 64, 512, 4096)), len(data))
        kind = chance.choice(("a bit", "a bit", "cut", "zeros", "noise", "more", "empty", "pages"))
        match kind:
            case "a bit":
                data[at : at + 1] = bytes(each ^ 1 << chance.randrange(8) for each in data[at : at + 1])
            case "cut":
                del data[at:]
            case "zeros":
                data[at:end] = bytes(end - at)
            case "noise":
                data[at:end] = chance.randbytes(end - at)
            case "more":
                data += chance.randbytes(chance.randrange(1, 200))
            case "empty":
                data.clear()
            case _:  # two pages of a database change places
                first, second = (chance.randrange(max(1, len(data) // 4096)) * 4096 for _ in range(2))
                one, other = data[first : first + 4096], data[second : second + 4096]
                data[first : first + 4096], data[second : second + 4096] = other, one
        path.write_bytes(data)
        return f"{kind} of {path.name}"

    return damage
