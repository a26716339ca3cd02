"""Soft labels: what teachers think of texts that nobody annotated (G. Hinton et al., arXiv 1503.02531).

Contract
- A token's soft labels are the mean of the teachers' probabilities, group by group, at the teachers' token that begins
  where it does (their vocabularies may differ); a token for which one teacher has none is not labelled.
- A teacher needs every label group of the student; it may have more. Otherwise ConfigError.
- They are computed once and kept beside the run (`soft_labels.npy`), for the same teachers, texts and vocabulary.

Shapes: T tokens of a text, K labels of the student's head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.document import Document
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger
from cardio_ner.tags import TagScheme
from cardio_ner.tokenization import DocumentTokenizer, Tokens
from cardio_ner.windows import cut_windows
from cardio_training.dataset import IGNORED, Example, documents_digest
from cardio_training.recipe import Recipe
from cardio_training.texts import Source, draw, read_source

Soft = NDArray[np.float16]
FILE, MADE_FROM = "soft_labels.npy", "soft_labels.json"
DRAWN = b"unlabelled"


def unlabelled_documents(recipe: Recipe, data: Path) -> list[Document]:
    """The texts to be labelled: of each file the share that the recipe says, drawn by digest."""
    return [
        Document(f"{name}:{number}", language, text)
        for name, share in recipe.unlabelled.items()
        for number, (language, text) in enumerate(read_source(Source(name, share), data))
        if draw(text, DRAWN) < share
    ]


def soft_examples(recipe: Recipe, tokenizer: DocumentTokenizer, data: Path) -> list[Example]:
    """The windows of the unlabelled texts, with the teachers' labels; none where the recipe has no teachers."""
    if not recipe.teachers:
        return []
    documents = unlabelled_documents(recipe, data)
    tokens = tokenizer([document.text for document in documents])
    labels = _kept(recipe, documents, tokens)
    inner_tokens = recipe.window_tokens - tokenizer.n_special_tokens
    examples, first = [], 0
    for document, its_tokens in zip(documents, tokens, strict=True):
        soft = labels[first : first + len(its_tokens)]
        first += len(its_tokens)
        unknown = np.full((len(recipe.scheme.groups), len(its_tokens)), IGNORED)
        whole = Example(its_tokens.ids, unknown, its_tokens.begins_word, document.language, soft)
        windows = cut_windows(
            len(its_tokens), window_tokens=inner_tokens, overlap_tokens=recipe.training_overlap_tokens
        )
        examples += [whole.part(w.start, w.end) for w in windows]
    return examples


def _kept(recipe: Recipe, documents: Sequence[Document], tokens: Sequence[Tokens]) -> Soft:
    """The labels of all texts, one after the other: [sum of T, K]."""
    teachers = [Checkpoint.open(teacher) for teacher in recipe.teachers]
    ids = hashlib.sha256(b"".join(its_tokens.ids.tobytes() for its_tokens in tokens)).hexdigest()
    made_from = json.dumps([[teacher.model_id for teacher in teachers], documents_digest(documents), ids])
    file, note = recipe.output / FILE, recipe.output / MADE_FROM
    if not note.exists() or note.read_text(encoding="utf-8") != made_from:
        taggers = [Tagger.load(teacher) for teacher in teachers]
        labels = np.concatenate(
            [np.zeros((0, recipe.scheme.n_labels), np.float16), *_label(recipe.scheme, taggers, documents, tokens)]
        )
        note.unlink(missing_ok=True)
        recipe.output.mkdir(parents=True, exist_ok=True)
        np.save(file, labels)
        note.write_text(made_from, encoding="utf-8")
    return np.asarray(np.load(file), dtype=np.float16)


def _label(
    scheme: TagScheme, taggers: Sequence[Tagger], documents: Sequence[Document], tokens: Sequence[Tokens]
) -> list[Soft]:
    """Each text's labels [T, K], in float16; a row of zeros is not labelled."""
    totals = [np.zeros((len(its_tokens), scheme.n_labels), dtype=np.float32) for its_tokens in tokens]
    known = [np.ones(len(its_tokens), dtype=bool) for its_tokens in tokens]
    for number, tagger in enumerate(taggers, start=1):
        columns = _columns(scheme, tagger)
        found = track(
            tagger.label_probabilities(documents), f"teacher {number}", len(documents), console=Console(stderr=True)
        )
        for i, (_, theirs, logp_TK) in enumerate(found):
            shared, mine, its = np.intersect1d(tokens[i].starts, theirs.starts, return_indices=True)
            known[i] &= np.isin(tokens[i].starts, shared)
            totals[i][mine] += np.exp(logp_TK[its][:, columns])
    for total, in_all in zip(totals, known, strict=True):
        total[~in_all] = 0
    return [(total / len(taggers)).astype(np.float16) for total in totals]


def _columns(scheme: TagScheme, tagger: Tagger) -> list[int]:
    """Where the student's labels stand among the teacher's."""
    theirs = tagger.encoder.scheme
    missing = [group.labels for group in scheme.groups if group not in theirs.groups]
    if missing:
        raise ConfigError(f"teachers: {tagger.model_id} has no label group {missing[0]}: expected those of the recipe")
    places = [theirs.slices[theirs.groups.index(group)] for group in scheme.groups]
    return [column for place in places for column in range(place.start, place.stop)]
