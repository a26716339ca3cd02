"""The model that a run learns with: the base encoder, a head for the recipe's label groups, the vocabulary.

Contract
- The head starts from the base's rows for the label groups that both have; other rows are drawn, alike in every run.
- A base that cannot be learnt with as the recipe says raises ConfigError; so does one that lacks what a run of no
  epochs is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedModel, PreTrainedTokenizerFast

from cardio_ner.checkpoint import MANIFEST, Checkpoint, resolve_model
from cardio_ner.errors import ConfigError
from cardio_ner.model_files import positions_of
from cardio_ner.tags import TagScheme
from cardio_training.acceleration import attention
from cardio_training.provenance import learnt_words_alone
from cardio_training.recipe import Recipe
from cardio_training.saving import fast_tokenizer, load_base
from cardio_training.splits import Split
from cardio_training.trimming import trim_vocabulary, unlabelled_texts

ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
HIDDEN_DROPOUT = ("hidden_dropout_prob", "dropout")
"""As BERT and most others call them, and as DistilBERT does."""
HEAD_SEED = 0
"""New heads are drawn alike in every run, whatever its seed: the mean of weights whose heads were drawn apart is unsure
of everything (measured: docs/accuracy.md)."""


def build_model(recipe: Recipe, splits: Sequence[Split], data: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The encoder with a new head (or the rows of an earlier checkpoint's head), its vocabulary trimmed if asked."""
    base = resolve_model(recipe.base_encoder)
    scheme = recipe.scheme
    tokenizer = fast_tokenizer(base)
    if recipe.epochs and recipe.token_masking and tokenizer.mask_token_id is None:
        raise ConfigError(
            f"token_masking {recipe.token_masking}: the tokenizer of base_encoder {recipe.base_encoder} has no mask "
            "token, and nothing would be hidden: set token_masking to 0, or name the token in tokenizer_config.json"
        )
    with torch.random.fork_rng():
        torch.manual_seed(HEAD_SEED)
        model = load_base(recipe.base_encoder, base, lambda: _loaded(recipe, base))
        _draw_head(model)
    _check_window(recipe, model)
    if not recipe.epochs:
        _check_learnt(recipe, base)
    if (base / MANIFEST).exists():
        _copy_head(model, Checkpoint.open(base), scheme)
    if recipe.vocabulary_pieces is not None:
        texts = [d.text for split in splits for d in split.learnt] + [
            *unlabelled_texts(data / "text", recipe.languages)
        ]
        tokenizer = trim_vocabulary(model, tokenizer, texts, pieces=recipe.vocabulary_pieces)
    return model, tokenizer


def _loaded(recipe: Recipe, base: Path) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    """The base with a head for the recipe's labels, and transformers' report."""
    labels = recipe.scheme.head_labels
    model, report = AutoModelForTokenClassification.from_pretrained(
        base,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        dtype=torch.float32,
        attn_implementation=attention(),
        **_dropout(recipe, base),
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    return model, report


def _dropout(recipe: Recipe, base: Path) -> dict[str, float]:
    """What the base's config calls its two kinds of dropout, and how much of them the recipe asks for."""
    config = AutoConfig.from_pretrained(base)
    asked = {}
    for names, share in ((ATTENTION_DROPOUT, 0.0), (HIDDEN_DROPOUT, recipe.hidden_dropout)):
        known = [name for name in names if hasattr(config, name)]
        if not known:
            raise ConfigError(
                f"base_encoder {recipe.base_encoder}: {config.model_type} names none of {', '.join(names)}: expected a "
                "bert or its kin, whose dropout can be set"
            )
        asked[known[0]] = share
    return asked


def _check_window(recipe: Recipe, model: PreTrainedModel) -> None:
    positions = positions_of(model.config.to_dict())
    if positions is not None and recipe.window_tokens > positions:
        raise ConfigError(
            f"window_tokens {recipe.window_tokens}: the base encoder has {positions} positions: set window_tokens to "
            "that or less"
        )


def _check_learnt(recipe: Recipe, base: Path) -> None:
    """What a run of no epochs is asked for, its base must have: a head drawn anew would never learn anything."""
    known = Checkpoint.open(base) if (base / MANIFEST).exists() else None
    for group in recipe.scheme.groups:
        if known is None or group not in known.scheme.groups:
            there = ", ".join("+".join(own.entity_types) for own in known.scheme.groups) if known else "none"
            raise ConfigError(
                f"epochs 0 learns nothing, and base_encoder {recipe.base_encoder} has no label group "
                f"{'+'.join(group.entity_types)}: expected one of those that it has learnt ({there}), or epochs above 0"
            )
    if known and recipe.boundaries != "word" and learnt_words_alone(known.manifest):
        raise ConfigError(
            f"boundaries {recipe.boundaries}: base_encoder {recipe.base_encoder} has learnt each word's first token "
            "alone, and epochs 0 learns nothing more: expected boundaries: word"
        )


def _draw_head(model: PreTrainedModel) -> None:
    """A new head in place of what was loaded: one as wide as the recipe's may be that of other label groups."""
    torch.manual_seed(HEAD_SEED)
    head = _linear_head(model)
    head.weight.data.normal_(std=model.config.initializer_range)
    head.bias.data.zero_()


def _copy_head(model: PreTrainedModel, base: Checkpoint, scheme: TagScheme) -> None:
    """Start the rows of each label group that the base checkpoint has too from the base's rows."""
    old = AutoModelForTokenClassification.from_pretrained(base.folder, dtype=torch.float32, use_safetensors=True)
    for group, columns in zip(scheme.groups, scheme.slices, strict=True):
        if group in base.scheme.groups:
            source = base.scheme.slices[base.scheme.groups.index(group)]
            _linear_head(model).weight.data[columns] = _linear_head(old).weight.data[source]
            _linear_head(model).bias.data[columns] = _linear_head(old).bias.data[source]


def _linear_head(model: PreTrainedModel) -> torch.nn.Linear:
    """The last linear layer, whatever it is called: `classifier` in BERT, `classifier.out_proj` elsewhere."""
    return [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
