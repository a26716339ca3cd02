"""A corpus of a few lines a document, in the official MultiCardioNER layout."""

from __future__ import annotations

from pathlib import Path

from cardio_ner.corpus.brat import write_brat
from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION, Document, Span

DISEASES = ("estenosis aórtica", "infarto agudo", "fibrilación auricular", "insuficiencia cardíaca")
MEDICATIONS = ("aspirina", "heparina", "amiodarona", "enalapril", "furosemida")


def record(number: int, language: str) -> Document:
    """A note with two medications and two diseases, its mentions marked, one per line and in changing order."""
    opening = {"es": "Paciente ingresa con", "en": "The patient started with", "it": "Paziente che assume"}[language]
    text, spans = f"{opening} dolor {number}.\n", []
    for step in range(2):
        disease = DISEASES[(number + step) % len(DISEASES)]
        medication = MEDICATIONS[(2 * number + step) % len(MEDICATIONS)]
        for entity_type, before, mention in (
            (DISEASE, "Se inicia por ", disease),
            (MEDICATION, "Tratamiento con ", medication),
        ):
            text += before
            spans.append(Span(len(text), len(text) + len(mention), entity_type))
            text += f"{mention} sin dolor.\n"
    return Document(f"case{number:03}", language, text).with_spans(spans)


def write_half(documents: list[Document], folder: Path, entity_type: str, label: str) -> None:
    """The mentions of one type, under their official label."""
    write_brat(
        (d.with_spans(Span(s.start, s.end, label) for s in d.spans if s.entity_type == entity_type) for d in documents),
        folder,
    )


def write_official_layout(root: Path) -> Path:
    """Write 6 documents of train and 7 of dev per language under a folder, and return the folder."""
    track1, track2 = root / "multicardioner" / "track1", root / "multicardioner" / "track2"
    for numbers, diseases, medications in (
        (range(6), "distemist_train", "drugtemist_train"),
        (range(6, 13), "cardioccc_dev", "cardioccc_dev"),
    ):
        for language in LANGUAGES:
            documents = [record(number, language) for number in numbers]
            write_half(documents, track2 / medications / language / "brat", MEDICATION, "FARMACO")
            if language == "es":
                write_half(documents, track1 / diseases / "brat", DISEASE, "ENFERMEDAD")
    return root
