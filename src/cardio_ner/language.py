"""Which language a record is in: as given, else detected.

Contract
- A given code is folded (`ES`, `es-ES`, `es_MX`, `spa` are all `es`) and otherwise believed.
- Detection chooses among the languages asked for, and no other: a French note is called one of them. Records of other
  languages must say so in a language column.
- Same text, same answer; reads the first DETECTION_CHARS characters.
Detector: py3langid, a fork of langid.py (M. Lui and T. Baldwin, "langid.py: An Off-the-shelf Language Identification
Tool", ACL 2012).
"""

from __future__ import annotations

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

DETECTION_CHARS = 2_000
THREE_LETTERS = {"spa": "es", "eng": "en", "ita": "it"}


def fold_language(code: str | None) -> str | None:
    """The two-letter code of a language tag; None for None or blank; an unknown tag comes back in lower case."""
    primary = re.split(r"[-_]", (code or "").strip().lower())[0]
    return THREE_LETTERS.get(primary, primary) or None


def detect_language(text: str, among: tuple[str, ...]) -> str:
    """The most probable of the two-letter codes `among` for the text."""
    return str(_identifier(among).classify(text[:DETECTION_CHARS])[0])


@cache
def _identifier(among: tuple[str, ...]) -> LanguageIdentifier:
    """One identifier per set of languages: its model is read from disk once per process."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(among)
    return identifier
