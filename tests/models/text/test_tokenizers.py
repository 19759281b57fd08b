"""Tokens as the models want them: CLIP's against its vocabulary, SigLIP's rules against open_clip's own wrapper."""

import json
from pathlib import Path

import open_clip
import pytest
import torch

from models.backbone import PE_CORE_S
from models.text.text_encoder import siglip_tokenizer, tokenizer_for
from visionft.core.errors import WeightsError


def test_pe_core_has_open_clips_tokenizer_of_its_length() -> None:
    texts = ["a photo of a wine glass.", "Straße, Grüße", "x_y", "🙂 it's 2 o'clock", "word " * 50]
    ours = tokenizer_for(PE_CORE_S, None)(texts)
    assert ours.shape == (5, 32) and ours.dtype == torch.int64
    assert torch.equal(ours, open_clip.get_tokenizer(PE_CORE_S.architecture)(texts))


@pytest.fixture
def letters(tiny_siglip: str, weights_home: Path) -> Path:
    """Return a vocabulary of letters: SigLIP 2's own, of 256,000 pieces, cannot be fetched in a test."""
    return weights_home / f"{tiny_siglip}.tokenizer.json"


def test_siglip_reads_as_open_clips_wrapper_of_the_same_vocabulary(letters: Path, tmp_path: Path) -> None:
    from open_clip.tokenizer import HFTokenizer
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    folder = tmp_path / "carried"
    folder.mkdir()
    tokenizer = Tokenizer.from_file(str(letters))
    tokenizer.post_processor = TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "<eos>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**about, "padding_side": "right"}), encoding="utf-8")
    theirs = HFTokenizer(str(folder), context_length=64, clean="canonicalize")
    texts = ["A photo of a Cat.", "the_other thing, over\tthere", "x", "z" * 200, "it's Grüße&amp;so!", "..."]
    assert torch.equal(siglip_tokenizer(letters, 64)(texts), theirs(texts))


def test_a_vocabulary_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"tokenizer\.json"):
        siglip_tokenizer(tmp_path / "tokenizer.json", 64)
