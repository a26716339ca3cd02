"""Unlabelled texts to pre-train on: sentences put together from a few parts, in the layout of the data folder."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

SUBJECTS = {
    "es": ("El paciente", "La paciente", "El enfermo"),
    "en": ("The patient", "This man", "This woman"),
    "it": ("Il paziente", "La paziente", "Il malato"),
}
VERBS = {
    "es": ("presenta", "refiere", "niega"),
    "en": ("has", "reports", "denies"),
    "it": ("presenta", "nega", "riferisce"),
}
FINDINGS = {
    "es": ("dolor torácico", "estenosis aórtica", "fibrilación auricular", "disnea"),
    "en": ("chest pain", "aortic stenosis", "atrial fibrillation", "dyspnoea"),
    "it": ("dolore toracico", "stenosi aortica", "fibrillazione atriale", "dispnea"),
}


def sentences(language: str, count: int, seed: int) -> str:
    """So many sentences, drawn."""
    draw = random.Random(f"{language}{seed}")
    return " ".join(
        f"{draw.choice(SUBJECTS[language])} {draw.choice(VERBS[language])} {draw.choice(FINDINGS[language])}."
        for _ in range(count)
    )


def write_texts(data: Path, *, documents: int = 60) -> Path:
    """`text/notes.LANGUAGE.jsonl.gz` for each language under a data folder; returns the folder."""
    (data / "text").mkdir(parents=True, exist_ok=True)
    for language in SUBJECTS:
        with gzip.open(data / "text" / f"notes.{language}.jsonl.gz", "wt", encoding="utf-8") as file:
            for number in range(documents):
                record = {"lang": language, "source": "notes", "text": sentences(language, 6, number)}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return data
