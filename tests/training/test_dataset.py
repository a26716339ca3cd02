"""Gold documents to padded batches."""

import dataclasses

import numpy as np
import pytest
import torch

from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.tokenization import DocumentTokenizer
from cardio_ner.windows import cut_windows
from cardio_training.dataset import (
    IGNORED,
    Collator,
    EncodingReport,
    Example,
    WindowDataset,
    documents_digest,
    make_examples,
)
from tiny_models import CLINICAL_TEXT, TWO_GROUPS

BOTH = frozenset({DISEASE, MEDICATION})
TEXT = CLINICAL_TEXT * 3
GOLD = Document("a", "es", TEXT).with_spans(
    Span(at, at + len(mention), name)
    for mention, name in (("infarto agudo", DISEASE), ("aspirina", MEDICATION), ("furosemida", MEDICATION))
    for at in range(len(TEXT))
    if TEXT.startswith(mention, at)
)


def examples_of(
    documents: list[Document],
    tokenizer: DocumentTokenizer,
    *,
    annotated: frozenset[str] = BOTH,
    overlap_tokens: int = 0,
) -> tuple[list[Example], EncodingReport]:
    report = EncodingReport()
    examples = make_examples(
        documents,
        annotated=annotated,
        scheme=TWO_GROUPS,
        tokenizer=tokenizer,
        window_tokens=24,
        overlap_tokens=overlap_tokens,
        report=report,
    )
    return examples, report


def plain(ids: np.ndarray, tags: np.ndarray) -> Example:
    """Each token a word."""
    return Example(ids, tags, np.ones(len(ids), dtype=bool), "es")


@pytest.mark.parametrize("overlap_tokens", [0, 8])
def test_windows_and_tags_are_those_of_tagging(tokenizer: DocumentTokenizer, overlap_tokens: int) -> None:
    examples, report = examples_of([GOLD], tokenizer, overlap_tokens=overlap_tokens)
    tokens = tokenizer([TEXT])[0]
    windows = cut_windows(len(tokens), window_tokens=22, overlap_tokens=overlap_tokens)
    assert len(examples) == len(windows) > 5
    tags = np.full((2, len(tokens)), IGNORED)
    for example, w in zip(examples, windows, strict=True):
        assert (example.ids == tokens.ids[w.start : w.end]).all()
        tags[:, w.start : w.end] = example.tags
    assert TWO_GROUPS.decode(tags, tokens.starts, tokens.ends) == list(GOLD.spans)
    assert report == EncodingReport(n_mentions=9)


def test_a_type_that_was_not_annotated_is_unknown_not_absent(tokenizer: DocumentTokenizer) -> None:
    examples, _ = examples_of([GOLD], tokenizer, annotated=frozenset({MEDICATION}))
    assert all((example.tags[0] == IGNORED).all() for example in examples)
    assert not any((example.tags[1] == IGNORED).any() for example in examples)


def test_what_tags_cannot_carry_is_reported_over_all_documents(tokenizer: DocumentTokenizer) -> None:
    text = "infarto agudo de la aspirina "
    spans = [
        Span(0, 13, DISEASE),
        Span(0, 7, DISEASE),
        Span(21, 28, MEDICATION),
        Span(28, 29, DISEASE),
        Span(0, 3, "SYMPTOM"),
    ]
    documents = [Document(name, "es", text).with_spans(spans) for name in "ab"]
    _, report = examples_of(documents, tokenizer)
    assert report == EncodingReport(n_mentions=8, n_overlapping=2, n_widened=2, n_untagged=2)


def test_an_empty_document_makes_no_example(tokenizer: DocumentTokenizer) -> None:
    assert examples_of([Document("a", "es", "")], tokenizer)[0] == []


def collator(tokenizer: DocumentTokenizer, masking: float) -> Collator:
    mask_id = tokenizer.backend.token_to_id("[MASK]")
    return Collator(tokenizer, mask_id, masking)


def test_a_batch_wraps_pads_and_labels_each_window(tokenizer: DocumentTokenizer) -> None:
    long = Example(
        np.array([5, 6, 7], dtype=np.int32), np.array([[0, 1, 2], [0, 0, 1]]), np.array([True, False, True]), "es"
    )
    short = Example(np.array([8], dtype=np.int32), np.array([[1], [0]]), np.array([True]), "es")
    batch = {name: tensor.tolist() for name, tensor in collator(tokenizer, 0.0)([long, short]).items()}
    (cls,), (sep,), pad = tokenizer.prefix_ids, tokenizer.suffix_ids, tokenizer.pad_id
    no = IGNORED
    assert batch == {
        "input_ids": [[cls, 5, 6, 7, sep], [cls, 8, sep, pad, pad]],
        "attention_mask": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]],
        "labels": [
            [[no, 0, 1, 2, no], [no, 0, 0, 1, no]],
            [[no, 1, no, no, no], [no, 0, no, no, no]],
        ],
    }


def test_masking_hides_its_share_of_the_texts_tokens_and_no_label(tokenizer: DocumentTokenizer) -> None:
    example = plain(np.full(4000, 9, dtype=np.int32), np.ones((2, 4000), dtype=np.int64))
    torch.manual_seed(0)
    collate = collator(tokenizer, 0.25)
    first, second = collate([example]), collate([example])
    hidden = first["input_ids"] == tokenizer.backend.token_to_id("[MASK]")
    assert hidden.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert (first["input_ids"][0, 0].item(), first["input_ids"][0, -1].item()) == (
        tokenizer.prefix_ids[0],
        tokenizer.suffix_ids[0],
    )
    assert (first["labels"][0, :, 1:-1] == 1).all()
    assert not (first["input_ids"] == second["input_ids"]).all()
    assert (example.ids == 9).all()


def test_the_dataset_is_its_examples_in_order() -> None:
    examples = [plain(np.array([n], dtype=np.int32), np.zeros((2, 1), dtype=np.int64)) for n in range(3)]
    dataset = WindowDataset(examples)
    assert [dataset[n] for n in range(len(dataset))] == examples


@pytest.mark.parametrize(
    "change", [{"doc_id": "b"}, {"language": "en"}, {"text": TEXT + " "}, {"spans": GOLD.spans[1:]}]
)
def test_the_digest_changes_with_every_part_of_a_document(change: dict[str, object]) -> None:
    assert documents_digest([dataclasses.replace(GOLD, **change)]) != documents_digest([GOLD])
    assert documents_digest([dataclasses.replace(GOLD)]) == documents_digest([GOLD])
