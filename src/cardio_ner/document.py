"""Span and Document: the two values that everything else passes on.

Contract
- Offsets are half-open **code points** into `Document.text` exactly as it came. Nothing here, and no
  reader, translates newlines or normalises Unicode.
- The mention's text is always `document.text[span.start:span.end]`: derived, never stored, never edited.
- Both are frozen; a Document refuses a span past its end when it is made, not when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cardio_ner.errors import DocumentError

DISEASE = "DISEASE"
MEDICATION = "MEDICATION"
LANGUAGES = ("es", "en", "it")
UNDETERMINED = "und"
"""The language of a record whose language is not known: ISO 639's code for it."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A mention: `[start, end)` in code points, its type and, if a model found it, its score.

    `score` is a probability in [0, 1] or None (gold). It is not part of equality or order, so that gold and
    predicted spans compare as the task's strict score compares them.
    Raises DocumentError for an empty or negative span, an empty type or a score outside [0, 1].
    """

    start: int
    end: int
    entity_type: str
    score: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise DocumentError(
                f"span [{self.start}, {self.end}) is not a mention: expected 0 <= start < end, in code points"
            )
        if not self.entity_type:
            raise DocumentError("span without a type: expected a name such as 'DISEASE'")
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise DocumentError(f"score {self.score} is not a probability: expected 0 <= score <= 1, or None")


@dataclass(frozen=True, slots=True)
class Document:
    """One record: an identifier, a language code (`es`, `en`, `it`…), the text as it came, its mentions.

    Raises DocumentError for a text that is no str, for a span that ends past it, and for a text with one surrogate
    without the other, which is no Unicode: no tokenizer takes it, nor can it be written.
    """

    doc_id: str
    language: str
    text: str
    spans: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):  # what a data frame has for a missing text, or bytes
            raise DocumentError(
                f"document {self.doc_id!r}: its text is of type {type(self.text).__name__}: expected str; leave out "
                "rows without a text, and decode bytes"
            )
        if not self.text.isascii():
            self._check_text()
        for span in self.spans:
            if span.end > len(self.text):
                raise DocumentError(
                    f"document {self.doc_id!r}: span [{span.start}, {span.end}) ends past the text "
                    f"({len(self.text)} code points); were its offsets counted in bytes or UTF-16 units?"
                )

    def _check_text(self) -> None:
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise DocumentError(
                f"document {self.doc_id!r}: a lone surrogate at code point {error.start}: expected Unicode; mend the "
                "text, or read it with errors='replace'"
            ) from None

    def with_spans(self, spans: Iterable[Span]) -> Document:
        """The same record with other mentions, in reading order."""
        return replace(self, spans=tuple(sorted(spans)))

    def mention(self, span: Span) -> str:
        """The text that a span covers."""
        return self.text[span.start : span.end]
