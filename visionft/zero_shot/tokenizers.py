"""From texts to the tokens that a text side was trained on, exactly as open_clip makes them.

What goes wrong here goes wrong in silence: a SigLIP whose texts keep case and punctuation loses a tenth of its accuracy
(NVlabs/RADIO#142), and one whose texts are not padded to their full length answers by chance (embeddings-benchmark/
mteb#1424), because it reads a text at its last place.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.text_towers import TextTower
from visionft.errors import WeightsError

Tokenize = Callable[[Sequence[str]], Tensor]  # texts -> (N, context length) of int64


def tokenizer_for(tower: TextTower, vocabulary: Path | None) -> Tokenize:
    """Return what turns texts into tokens.

    Args:
        tower: The text side.
        vocabulary: Its `tokenizer.json`, where it has one.

    Raises:
        WeightsError: The vocabulary cannot be read, or is of another kind.
    """
    if tower.tokenizer == "clip":
        return clip_tokenizer(tower.context_length)
    assert vocabulary is not None
    return siglip_tokenizer(vocabulary, tower.context_length)


def clip_tokenizer(context_length: int) -> Tokenize:
    """Return CLIP's: lower case, byte pairs, a token at the start and one at the end, zeros behind.

    A text that is too long loses its end, and keeps the token that ends it: the text is read there.
    """
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer(context_length=context_length)
    return lambda texts: tokenizer(list(texts))


def canonical(text: str) -> str:
    """Return a text as SigLIP reads it: repaired, in lower case, without punctuation, words one space apart."""
    from open_clip.tokenizer import get_clean_fn

    return str(get_clean_fn("canonicalize")(text))


def siglip_tokenizer(vocabulary: Path, context_length: int) -> Tokenize:
    """Return SigLIP's: canonical text, its pieces, a token at the end, padded to the full length.

    Raises:
        WeightsError: The file cannot be read, or has no tokens for the end and for padding.
    """
    tokenizer = _opened(vocabulary)
    end, pad = (tokenizer.token_to_id(name) for name in ("<eos>", "<pad>"))
    if end is None or pad is None:
        raise WeightsError(f"{vocabulary.name} is not SigLIP's: it has no <eos> or no <pad>.", "Get the file again.")

    def tokenize(texts: Sequence[str]) -> Tensor:
        rows = torch.full((len(texts), context_length), pad, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            pieces = tokenizer.encode(canonical(text), add_special_tokens=False).ids[: context_length - 1]
            row[: len(pieces) + 1] = torch.tensor([*pieces, end])
        return rows

    return tokenize


def _opened(vocabulary: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(vocabulary))
    except Exception as error:  # the library raises a bare Exception for whatever is wrong with a file
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        message = f"{vocabulary.name} is not a readable vocabulary: {reason}."
        raise WeightsError(message, "Get the file again.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
