"""What tests share: tiny BERT checkpoints made on the spot, a tiny corpus in the official layout, awkward texts.

The tiny models have random weights whose head is scaled up, so that they find many mentions and find them by context:
a wrong mask, window or offset changes what they find.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reaches for the network fails at once
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from cardio_ner.checkpoint import MANIFEST, Manifest
from cardio_ner.corpus.brat import write_brat
from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION, Document, Span
from cardio_ner.encoder import wrap_tokenizer
from cardio_ner.tags import TagScheme
from cardio_ner.tokenization import DocumentTokenizer

WORDS = [
    "paciente",
    "ingresa",
    "con",
    "por",
    "de",
    "la",
    "el",
    "y",
    "sin",
    "se",
    "inicia",
    "tratamiento",
    "dolor",
    "toracico",
    "estenosis",
    "aortica",
    "infarto",
    "agudo",
    "fibrilacion",
    "auricular",
    "insuficiencia",
    "cardiaca",
    "aspirina",
    "heparina",
    "amiodarona",
    "enalapril",
    "furosemida",
    "mg",
    "dia",
    "alta",
    "patient",
    "with",
    "the",
    "of",
    "and",
    "started",
    "on",
    "atrial",
    "aspirin",
    "heparin",
    "paziente",
    "che",
    "assume",
    "aspirina",
    "eparina",
    "##ina",
    "##osis",
    "##or",
]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:-/()%ñß\N{ANATOMICAL HEART}\N{PILL}"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

TWO_GROUPS = TagScheme.of([DISEASE], [MEDICATION])
HUB_LABELS = ("I-DRUG", "B-DISO", "O", "I-DISO", "B-DRUG")
"""One group, in an order that no code should expect."""

CLINICAL_TEXT = (
    "Paciente con estenosis aórtica e infarto agudo. Se inicia aspirina 100 mg/día, heparina y amiodarona; "
    "fibrilación auricular sin dolor torácico. Alta con enalapril (5 mg) y furosemida."
)


def _tokenizer() -> PreTrainedTokenizerFast:
    """Lower-casing, accent-stripping WordPiece. It asks for truncation and padding, which tagging must not obey."""
    pieces = [*CHARACTERS, *(f"##{c}" for c in CHARACTERS), *dict.fromkeys(WORDS), *SPECIAL]
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


def _write_checkpoint(folder: Path, labels: Sequence[str], *, max_position_embeddings: int) -> Path:
    """A BERT of 2 layers and 32 dimensions with those labels, and its tokenizer."""
    tokenizer = _tokenizer()
    torch.manual_seed(7)
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


@pytest.fixture(scope="session")
def two_group_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of ours: DISEASE and MEDICATION in two groups, windows of 24 tokens with 8 of overlap."""
    folder = tmp_path_factory.mktemp("two_groups")
    _write_checkpoint(folder, TWO_GROUPS.head_labels, max_position_embeddings=128)
    manifest = Manifest(
        languages=LANGUAGES,
        label_groups=tuple(group.labels for group in TWO_GROUPS.groups),
        window_tokens=24,
        overlap_tokens=8,
        base_encoder="random",
        licence="Apache-2.0",
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def hub_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as the hub has them: one group, labels in an order of its own, no manifest, 64 positions."""
    return _write_checkpoint(tmp_path_factory.mktemp("hub"), HUB_LABELS, max_position_embeddings=64)


@pytest.fixture
def checkpoint_copy(two_group_checkpoint: Path, tmp_path: Path) -> Path:
    """The two-group checkpoint in a folder that the test may spoil."""
    return Path(shutil.copytree(two_group_checkpoint, tmp_path / "checkpoint"))


@pytest.fixture(scope="session")
def tokenizer(two_group_checkpoint: Path) -> DocumentTokenizer:
    """The tiny tokenizer as AutoTokenizer reads it from its folder."""
    return wrap_tokenizer(AutoTokenizer.from_pretrained(two_group_checkpoint))


# ── a corpus in the official layout ──────────────────────────────────────────────────────────────────────────────────

DISEASES = ("estenosis aórtica", "infarto agudo", "fibrilación auricular", "insuficiencia cardíaca")
MEDICATIONS = ("aspirina", "heparina", "amiodarona", "enalapril", "furosemida")


def _record(number: int, language: str) -> Document:
    """A note with two medications and two diseases, its mentions marked, one per line and in changing order."""
    opening = {"es": "Paciente ingresa con", "en": "The patient started with", "it": "Paziente che assume"}[language]
    text, spans = f"{opening} dolor {number}.\n", []
    for step in range(2):
        disease = DISEASES[(number + step) % len(DISEASES)]
        medication = MEDICATIONS[(2 * number + step) % len(MEDICATIONS)]
        for entity_type, before, mention in (
            (DISEASE, "Se inicia por ", disease),
            (MEDICATION, "Tratamiento con ", medication),
        ):
            text += before
            spans.append(Span(len(text), len(text) + len(mention), entity_type))
            text += f"{mention} sin dolor.\n"
    return Document(f"case{number:03}", language, text).with_spans(spans)


def _write_half(documents: list[Document], folder: Path, entity_type: str, label: str) -> None:
    """The mentions of one type, under their official label."""
    write_brat(
        (d.with_spans(Span(s.start, s.end, label) for s in d.spans if s.entity_type == entity_type) for d in documents),
        folder,
    )


@pytest.fixture(scope="session")
def write_official_layout() -> Callable[[Path], Path]:
    """Writes a tiny corpus (6 documents of train, 7 of dev per language) under a folder, and returns the folder."""

    def write(root: Path) -> Path:
        track1, track2 = root / "multicardioner" / "track1", root / "multicardioner" / "track2"
        for numbers, diseases, medications in (
            (range(6), "distemist_train", "drugtemist_train"),
            (range(6, 13), "cardioccc_dev", "cardioccc_dev"),
        ):
            for language in LANGUAGES:
                documents = [_record(number, language) for number in numbers]
                _write_half(documents, track2 / medications / language / "brat", MEDICATION, "FARMACO")
                if language == "es":
                    _write_half(documents, track1 / diseases / "brat", DISEASE, "ENFERMEDAD")
        return root

    return write


@pytest.fixture(scope="session")
def official_data(write_official_layout: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus, read-only by agreement."""
    return write_official_layout(tmp_path_factory.mktemp("data"))
