"""What brat and TSV standoff share: reading text untouched, checked mentions, and the audit of a corpus.

Contract
- A text is read as UTF-8 bytes and nothing else: no newline translation, no Unicode normalisation, a BOM stays.
- A mention whose quoted text is not what its offsets cut out raises CorpusError, or is counted in the `Misaligned`
  that the caller gave: never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import CorpusError

OFFICIAL_LABELS = {"ENFERMEDAD": DISEASE, "FARMACO": MEDICATION}


@dataclass(slots=True)
class Misaligned:
    """Counts mentions whose quoted text disagrees with their offsets; `examples` names files and ids, never text."""

    count: int = 0
    examples: tuple[str, ...] = ()

    def add(self, where: str) -> None:
        """Count one, keep the first ten places."""
        self.count += 1
        self.examples = (*self.examples, where)[:10]


def read_text(path: Path) -> str:
    """The file's text exactly as it lies there. Raises CorpusError for bytes that are not UTF-8, or that cannot be
    read."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}: expected a file that can be read") from None
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}: byte {error.start} is not UTF-8: expected UTF-8; convert the file: iconv -f ITS-NAME -t utf8"
        ) from None


def checked_span(
    text: str, start: int, end: int, label: str, quoted: str, *, where: str, misaligned: Misaligned | None
) -> Span | None:
    """The Span of an annotation, or None if it is misaligned and `misaligned` counts such; else CorpusError.

    Tabs and line breaks inside a mention are quoted as spaces in both formats, so they compare equal to spaces.
    """
    if 0 <= start < end <= len(text) and one_line(text[start:end]) == one_line(quoted):
        return Span(start, end, OFFICIAL_LABELS.get(label, label))
    if misaligned is None:
        raise CorpusError(
            f"{where}: the text at [{start}, {end}) is not the text that the annotation quotes: expected code-point "
            "offsets into the untouched file; give misaligned=Misaligned() to count such mentions and go on"
        )
    misaligned.add(where)
    return None


def one_line(mention: str) -> str:
    """A mention as both formats quote it: their own separators, tabs and line breaks, as spaces."""
    return mention.translate({9: " ", 10: " ", 13: " "})


@dataclass(frozen=True, slots=True)
class Audit:
    """What a corpus holds, and what a flat tagger cannot say of it. All fields count mentions but `documents`."""

    documents: int
    mentions: int
    overlapping: int
    starts_inside_word: int
    ends_inside_word: int
    duplicates: int


def audit(documents: Iterable[Document]) -> Audit:
    """Count the mentions of the documents that overlap another of their type or cut a word (alphanumeric run)."""
    n_documents = n_mentions = overlapping = starts = ends = duplicates = 0
    for document in documents:
        n_documents += 1
        n_mentions += len(document.spans)
        unique = sorted(set(document.spans))
        duplicates += len(document.spans) - len(unique)
        overlapping += sum(_count_overlapping(unique, name) for name in {s.entity_type for s in unique})
        starts += sum(_inside_word(document.text, span.start) for span in unique)
        ends += sum(_inside_word(document.text, span.end) for span in unique)
    return Audit(n_documents, n_mentions, overlapping, starts, ends, duplicates)


def _count_overlapping(spans: Sequence[Span], entity_type: str) -> int:
    """How many spans of the type begin before an earlier one has ended."""
    of_type = [span for span in spans if span.entity_type == entity_type]
    reach = 0
    count = 0
    for before, span in pairwise(of_type):
        reach = max(reach, before.end)
        count += span.start < reach
    return count


def _inside_word(text: str, offset: int) -> bool:
    """Does a word go on across the offset?"""
    return 0 < offset < len(text) and text[offset - 1].isalnum() and text[offset].isalnum()
