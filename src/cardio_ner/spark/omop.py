"""The language of an OMOP note: `NOTE.language_concept_id` as a language code.

Contract
- A concept of a language in the table is its two-letter code, whether a checkpoint knows that language or not.
- 0, null, what is no number, and concepts that are not in the table (local ones are above 2,000,000,000) are null: the
  language is detected. A record of ours under an unknown concept is not lost; one of another language is told apart.
The concepts are those of the `Language` domain (SNOMED "Spanish language" and so on) as the OHDSI vocabulary team's own
scripts write them: github.com/OHDSI/Vocabulary-v5.0, CIEL/load_stage.sql (`locale_map`), and for de, da, sv, zh, ja, ko
and he the OSM script's mapping of countries.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

CONCEPTS = {
    4182511: "es", 4180186: "en", 4182507: "it",
    4180190: "fr", 4181536: "pt", 4182503: "nl", 4182504: "de", 4180183: "da", 4175777: "sv", 4181539: "ru",
    4181374: "ar", 4180047: "he", 4182948: "zh", 4181524: "ja", 4175771: "ko", 4181526: "vi",
}  # fmt: skip
"""OMOP concept → language code."""


def omop_language(concept: Column) -> Column:
    """The language code of a concept id (a number, or a string of its digits), or null: to be detected."""
    codes = F.create_map(*(F.lit(part) for pair in CONCEPTS.items() for part in pair))
    return codes[concept.try_cast("int")]
