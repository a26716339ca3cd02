"""Texts that break offsets: accents composed and not, emoji, line ends, spaces and joiners of all kinds."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

PIECES = (
    "aspirina", "Aórtica", "ESTENOSIS", "día", "niño", "dolor", "mg", "100", "e", "x", "xq",
    unicodedata.normalize("NFD", "Aórtica"), unicodedata.normalize("NFD", "fibrilación"), "n\u0303", "o\u0301\u0323",
    "\N{ANATOMICAL HEART}", "\N{PILL}\ufe0f", "\N{WOMAN}\u200d\N{STAFF OF AESCULAPIUS}\ufe0f", "\u2764\ufe0f",
    "\U0001f468\U0001f3fd",
    " ", "  ", "\n", "\r\n", "\r", "\t", "\u00a0", "\u2009", "\u200b", "\u200d", "\u00ad", "\ufeff", "\x00", "\x0c",
    ".", ",", "-", "/", "(", ")", "%",
)  # fmt: skip

awkward_texts = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
