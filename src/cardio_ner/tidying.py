"""Mentions without what no mention ends or begins with: a lone parenthesis, a comma, "con", "of the".

    (arteria circunfleja [oclusión crónica)] y        →  [oclusión crónica]
    [insuficiencia mitral (IM]) grave                 →  [insuficiencia mitral (IM)]
    [disfunción ventricular con] buena respuesta      →  [disfunción ventricular]

A tagger decides word by word, and now and then stops a word late. Measured in docs/accuracy.md.

Contract
- A mention becomes shorter, or longer by the one parenthesis that closes it; never empty, and its score stays.
- Only words in small letters are cut off ("amiloidosis AL" and "hepatitis A" stay), by the document's language; in
  other languages only signs are.
- Tidying what is tidy changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from cardio_ner.document import Span

_WORDS = {
    "es": "al ante con contra de del desde durante e el en entre hacia hasta la las lo los o para pero por según "
    "sobre su sus tras u un una unas unos y",
    "en": "an and as at but by during for from in into of on or over per than that the to under which with",
    "it": "ad agli ai al alla alle allo col con da dagli dai dal dalla dalle dallo degli dei del della delle dello di "
    "e ed gli i il in la le lo negli nei nel nella nelle nello o per su sul sulla tra fra un una uno",
}
"""Articles, prepositions, conjunctions: words that need another one after them."""
_FINAL = {"es": "a no que se sin", "en": "a no not without", "it": "a che non senza"}
"""Words that end no mention, but may begin one ("a nivel faringolaríngeo", "sin pulso")."""
_SIGNS = r"[\s,;:.\-/]+"


def _patterns(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a mention does not begin with, and what it does not end with."""
    words = "|".join(_WORDS.get(language, "").split())
    final = "|".join(f"{_WORDS.get(language, '')} {_FINAL.get(language, '')}".split())
    begin = rf"(?:{_SIGNS}|(?:{words})\s+)+" if words else _SIGNS
    end = rf"(?:{_SIGNS}|(?<=\s)(?:{final}))+$" if final else f"{_SIGNS}$"
    return re.compile(begin), re.compile(end)


_PATTERNS = {language: _patterns(language) for language in (*_WORDS, "")}


def tidy(text: str, spans: Iterable[Span], language: str) -> list[Span]:
    """The mentions of a text, tidied, in reading order."""
    return sorted({_tidied(text, span, language) for span in spans})


def _tidied(text: str, span: Span, language: str) -> Span:
    while (changed := _trimmed(text, _balanced(text, span), language)) != span:
        span = changed
    return span


def _balanced(text: str, span: Span) -> Span:
    """Without a parenthesis that nothing closes or opens, or with the one right after it that closes."""
    mention = text[span.start : span.end]
    opened, closed = mention.count("("), mention.count(")")
    if opened == closed + 1 and text[span.end : span.end + 1] == ")":
        return replace(span, end=span.end + 1)
    if opened == closed:
        return span
    at = mention.rfind("(") if opened > closed else mention.find(")")
    if _has_letters(mention[:at]):
        return replace(span, end=span.start + at)
    return replace(span, start=span.start + at + 1) if _has_letters(mention[at:]) else span


def _has_letters(text: str) -> bool:
    return any(map(str.isalnum, text))


def _trimmed(text: str, span: Span, language: str) -> Span:
    begin, end = _PATTERNS.get(language, _PATTERNS[""])
    mention = text[span.start : span.end]
    first = found.end() if (found := begin.match(mention)) else 0
    last = found.start() if (found := end.search(mention, first)) else len(mention)
    return replace(span, start=span.start + first, end=span.start + last) if first < last else span
