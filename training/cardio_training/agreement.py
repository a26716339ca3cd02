"""How alike two checkpoints tag texts that nobody annotated: what a further stage changes beside what it is for.

Contract
- Strict, as `cardio_ner.evaluation`: the F1 of one's mentions taken as the other's gold. It bounds what the change can
  be worth: whatever the gold, the two differ in no other mentions.
- Texts that the second checkpoint learnt from teachers in its last stage are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.table import Table

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.document import Document
from cardio_ner.errors import ConfigError
from cardio_ner.evaluation import Score, strict_score
from cardio_ner.tagger import Tagger
from cardio_training.soft_labels import DRAWN
from cardio_training.texts import Source, draw, read_source


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one type: the mentions of both, of the first (`n_gold`) and of the second (`n_predicted`)."""

    entity_type: str
    documents: int
    score: Score


def fresh_documents(checkpoint: Checkpoint, file: str, language: str, data: Path) -> Iterator[Document]:
    """The texts of one language of a file of the data folder that the checkpoint's last stage has not learnt."""
    told = checkpoint.manifest.training_data
    parts = [part.get("unlabelled", {}) for part in told.get("merged", [told])]
    asked = (data / file).resolve()  # a shell completes the whole path, where recipes name files of the data folder
    shares = [share for part in parts for name, share in part.items() if (data / name).resolve() == asked]
    share = max(shares, default=0)
    for number, (its_language, text) in enumerate(read_source(Source(file, 1.0), data)):
        if its_language == language and draw(text, DRAWN) >= share:
            yield Document(str(number), language, text)


def agreement(
    first: Checkpoint, second: Checkpoint, file: str, *, language: str, data: Path, n_documents: int
) -> list[Agreement]:
    """Both tag the file's first `n_documents` fresh texts, each as its manifest says; one row for each type of both.

    Raises ConfigError where no text is left, or they have no type in common.
    """
    types = [name for name in first.scheme.entity_types if name in second.scheme.entity_types]
    if not types:
        raise ConfigError(f"{first.folder} and {second.folder}: no entity type in common: expected some")
    documents = list(islice(fresh_documents(second, file, language, data), n_documents))
    if not documents:
        raise ConfigError(f"{file}: no text in {language!r} that {second.folder} has not learnt: name another file")
    tagged = [list(Tagger.load(checkpoint).tag(documents)) for checkpoint in (first, second)]
    return [Agreement(name, len(documents), strict_score(*tagged, entity_type=name)) for name in types]


def as_agreement_table(rows: list[Agreement], title: str) -> Table:
    """The rows for a terminal."""
    table = Table(title=title)
    for column in ("type", "documents", "first's mentions", "second's", "of both", "F1"):
        table.add_column(column, justify="left" if column == "type" else "right")
    for row in rows:
        counts = (row.documents, row.score.n_gold, row.score.n_predicted, row.score.true_positives)
        table.add_row(row.entity_type, *map(str, counts), f"{100 * row.score.f1:.2f}")
    return table
