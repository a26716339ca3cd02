"""The official MultiCardioNER folders: which documents of which language carry which annotation.

    track1/{distemist_train,cardioccc_dev}/{brat,tsv}               diseases, Spanish
    track2/{drugtemist_train,cardioccc_dev}/{es,en,it}/{brat,tsv}   medications

Contract
- The Spanish texts of both tracks are the same documents; they come back once, with the mentions of both.
- `annotated` says which types were looked for in the documents: a type outside it is unknown, not absent.
- A *fold* of cardioccc_dev holds every fifth document by name, of the names of all languages together: the same ones in
  every language, whichever lacks some, so that a translation of a held-out document is never trained on. The train
  folders are always training.
Data: MultiCardioNER, https://doi.org/10.5281/zenodo.10948354 (CC BY 4.0).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cardio_ner.corpus.brat import files_of, read_brat
from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION, Document
from cardio_ner.errors import CorpusError

N_FOLDS = 5
DATA_VARIABLE = "CARDIO_NER_DATA"


@dataclass(frozen=True, slots=True)
class LanguageCorpus:
    """One language's documents: `train` (always trained on), `dev` (cardioccc_dev, sorted by name).

    `dev_names` has the names of cardioccc_dev in all languages, sorted: it decides the folds.
    """

    language: str
    annotated: frozenset[str]
    train: tuple[Document, ...]
    dev: tuple[Document, ...]
    dev_names: tuple[str, ...]

    def fold(self, held_out: int) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
        """(documents to train on, documents held out) for fold `held_out` in 0…4; CorpusError for another."""
        if held_out not in range(N_FOLDS):
            raise CorpusError(f"fold {held_out}: expected 0 to {N_FOLDS - 1}")
        names = frozenset(self.dev_names[held_out::N_FOLDS])
        kept = tuple(document for document in self.dev if document.doc_id not in names)
        return self.train + kept, tuple(document for document in self.dev if document.doc_id in names)


def data_folder(configured: Path | None = None) -> Path:
    """The folder that holds `multicardioner/` (and `text/`): as configured, else from the environment variable."""
    value = configured or os.environ.get(DATA_VARIABLE)
    if not value:
        raise CorpusError(f"no data folder: set {DATA_VARIABLE} to the folder that holds multicardioner/")
    folder = Path(value)
    if not (folder / "multicardioner" / "track2").is_dir():
        raise CorpusError(f"{folder}: no multicardioner/track2 inside: expected the unpacked data (track1, track2)")
    return folder


def read_multicardioner(data: Path, language: str) -> LanguageCorpus:
    """One language's corpus, from `data/multicardioner`.

    Raises CorpusError for another language, or where the two tracks disagree on a text.
    """
    if language not in LANGUAGES:
        raise CorpusError(f"language {language!r}: MultiCardioNER has {', '.join(LANGUAGES)}")
    folder = data / "multicardioner"
    halves = []
    for diseases, medications in (("distemist_train", "drugtemist_train"), ("cardioccc_dev", "cardioccc_dev")):
        documents = read_brat(folder / "track2" / medications / language / "brat", language=language)
        if language == "es":
            documents = _merge(documents, read_brat(folder / "track1" / diseases / "brat", language=language))
        halves.append(tuple(documents))
    annotated = frozenset({MEDICATION, DISEASE} if language == "es" else {MEDICATION})
    train, dev = halves
    return LanguageCorpus(language, annotated, train, dev, _dev_names(folder))


def _dev_names(folder: Path) -> tuple[str, ...]:
    """Of cardioccc_dev in all languages, each once, in the order of `read_brat`."""
    parts = [files_of(folder / "track2" / "cardioccc_dev" / language / "brat", ".txt") for language in LANGUAGES]
    names = sorted({path.name for part in parts for path in part})
    return tuple(dict.fromkeys(Path(name).stem for name in names))  # one may be case1.txt in one, case1.TXT in another


def _merge(documents: list[Document], others: list[Document]) -> list[Document]:
    """The same documents with the mentions of both; raises where a document is missing or its text differs."""
    by_id = {document.doc_id: document for document in others}
    if by_id.keys() != {document.doc_id for document in documents}:
        raise CorpusError("track1 and track2 hold different Spanish documents: is the unpacked data complete?")
    merged = []
    for document in documents:
        other = by_id[document.doc_id]
        if other.text != document.text:
            raise CorpusError(f"{document.doc_id}: its text differs between track1 and track2: unpack the data anew")
        merged.append(document.with_spans((*document.spans, *other.spans)))
    return merged
