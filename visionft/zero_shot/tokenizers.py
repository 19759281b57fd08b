"""Tokenizers of the text encoders, equal to open_clip's.

Mistakes here are silent: SigLIP loses a tenth of its accuracy if texts keep case and punctuation (NVlabs/RADIO#142),
and predicts at chance level if texts are not padded to full length (embeddings-benchmark/mteb#1424), because it pools
at the last position.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.messages import Message
from models.text_towers import TextTower
from visionft.errors import WeightsError

Tokenize = Callable[[Sequence[str]], Tensor]  # texts -> (N, context length) of int64


def tokenizer_for(tower: TextTower, vocabulary: Path | None) -> Tokenize:
    """Return the tokenizer of a text encoder; `vocabulary` is its `tokenizer.json`, where it has one.

    Raises:
        WeightsError: The vocabulary cannot be read, or is of another kind.
    """
    if tower.tokenizer == "siglip":
        assert vocabulary is not None
        return siglip_tokenizer(vocabulary, tower.context_length)
    from open_clip.tokenizer import SimpleTokenizer

    # CLIP's: lower case, byte pairs, a token at the start and one at the end, zeros behind. A text beyond the limit is
    # cut, and keeps the end token: the encoder pools there.
    tokenizer = SimpleTokenizer(context_length=tower.context_length)
    return lambda texts: tokenizer(list(texts))


def siglip_tokenizer(vocabulary: Path, context_length: int) -> Tokenize:
    """Return SigLIP's: canonical text, its pieces, a token at the end, padded to the full length.

    Raises:
        WeightsError: The file cannot be read, or has no tokens for the end and for padding.
    """
    from open_clip.tokenizer import get_clean_fn
    from tokenizers import Tokenizer

    clean = get_clean_fn("canonicalize")  # repaired, in lower case, without punctuation, words one space apart
    try:
        tokenizer: Any = Tokenizer.from_file(str(vocabulary))
    except Exception as error:  # the library raises a bare Exception for whatever is wrong with a file
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        message = Message("{file} is not a readable vocabulary: {reason}.", file=vocabulary.name, reason=reason)
        raise WeightsError(message, "Get the file again.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    end, pad = (tokenizer.token_to_id(name) for name in ("<eos>", "<pad>"))
    if end is None or pad is None:
        message = Message("{file} is not SigLIP's: it has no <eos> or no <pad>.", file=vocabulary.name)
        raise WeightsError(message, "Get the file again.")

    def tokenize(texts: Sequence[str]) -> Tensor:
        rows = torch.full((len(texts), context_length), pad, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            pieces = tokenizer.encode(clean(text), add_special_tokens=False).ids[: context_length - 1]
            row[: len(pieces) + 1] = torch.tensor([*pieces, end])
        return rows

    return tokenize
