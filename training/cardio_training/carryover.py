"""Give an encoder a new vocabulary without losing what it knows.

Contract
- A piece that both vocabularies have, at the same place of a word, keeps its row of the embedding.
- Another piece gets the mean of the rows of the old pieces that spell the same string: where a word was cut into three,
  its one new piece starts as what the encoder saw (as in IndoBERTweet, Koto et al. 2021, arXiv 2109.04607; WECHSEL,
  Minixhofer et al. 2022, arXiv 2112.06598, and FOCUS, Dobler & de Melo 2023, arXiv 2305.14481, weight old rows by
  similarity of meaning instead, which wants static vectors that we do not have).
- Bytes and pieces that the old vocabulary cannot spell are drawn around the mean row with the rows' own spread.
- The output layer is the embedding, and its bias follows the rows. All other weights stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from cardio_ner.errors import ConfigError
from cardio_training.vocabulary import CONTINUATION, SPECIAL, model_kind, piece_text


@dataclass(frozen=True, slots=True)
class CarryOver:
    """How many pieces were copied, composed of several old ones, and drawn anew."""

    copied: int
    composed: int
    drawn: int


def carry_over(
    model: PreTrainedModel, old: PreTrainedTokenizerFast, new: PreTrainedTokenizerFast, *, seed: int
) -> CarryOver:
    """Replace the model's embedding (and the tied output layer) in place by one for the new vocabulary.

    The old vocabulary is WordPiece. Raises ConfigError where the model has no table of embeddings.
    """
    embedding = model.get_input_embeddings()
    if not isinstance(embedding, torch.nn.Embedding):
        raise ConfigError(f"base_encoder: {type(model).__name__} has no table of embeddings: expected a BERT-like one")
    old_rows, old_bias = embedding.weight.detach().clone(), _output_bias(model).detach().clone()
    pieces = sorted(new.get_vocab().items(), key=lambda item: item[1])
    kind = model_kind(new)
    inner = _inner_tokenizer(old)
    found = [_old_ids(piece, kind, old, inner) for piece, _ in pieces]
    generator = torch.Generator().manual_seed(seed)
    spread, mean = old_rows.std(dim=0), old_rows.mean(dim=0)
    drawn = mean + spread * torch.randn(len(pieces), old_rows.shape[1], generator=generator)
    rows = torch.stack([old_rows[ids].mean(dim=0) if ids else drawn[row] for row, ids in enumerate(found)])
    model.resize_token_embeddings(len(pieces), mean_resizing=False)
    table = model.get_input_embeddings()
    assert isinstance(table, torch.nn.Embedding)
    table.weight.data.copy_(rows)
    biases = [old_bias[ids].mean() if ids else old_bias.mean() for ids in found]
    _output_bias(model).data.copy_(torch.stack(biases))
    table.padding_idx = model.config.pad_token_id = new.pad_token_id
    lengths = [len(ids) for ids in found]
    return CarryOver(lengths.count(1), sum(n > 1 for n in lengths), lengths.count(0))


def _output_bias(model: PreTrainedModel) -> torch.Tensor:
    """The bias of the output layer, [pieces]."""
    bias: torch.Tensor = model.get_output_embeddings().bias
    return bias


def _inner_tokenizer(old: PreTrainedTokenizerFast) -> Tokenizer:
    """Cuts what stands within a word: the old tokenizer over its continuation pieces alone."""
    inner = Tokenizer.from_str(old.backend_tokenizer.to_str())
    unknown = str(old.unk_token)
    vocabulary = {
        piece.removeprefix(CONTINUATION): row
        for piece, row in old.get_vocab().items()
        if piece.startswith(CONTINUATION) or piece == unknown
    }
    inner.model = WordPiece(vocabulary, unk_token=unknown, continuing_subword_prefix="")
    for tokenizer in (inner, old.backend_tokenizer):
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return inner


def _old_ids(piece: str, kind: str, old: PreTrainedTokenizerFast, inner: Tokenizer) -> list[int]:
    """The old pieces that spell the same string at the same place of a word; none where that cannot be said."""
    for name, special in SPECIAL.items():
        if piece == special:
            row = getattr(old, f"{name}_token_id")
            return [] if row is None else [row]
    read = piece_text(piece, kind)
    if read is None or not read[0]:
        return []
    text, begins = read
    ids = (old.backend_tokenizer if begins else inner).encode(text, add_special_tokens=False).ids
    return [] if old.unk_token_id in ids else ids
