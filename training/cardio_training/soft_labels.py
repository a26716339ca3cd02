"""Soft labels: what teachers think of texts that nobody annotated (G. Hinton et al., arXiv 1503.02531).

Contract
- A teacher labels texts of its own languages (of all, where its manifest names none), in the label groups that the
  student has too.
- A token's soft labels are, group by group, the mean of the probabilities of those teachers that have a token which
  begins where it does (their vocabularies may differ); where none has one, it is not labelled. Of a teacher that
  learnt each word's first token alone (`labelled: words`) the others' probabilities mean nothing, and do not count.
- A label group, or a language of the texts, that no teacher has, or a language that the recipe does not name (the
  manifest would not tell that it was learnt): ConfigError.
- They are computed once and kept beside the run (`soft_labels.npy`), for the same teachers, texts, vocabulary and label
  groups.

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
from cardio_ner.tags import LabelGroup, TagScheme
from cardio_ner.tokenization import DocumentTokenizer
from cardio_ner.windows import cut_windows
from cardio_ner.word_table import Tokens
from cardio_training.dataset import IGNORED, Example, documents_digest
from cardio_training.provenance import learnt_words_alone
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
    _check(recipe, teachers, documents)
    ids = hashlib.sha256(b"".join(its_tokens.ids.tobytes() for its_tokens in tokens)).hexdigest()
    groups = [group.labels for group in recipe.scheme.groups]
    made_from = json.dumps([[_named(teacher) for teacher in teachers], documents_digest(documents), ids, groups])
    file, note = recipe.output / FILE, recipe.output / MADE_FROM
    if not note.exists() or note.read_text(encoding="utf-8") != made_from:
        labels = np.concatenate(
            [np.zeros((0, recipe.scheme.n_labels), np.float16), *_label(recipe.scheme, teachers, documents, tokens)]
        )
        note.unlink(missing_ok=True)
        recipe.output.mkdir(parents=True, exist_ok=True)
        np.save(file, labels)
        note.write_text(made_from, encoding="utf-8")
    return np.asarray(np.load(file), dtype=np.float16)


def _check(recipe: Recipe, teachers: Sequence[Checkpoint], documents: Sequence[Document]) -> None:
    scheme = recipe.scheme
    for group in scheme.groups:
        if not any(group in teacher.scheme.groups for teacher in teachers):
            raise ConfigError(f"teachers: none has the label group {group.labels}: expected those of the recipe")
    for teacher in teachers:
        if not set(scheme.groups) & set(teacher.scheme.groups):
            raise ConfigError(
                f"teachers: {teacher.folder} has no label group of the recipe's: expected one; leave it out"
            )
    for language in sorted({document.language for document in documents}):
        if language not in recipe.languages:
            raise ConfigError(
                f"unlabelled: texts in {language!r}: expected the recipe's languages, {', '.join(recipe.languages)}; "
                "name it there, or leave its texts out"
            )
        if not any(_reads(teacher, language) for teacher in teachers):
            raise ConfigError(f"unlabelled: texts in {language!r}: expected a teacher of that language; add one")


def _reads(teacher: Checkpoint, language: str) -> bool:
    return not teacher.manifest.languages or language in teacher.manifest.languages


def _named(teacher: Checkpoint) -> str:
    """By what its labels depend on. (Those kept before words' first tokens alone counted are made again.)"""
    return teacher.model_id + (", words' first tokens" if learnt_words_alone(teacher.manifest) else "")


def _label(
    scheme: TagScheme, teachers: Sequence[Checkpoint], documents: Sequence[Document], tokens: Sequence[Tokens]
) -> list[Soft]:
    """Each text's labels [T, K], in float16; a group's columns are zeros where no teacher labels the token."""
    totals = [np.zeros((len(its_tokens), scheme.n_labels), dtype=np.float32) for its_tokens in tokens]
    counts = [np.zeros((len(its_tokens), scheme.n_labels), dtype=np.float32) for its_tokens in tokens]
    for number, teacher in enumerate(teachers, start=1):
        shared = [group for group in scheme.groups if group in teacher.scheme.groups]
        mine, its = _columns(scheme, shared), _columns(teacher.scheme, shared)
        firsts_alone = learnt_words_alone(teacher.manifest)
        read = [i for i, document in enumerate(documents) if _reads(teacher, document.language)]
        found = Tagger.load(teacher).label_probabilities(documents[i] for i in read)
        shown = track(found, f"teacher {number}", len(read), console=Console(stderr=True))
        for i, (_, theirs, logp_TK) in zip(read, shown, strict=True):
            _, here, there = np.intersect1d(tokens[i].starts, theirs.starts, return_indices=True)
            if firsts_alone:
                learnt = theirs.begins_word[there]
                here, there = here[learnt], there[learnt]
            totals[i][np.ix_(here, mine)] += np.exp(logp_TK[np.ix_(there, its)])
            counts[i][np.ix_(here, mine)] += 1
    return [(total / np.maximum(count, 1)).astype(np.float16) for total, count in zip(totals, counts, strict=True)]


def _columns(scheme: TagScheme, groups: Sequence[LabelGroup]) -> NDArray[np.int64]:
    """The columns of these groups in the head of a scheme."""
    places = [scheme.slices[scheme.groups.index(group)] for group in groups]
    return np.concatenate([np.arange(place.start, place.stop) for place in places])
