"""Another computer as OpenSSH reaches it: its checked address, and the scripts that run there.

Passwords are never asked for: OpenSSH's own settings say which key is used (`~/.ssh/config`).
"""

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final, Self

from models.messages import Message
from visionft.errors import NextStep, VisionFTError
from visionft.weights.offline import OFFLINE_VARIABLE, is_set

PROGRAM: Final = "~/.visionft-jobs/program/bin/visionft"
LOOK_S: Final = 120  # for one command there
_USER: Final = r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}@){0,2}"  # never an option; user@domain@host occurs
_ADDRESS = re.compile(_USER + r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,200}")
_URL = re.compile(rf"ssh://({_USER})(?:\[([^\[\]]+)\]|([^\[\]:@/]+))(?::([0-9]{{1,5}}))?/?")
_BRACKETED = re.compile(rf"{_USER}\[[^\[\]]+\](?::[0-9]{{1,5}})?")  # an IPv6 address, as in a URL: `me@[::1]:22`
_PROGRAM = re.compile(r"[A-Za-z0-9_./~+][A-Za-z0-9_./~+-]{0,300}")
_CONNECT_S: Final = 20  # for a connection to stand: through a jump host it takes several seconds


class RemoteError(VisionFTError):
    """The other computer cannot be reached, or refuses; nothing is lost there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Another computer.

    Attributes:
        address: As OpenSSH takes it: `user@host`, or a name of `~/.ssh/config`.
        port: 1 to 65535; None for the one that OpenSSH uses by itself.
        options: Further options of `ssh`, such as `("-i", "key")`. They can run programs here, so they come from this
            user alone and never from a file of a project.
        program: The command of VisionFT there; it is installed there once where this is `PROGRAM`.
    """

    address: str
    port: int | None = None
    options: tuple[str, ...] = ()
    program: str = PROGRAM

    def __post_init__(self) -> None:
        """Refuse what a shell or `ssh` would take for something else."""
        if not _ADDRESS.fullmatch(self.address):
            raise RemoteError(Message("{address} is no address.", address=self.address), "Give user@host.")
        if self.port is not None and not 1 <= self.port <= 65535:
            message = Message("{port} is no port.", port=self.port)
            raise RemoteError(message, Message("Give a number from {low} to {high}.", low=1, high=65535))
        if not _PROGRAM.fullmatch(self.program):
            message = Message("{program} is no path of a program.", program=self.program)
            raise RemoteError(message, "Give the path of this program's command there.")

    @classmethod
    def of(cls, text: str, *, options: Sequence[str] = (), program: str = PROGRAM) -> Self:
        """Return the host of an address with or without a port: `user@host`, `ssh://user@host:2222`, `user@[::1]:22`.

        A port among the options (`-p 2222`) becomes the host's own.

        Raises:
            RemoteError: It is no address.
        """
        port, others = _without_port(options)
        address = text
        url = f"ssh://{text}" if _BRACKETED.fullmatch(text) else text
        if found := _URL.fullmatch(url):
            user, six, name, number = found.groups()
            address = f"{user}{six or name}"
            port = int(number) if number else port
        return cls(address=address, port=port, options=others, program=program)

    @property
    def name(self) -> str:
        """The address with its port, as `of` takes it."""
        if self.port is None:
            return self.address
        user, at, name = self.address.rpartition("@")
        return f"ssh://{user}{at}{f'[{name}]' if ':' in name else name}:{self.port}"

    def command(self, script: str) -> list[str]:
        """Return the command that runs a script for `sh` there (RemoteError: VisionFT works offline)."""
        if is_set(OFFLINE_VARIABLE):
            message = Message("VisionFT works offline ({name} is set).", name=OFFLINE_VARIABLE)
            raise RemoteError(message, "Allow the network first.", NextStep("allow_network"))
        usual = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "ServerAliveInterval=15"]
        port = [] if self.port is None else ["-p", str(self.port)]
        return ["ssh", *usual, *port, *self.options, "--", self.address, f"sh -c {shlex.quote(f'cd && {script}')}"]

    def run(self, script: str, *, stdin: IO[bytes] | None = None, timeout_s: float = LOOK_S) -> bytes:
        """Return the output of a script there (RemoteError: no connection, or it ended with an error)."""
        try:
            done = subprocess.run(
                self.command(script),
                stdin=stdin or subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=timeout_s,
            )
        except FileNotFoundError as error:
            raise no_openssh() from error
        except subprocess.TimeoutExpired as error:
            raise self.unreachable(Message("no answer within {seconds} s", seconds=round(timeout_s))) from error
        if done.returncode == 255:
            raise self.unreachable(last_line(done.stderr))
        if done.returncode:
            message = Message("{address} refused: {reason}", address=self.address, reason=last_line(done.stderr))
            raise RemoteError(message, "Mend it there, then try again.")
        return done.stdout

    def unreachable(self, reason: str) -> RemoteError:
        message = Message("{address} cannot be reached: {reason}.", address=self.address, reason=reason.rstrip("."))
        if "denied" in reason:
            hint = Message("Put your key there first: ssh-copy-id {address}", address=self.name)
        elif "verification failed" in reason:
            hint = Message("Connect once by hand and look at its key: ssh {address}", address=self.name)
        else:
            hint = Message("Try it by hand: ssh {address}", address=self.name)
        return RemoteError(message, hint)


def _without_port(options: Sequence[str]) -> tuple[int | None, tuple[str, ...]]:
    """Return the port of `-p 2222` or `-p2222` among options of `ssh`, and the other options."""
    for place, word in enumerate(options):
        number = "".join(options[place + 1 : place + 2]) if word == "-p" else word.removeprefix("-p")
        if word.startswith("-p") and number.isascii() and number.isdecimal():
            return int(number), (*options[:place], *options[place + 1 + (word == "-p") :])
    return None, tuple(options)


def no_openssh() -> RemoteError:
    return RemoteError("OpenSSH is not installed here.", "Install it (openssh-client).")


def last_line(text: bytes) -> str:
    """Return the last line of an error output that says something."""
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"
