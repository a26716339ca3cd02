"""Tiny BERT checkpoints, made on the spot.

Their weights are random and their heads scaled up, so that they find many mentions and find them by context: a wrong
mask, window or offset changes what they find.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.tags import TagScheme

WORDS = (
    "paciente", "ingresa", "con", "por", "de", "la", "el", "y", "sin", "se", "inicia", "tratamiento", "dolor",
    "toracico", "estenosis", "aortica", "infarto", "agudo", "fibrilacion", "auricular", "insuficiencia", "cardiaca",
    "aspirina", "heparina", "amiodarona", "enalapril", "furosemida", "mg", "dia", "alta", "patient", "with", "the",
    "of", "and", "started", "on", "atrial", "aspirin", "heparin", "paziente", "che", "assume", "eparina", "##ina",
    "##osis", "##or",
)  # fmt: skip
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:-/()%ñß\N{ANATOMICAL HEART}\N{PILL}"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

TWO_GROUPS = TagScheme.of([DISEASE], [MEDICATION])
HUB_LABELS = ("I-DRUG", "B-DISO", "O", "I-DISO", "B-DRUG")
"""One group, in an order that no code should expect."""

CLINICAL_TEXT = (
    "Paciente con estenosis aórtica e infarto agudo. Se inicia aspirina 100 mg/día, heparina y amiodarona; "
    "fibrilación auricular sin dolor torácico. Alta con enalapril (5 mg) y furosemida."
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Lower-casing, accent-stripping WordPiece. It asks for truncation and padding, which tagging must not obey."""
    pieces = dict.fromkeys([*CHARACTERS, *(f"##{c}" for c in CHARACTERS), *WORDS, *SPECIAL])
    vocabulary = {piece: row for row, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.enable_truncation(max_length=8)
    tokenizer.enable_padding(pad_id=vocabulary["[PAD]"], pad_token="[PAD]", length=16)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
    )


def write_checkpoint(folder: Path, labels: Sequence[str], *, max_position_embeddings: int) -> Path:
    """A BERT of 2 layers and 32 dimensions with those labels, and its tokenizer."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(4)  # one whose models find mentions of every type, long and short
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=max_position_embeddings,
        initializer_range=0.3,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)),
        label2id={label: row for row, label in enumerate(labels)},
    )
    model = BertForTokenClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
