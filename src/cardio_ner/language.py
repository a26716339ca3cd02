"""Which language a record is in: as given, else detected.

Contract
- A given code is folded (`ES`, `es-ES`, `es_MX`, `spa` are all `es`) and otherwise believed. What has not the form of a
  code is UNDETERMINED: a row that is shifted by a column has a record's words there, and languages go into accounts.
- Detection answers one of the languages asked for, or None: the text is of another language, or has no word at all.
- None is dear: a record that is not tagged is worse than one of a sister language that is. Another language must
  therefore be OTHER_LANGUAGE_ODDS times as probable as the best of ours; a short line of abbreviations and drug
  names, which fits many languages, is given to the best of ours.
- Never raises, whatever the text; same text, same answer. Reads the first words only, so that a long one is no slower.
Detector: py3langid, a fork of langid.py (M. Lui and T. Baldwin, "langid.py: An Off-the-shelf Language Identification
Tool", ACL 2012). How it compares, and why these numbers: docs/language.md.
"""

from __future__ import annotations

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from cardio_ner.document import UNDETERMINED

DETECTION_CHARS = 2_000
"""How much is given to the detector; a tenth of it is enough for nearly every record."""
SEARCHED_CHARS = 20_000
"""How far, from the first letters on, words are gathered for it: laboratory tables often come first."""
OTHER_LANGUAGE_ODDS = 10.0
"""The smallest odds that reject none of ours which are longer than a line."""
# fmt: off
OTHER_LANGUAGES = (
    "ar", "bg", "ca", "cs", "da", "de", "el", "eu", "fi", "fr", "gl", "hr", "hu",
    "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "tr", "uk", "zh",
)
# fmt: on
"""What a record may be in if not in one of ours. Not all that the detector knows: Extremaduran, Aragonese, Venetian
and the like take short Spanish and Italian lines away."""

THREE_LETTERS = {"spa": "es", "eng": "en", "ita": "it"}
CODE = "[a-z]{2,3}"
"""A folded code: the primary subtag of BCP 47 (longer ones are reserved, and names would pass for them)."""
_LETTERS = re.compile(r"[^\W\d_]{2}")
_WORDS = re.compile(r"(?<!\S)[^\s\d]++(?!\S)")


def fold_language(code: str | None) -> str | None:
    """The two-letter code of a language tag; None for None or blank; an unknown tag comes back in lower case; `und` for
    what is no tag."""
    primary = re.split(r"[-_]", (code or "").strip().lower())[0]
    if not primary:
        return None
    return THREE_LETTERS.get(primary, primary) if re.fullmatch(CODE, primary) else UNDETERMINED


def detect_language(text: str, among: tuple[str, ...]) -> str | None:
    """The most probable of the two-letter codes `among`; None for another language and for a text without words."""
    sample = _sample(text)
    if sample is None:
        return None
    ranked = _identifier(frozenset(among)).rank(sample)
    ours = [(language, odds) for language, odds in ranked if language in among]
    others = [odds for language, odds in ranked if language not in among]
    if not ours or (others and others[0] > OTHER_LANGUAGE_ODDS * ours[0][1]):
        return None
    return str(ours[0][0])


def _sample(text: str) -> str | None:
    """The first words, each once (a table's would drown the others), doses, dates and results left out; the text as
    it is if each word has a digit in it; None if nowhere two letters meet."""
    letters = _LETTERS.search(text)
    if letters is None:
        return None
    near = text[letters.start() : letters.start() + SEARCHED_CHARS]
    return (" ".join(dict.fromkeys(_WORDS.findall(near))) or near)[:DETECTION_CHARS]


@cache
def _identifier(among: frozenset[str]) -> LanguageIdentifier:
    """One identifier per set of languages: its model is read from disk once per process."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(among.union(OTHER_LANGUAGES).intersection(identifier.labels))
    return identifier
