"""Trim a WordPiece vocabulary to the pieces that the texts use: smaller embeddings, the same words.

Contract
- Special pieces, tokens that were added to the vocabulary and every single-character piece stay, so nothing that could
  be read becomes unknown; a word whose piece was dropped is cut into shorter pieces instead.
- Rows of the embedding are copied, not learnt anew: a text without dropped pieces gets the same vectors as before.
Only WordPiece (BERT) is handled, for the encoder that ships is one; another model raises ConfigError.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from cardio_ner.errors import ConfigError
from cardio_training.texts import Source, read_source
from cardio_training.vocabulary import CONTINUATION, model_kind

CHARS_PER_FILE = 4_000_000


def unlabelled_texts(folder: Path, languages: Sequence[str]) -> Iterator[str]:
    """Texts of these languages in `*.jsonl.gz` of a folder, from CHARS_PER_FILE of each file; none if it is absent."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        chars = 0
        for language, text in read_source(Source(path.name, 1.0), folder):
            if language in languages:
                yield text
            chars += len(text)
            if chars >= CHARS_PER_FILE:
                break


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each piece is used."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    counts: Counter[int] = Counter()
    for text in texts:
        counts.update(tokenizer.encode(text, add_special_tokens=False).ids)
    return counts


def trim_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], *, pieces: int
) -> PreTrainedTokenizerFast:
    """Shrink the model's input embedding in place to `pieces` rows; return the tokenizer that fits it."""
    if model_kind(tokenizer) != "WordPiece":
        raise ConfigError(f"vocabulary_pieces: expected a WordPiece encoder, got {model_kind(tokenizer)}; leave it out")
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    added = {token["content"]: token["id"] for token in spec["added_tokens"]}
    vocabulary: dict[str, int] = spec["model"]["vocab"] | added
    counts = count_pieces(tokenizer.backend_tokenizer, texts)
    special = {*tokenizer.all_special_tokens, *added}
    needed = {p for p in vocabulary if p in special or len(p.removeprefix(CONTINUATION)) == 1}
    used = sorted((p for p in vocabulary if p not in needed), key=lambda p: (-counts[vocabulary[p]], vocabulary[p]))
    kept = sorted(needed | set(used[: max(0, pieces - len(needed))]), key=vocabulary.__getitem__)
    _select_rows(model, [vocabulary[piece] for piece in kept])
    return _rebuild(tokenizer, spec, {piece: row for row, piece in enumerate(kept)})


def _select_rows(model: PreTrainedModel, rows: list[int]) -> None:
    old = model.get_input_embeddings()
    assert isinstance(old, torch.nn.Embedding)
    padding = rows.index(old.padding_idx) if old.padding_idx in rows else None
    new = torch.nn.Embedding(len(rows), old.embedding_dim, padding_idx=padding)
    new.weight.data.copy_(old.weight.data[rows])
    model.set_input_embeddings(new)
    model.config.vocab_size = len(rows)
    model.config.pad_token_id = padding


def _rebuild(
    tokenizer: PreTrainedTokenizerFast, spec: dict[str, Any], vocabulary: dict[str, int]
) -> PreTrainedTokenizerFast:
    """The same tokenizer over another vocabulary; the ids of its special pieces and added tokens follow."""
    spec["model"]["vocab"] = {piece: row for piece, row in vocabulary.items() if piece in spec["model"]["vocab"]}
    spec["padding"] = spec["truncation"] = None
    for added in spec["added_tokens"]:
        added["id"] = vocabulary[added["content"]]
    processor = spec["post_processor"] or {}
    for special in processor.get("special_tokens", {}).values():
        special["ids"] = [vocabulary[token] for token in special["tokens"]]
    for end in {"cls", "sep"} & processor.keys():
        processor[end] = [processor[end][0], vocabulary[processor[end][0]]]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)),
        model_max_length=tokenizer.model_max_length,
        **tokenizer.special_tokens_map,
    )
