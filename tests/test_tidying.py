"""What no mention ends or begins with is cut off, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awkward_texts import awkward_texts
from cardio_ner import tidying
from cardio_ner.document import DISEASE, Document, Span
from cardio_ner.tagger import Tagger
from cardio_ner.tidying import tidy
from tiny_models import CLINICAL_TEXT


def tidied(marked: str, language: str = "es") -> str:
    """`con [fiebre y] tos` → the same with the mention tidied."""
    start, end = marked.index("["), marked.index("]") - 1
    text = marked.replace("[", "").replace("]", "")
    spans = tidy(text, [Span(start, end, DISEASE, 0.5)], language)
    if not spans:
        return text
    (span,) = spans
    assert span.score == 0.5
    return f"{text[: span.start]}[{text[span.start : span.end]}]{text[span.end :]}"


@pytest.mark.parametrize(
    ("language", "found", "expected"),
    [
        ("es", "(DA [oclusión crónica)] y", "(DA [oclusión crónica]) y"),
        ("es", "[infarto (IAM]) grave", "[infarto (IAM)] grave"),
        ("es", "[infarto (IAM] grave", "[infarto] (IAM grave"),
        ("es", "[insuficiencia mitral (IM)] grave", "[insuficiencia mitral (IM)] grave"),
        ("es", "[disfunción con] buena", "[disfunción] con buena"),
        ("es", "[estenosis de la] DA", "[estenosis] de la DA"),
        ("es", "[ventrículo hipertrófico, no] dilatado", "[ventrículo hipertrófico], no dilatado"),
        ("es", "[de la arteritis -]", "de la [arteritis] -"),
        ("es", "[infarto de miocardio] y", "[infarto de miocardio] y"),
        ("es", "con [amiloidosis AL]", "con [amiloidosis AL]"),
        ("es", "con [hepatitis A]", "con [hepatitis A]"),
        ("es", "por [bajo gasto]", "por [bajo gasto]"),
        ("es", "está [sin pulso]", "está [sin pulso]"),
        ("es", "[con]", "con"),
        ("es", "reiniciar [a] 15 mg", "reiniciar a 15 mg"),
        ("es", "hepatitis [A]", "hepatitis [A]"),
        ("es", "[de la] (", "de la ("),
        ("es", "[()]", "()"),
        ("es", "[\N{PILL}]", "[\N{PILL}]"),
        ("es", "[infarto ((]", "[infarto] (("),
        ("es", "([(fiebre] y", "(([fiebre] y"),
        ("es", "[)fiebre]", ")[fiebre]"),
        ("es", "[prolapso)] y [", "[prolapso]) y ["),
        ("en", "[stenosis of the] aorta", "[stenosis] of the aorta"),
        ("en", "[con]", "[con]"),
        ("it", "[stenosi della] valvola", "[stenosi] della valvola"),
        ("it", "[infarto del]", "[infarto] del"),
        ("es", "ingresa [por (IAM] anterior)", "ingresa por ([IAM] anterior)"),
        ("pt", "[estenose de,]", "[estenose de],"),
    ],
)
def test_ends_are_tidied_by_language(language: str, found: str, expected: str) -> None:
    if found.count("[") > 1:
        found, expected = found[: found.rindex("[")], expected[: expected.rindex("[")]
    assert tidied(found, language) == expected


SIGNS = str.maketrans(dict.fromkeys(",;:.-/()", " "))

PIECES = st.lists(
    st.sampled_from(
        ["infarto", "de", "la", "con", "AL", "(", ")", ",", " ", "\n", "-", "IAM", "no", "\u0301", "\N{PILL}"]
    ),
    min_size=1,
    max_size=12,
).map("".join)


@given(text=PIECES | awkward_texts.filter(len), data=st.data(), language=st.sampled_from(["es", "en", "it", "xx"]))
def test_a_mention_stays_within_itself_and_its_parenthesis_and_is_tidy_for_good(
    text: str, data: st.DataObject, language: str
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(text))), DISEASE, 0.25)
    tidied = tidy(text, [span], language)
    if not tidied:
        assert set(text[span.start : span.end].translate(SIGNS).split()) <= tidying._ENDS.get(language, set())
        return
    (first,) = tidied
    assert span.start <= first.start < first.end <= span.end + (text[span.end : span.end + 1] == ")")
    assert tidy(text, [first], language) == [first]


def test_mentions_that_become_one_are_one_and_order_stays() -> None:
    text = "con fiebre y tos"
    spans = [Span(13, 16, DISEASE), Span(4, 12, DISEASE), Span(4, 10, DISEASE)]
    assert tidy(text, spans, "es") == [Span(4, 10, DISEASE), Span(13, 16, DISEASE)]


def test_the_tagger_tidies_where_its_checkpoint_says_so(two_group_checkpoint: Path) -> None:
    plain = Tagger.load(two_group_checkpoint, device="cpu")
    assert not plain.tidied
    documents = [Document(language, language, CLINICAL_TEXT * 3) for language in ("es", "xx")]
    expected = [d.with_spans(tidy(d.text, d.spans, d.language)) for d in plain.tag(documents)]
    assert expected != list(plain.tag(documents))
    assert list(replace(plain, tidied=True).tag(documents)) == expected


@pytest.mark.parametrize("run", ["\n", ", ", " de la"])
def test_a_long_run_within_a_mention_takes_time_that_grows_with_its_length_alone(run: str) -> None:
    """A regular expression would look back exponentially: at this length it would never end."""
    text = f"infarto{run * 100_000} x"
    assert tidy(text, [Span(0, len(text), DISEASE)], "es") == [Span(0, len(text), DISEASE)]
    assert tidy(text, [Span(0, len(text) - 2, DISEASE)], "es") == [Span(0, 7, DISEASE)]
    assert tidy(text, [Span(7, len(text), DISEASE)], "es") == [Span(len(text) - 1, len(text), DISEASE)]
