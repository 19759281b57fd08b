"""Tokens and passwords, kept out of all that is shown, logged or reported.

A hub or a proxy may send back what it was sent, in any wording. Secrets that this process uses are remembered and
found whole or cut, in plain, URL-encoded, as base64 or hex; others by the words before them or the form of hub tokens.
"""

import base64
import html
import json
import os
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote
from urllib.request import getproxies

SECRET = "<secret>"
_SHORTEST = 4  # characters; what is shorter would take words apart
_WINDOW = 8  # characters in a row that tell a longer secret: messages are cut
_remembered: set[str] = set()

_USERINFO = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_UNKNOWN = (
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)[^\s\"',;}]+"), rf"\1{SECRET}"),
    (re.compile(r"(?i)\b((?:bearer|basic)(?:\s|%20|\+)+)(?=\S*[\d=_])[\w.~+/=%-]{8,}"), rf"\1{SECRET}"),
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), SECRET),
    (_USERINFO, SECRET),
)


def remember(secrets: Iterable[str]) -> None:
    """Take these secrets, and those of proxies and of the hub's address, out of every text from now on."""
    _remembered.update(each for each in (*secrets, *_of_addresses()) if len(each) >= _SHORTEST)


def _of_addresses() -> Iterator[str]:
    for address in (*getproxies().values(), os.environ.get("HF_ENDPOINT", "")):
        if found := _USERINFO.search(address):
            user, _, password = found[0].partition(":")
            yield from (password or user, unquote(password or user))


def without_secrets(text: str) -> str:
    """Return text with `<secret>` in place of tokens and passwords."""
    for start, end in reversed(_spans(text)):
        text = f"{text[:start]}{SECRET}{text[end:]}"
    for pattern, shown in _UNKNOWN:
        text = pattern.sub(shown, text)
    return text


def _spans(text: str) -> list[tuple[int, int]]:
    """Return from where to where remembered secrets stand, or pieces of them; in order, none of them overlap."""
    spans = list[tuple[int, int]]()
    known = _windows(frozenset(_remembered))
    for start in range(len(text) if known else 0):
        size = next((size for size, windows in known.items() if text[start : start + size] in windows), 0)
        if size and spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], start + size))
        elif size:
            spans.append((start, start + size))
    return spans


@lru_cache(maxsize=1)
def _windows(secrets: frozenset[str]) -> dict[int, set[str]]:
    """Return the pieces by which secrets are known, by their length, the longest first."""
    found: dict[int, set[str]] = {}
    for form in (form for secret in secrets for form in _forms(secret)):
        size = min(_WINDOW, len(form))
        found.setdefault(size, set()).update(form[at : at + size] for at in range(len(form) - size + 1))
    return dict(sorted(found.items(), reverse=True))


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret in the encodings that answers and addresses use."""
    data = secret.encode()
    every = "".join(f"%{byte:02x}" for byte in data)
    yield from (secret, quote(secret, safe=""), html.escape(secret), json.dumps(secret)[1:-1], every, every.upper())
    yield from (data.hex(), data.hex().upper())
    for offset in range(3):  # within three bytes, where what stands before it in the encoded text puts it
        first = -(-offset * 4 // 3)
        last = (offset + len(data)) * 4 // 3
        coded = base64.b64encode(b"\0" * offset + data)[first:last].decode()
        yield from (coded, coded.replace("+", "-").replace("/", "_"))


@contextmanager
def errors_without_secrets(*secrets: str) -> Generator[None]:
    """Take secrets out of each exception that leaves the block, whoever raised it, and out of its causes."""
    remember(secrets)
    try:
        yield
    except BaseException as error:
        _redact(error, set())
        raise


def _redact(error: BaseException | None, seen: set[int]) -> None:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.args = tuple(_redacted(each) for each in error.args)
    for name in (*vars(error), "strerror"):
        value = getattr(error, name, None)
        if isinstance(value, str | list):  # a list: notes
            setattr(error, name, _redacted(value))
    for other in (error.__cause__, error.__context__, *error.args):
        _redact(other if isinstance(other, BaseException) else None, seen)


def _redacted(value: Any) -> Any:
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    return without_secrets(value) if isinstance(value, str) else value
