"""Mentions without what no mention ends or begins with: a lone parenthesis, a comma, "con", "of the".

    (arteria circunfleja [oclusión crónica)] y        →  [oclusión crónica]
    [insuficiencia mitral (IM]) grave                 →  [insuficiencia mitral (IM)]
    [disfunción ventricular con] buena respuesta      →  [disfunción ventricular]

A tagger decides word by word, and now and then stops a word late. Measured in docs/accuracy.md.

Contract
- A mention becomes shorter, or longer by the one parenthesis that closes it, and its score stays. One that is nothing
  but small words and signs goes.
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
_SIGNS = ",;:.-/"
_BLANKS = str.maketrans(dict.fromkeys(f"{_SIGNS}()", " "))
_BEGINS = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_ENDS = {language: _BEGINS[language] | frozenset(_FINAL[language].split()) for language in _WORDS}
_WORD = re.compile(r"\S+")
LONGEST = 16
"""A small word and the space before it are within as many characters."""


def tidy(text: str, spans: Iterable[Span], language: str) -> list[Span]:
    """The mentions of a text, tidied, in reading order."""
    tidied = {_tidied(text, span, language) for span in spans}
    return sorted(span for span in tidied if not _is_idle(text[span.start : span.end], language))


def _is_idle(mention: str, language: str) -> bool:
    """Is it nothing but small words and signs?"""
    ends = _ENDS.get(language, frozenset())
    return all(word in ends for word in mention.translate(_BLANKS).split())


def _tidied(text: str, span: Span, language: str) -> Span:
    while (changed := _trimmed(text, _balanced(text, span, language), language)) != span:
        span = changed
    return span


def _balanced(text: str, span: Span, language: str) -> Span:
    """Without a parenthesis that nothing closes or opens, or with the one right after it that closes."""
    mention = text[span.start : span.end]
    opened, closed = mention.count("("), mention.count(")")
    if opened == closed + 1 and text[span.end : span.end + 1] == ")":
        return replace(span, end=span.end + 1)
    if opened == closed:
        return span
    at = mention.rfind("(") if opened > closed else mention.find(")")
    if _says_something(mention[:at], language):
        return replace(span, end=span.start + at)
    return replace(span, start=span.start + at + 1) if _says_something(mention[at:], language) else span


def _says_something(part: str, language: str) -> bool:
    return any(map(str.isalnum, part)) and not _is_idle(part, language)


def _trimmed(text: str, span: Span, language: str) -> Span:
    """Without signs and small words at both ends; as it is where nothing else is in it. Linear in its length."""
    begins, ends = _BEGINS.get(language, frozenset()), _ENDS.get(language, frozenset())
    start, end = span.start, span.end
    while start < end:
        if text[start].isspace() or text[start] in _SIGNS:
            start += 1
            continue
        word = _WORD.match(text, start, end)
        if word is None or word[0] not in begins or word.end() == end:
            break
        start = word.end()
    while start < end:
        if text[end - 1].isspace() or text[end - 1] in _SIGNS:
            end -= 1
            continue
        first = next((at for at in range(end - 1, max(start, end - LONGEST) - 1, -1) if text[at].isspace()), None)
        if first is None or text[first + 1 : end] not in ends:
            break
        end = first
    return span if start >= end or (start, end) == (span.start, span.end) else replace(span, start=start, end=end)
