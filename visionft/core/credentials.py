"""Tokens and passwords, kept out of all that is shown, logged or reported.

What a hub answers is never repeated, since it may hold what it was sent. What libraries say is searched for the form of
tokens, for headers, and for the user in an address.
"""

import re

SECRET = "<secret>"
_PATTERNS = (
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)[^\s\"',;}]+"), rf"\1{SECRET}"),
    (re.compile(r"(?i)\b((?:bearer|basic)(?:\s|%20|\+)+)(?=\S*[\d=_])[\w.~+/=%-]{8,}"), rf"\1{SECRET}"),
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), SECRET),
    (re.compile(r"(?<=://)[^\s/@]+(?=@)"), SECRET),
)


def without_secrets(text: str) -> str:
    """Return text with `<secret>` in place of tokens and passwords."""
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return text
