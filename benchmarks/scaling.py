"""What a hundred million notes would take: writes the tables of docs/scaling.md. `python benchmarks/scaling.py`

From benchmarks/results: the latest growth run (bytes of rows, what any batch costs, what Spark's own processes take for
a note), the latest feeding run (what a task takes for a token, the encoder apart), each head-to-head run (the whole
job's words a second on that machine) and the latest runs of gpu.py and gpu_job.py. The rest is counted here, over notes
of about 150 words: tokens, windows, mentions. Prices and sizes are options; the arithmetic is in scaling_arithmetic.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

import scaling_arithmetic as arithmetic
from cardio_ner.document import LANGUAGES
from cardio_ner.tagger import Tagger
from cardio_ner.windows import cut_windows
from conditions import markdown_table
from made_notes import make_note, read_sources, write_notes
from scaling_arithmetic import Sample
from scaling_results import (
    GpuRate,
    Growth,
    Rate,
    latest,
    read_gpu_rates,
    read_growth,
    read_rates,
    read_task_seconds_per_token,
)

PAGE = Path(__file__).parents[1] / "docs/scaling.md"
BEGIN, END = "<!-- begin: benchmarks/scaling.py -->", "<!-- end -->"
SAMPLE_NOTES = 90
PARQUET_NOTES = 3_000
LENGTHS_WORDS = (50, 150, 500, 1_000)
BEFORE_WORDS_PER_SECOND = {"AMX": 19_800}
"""Document tokens a second of two cores with AMX, by the copied recipe in bf16 at its best: measured before there was
an engine, and by no command of this repository."""


def main(
    notes: Annotated[int, typer.Option(help="Notes to plan for")] = 100_000_000,
    cores: Annotated[int, typer.Option(help="Cores of the cluster")] = 512,
    core_hour_price: Annotated[float, typer.Option(help="In any currency")] = 0.05,
    gpu_hour_price: Annotated[float, typer.Option(help="In the same")] = 3.0,
    batch_bytes: Annotated[int, typer.Option(help="--batch-bytes of the job")] = 4 * 1024**3,
    file_bytes: Annotated[int, typer.Option(help="--file-bytes of the job")] = 128 * 1024**2,
) -> None:
    """Write the tables between the page's markers."""
    growth, rates, sample = read_growth(), read_rates(), count_sample()
    words_per_token = sample.words / sample.tokens
    rates += [
        Rate(f"{name} core, before there was an engine (assumed)", tokens / 2 * words_per_token)
        for name, tokens in BEFORE_WORDS_PER_SECOND.items()
    ]
    output = arithmetic.output_of(notes, sample, growth.tables, batch_bytes=batch_bytes, file_bytes=file_bytes)
    wait = {"batches": output.batches, "any_batch_seconds": growth.any_batch_seconds}
    parts = [
        f"Plan for {notes:,} notes. Written by `python benchmarks/scaling.py`; from `{growth.file}` and "
        f"`{latest('feeding').name}`.",
        "### A note",
        _sample_table(sample),
        "### On CPUs",
        _core_table(notes, sample, rates, cores=cores, price=core_hour_price, **wait),
        "### By length",
        _length_table(notes, sample, rates),
        "### On GPUs",
        _gpu_table(notes, sample, read_gpu_rates(), growth, price=gpu_hour_price, core_price=core_hour_price),
        "### Tables and files",
        _output_table(notes, sample, output, growth),
    ]
    put_between(PAGE, "\n\n".join(parts))


def put_between(page: Path, text: str) -> None:
    """Put the text between the page's markers."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{page.name}: expected {BEGIN} and {END}"
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def count_sample() -> Sample:
    """Averages over SAMPLE_NOTES notes, a third in each language, by the checkpoints that ship."""
    sources = read_sources()
    notes = [make_note(number, sources) for number in range(SAMPLE_NOTES)]
    tokens, window_tokens, mentions = [], [], []
    for code in LANGUAGES:
        tagger = Tagger.load(code, device="cpu")
        for tagged in tagger.tag_counted([note for note in notes if note.language == code]):
            tokens.append(tagged.n_tokens)
            window_tokens.append(_window_tokens(tagged.n_tokens, tagger))
            mentions.append(len(tagged.document.spans))
    with tempfile.TemporaryDirectory() as folder:
        write_notes(Path(folder, "notes"), range(PARQUET_NOTES), sources)
        parquet_bytes = sum(path.stat().st_size for path in Path(folder, "notes").iterdir()) / PARQUET_NOTES
    return Sample(
        words=mean(len(note.text.split()) for note in notes),
        tokens=mean(tokens),
        window_tokens=mean(window_tokens),
        mentions=mean(mentions),
        text_bytes=mean(len(note.text.encode()) for note in notes),
        parquet_bytes=parquet_bytes,
    )


def _window_tokens(n_tokens: int, tagger: Tagger) -> int:
    special = tagger.encoder.tokenizer.n_special_tokens
    windows = cut_windows(n_tokens, window_tokens=tagger.window_tokens - special, overlap_tokens=tagger.overlap_tokens)
    return sum(window.end - window.start + special for window in windows)


def _sample_table(sample: Sample) -> str:
    rows = [
        ["words", f"{sample.words:,.0f}", ""],
        ["tokens", f"{sample.tokens:,.0f}", f"{sample.tokens / sample.words:.2f} a word"],
        ["window tokens", f"{sample.window_tokens:,.0f}", f"{sample.window_tokens / sample.tokens:.2f} a token"],
        ["mentions", f"{sample.mentions:.1f}", ""],
        ["bytes of text", f"{sample.text_bytes:,.0f}", ""],
        ["bytes in Parquet", f"{sample.parquet_bytes:,.0f}", "notes alike compress better than yours may"],
    ]
    return markdown_table(["a note has", "on average", ""], rows)


def _core_table(n_notes: int, sample: Sample, rates: Sequence[Rate], *, cores: int, price: float, **wait: Any) -> str:
    rows = []
    for rate in rates:
        spent = arithmetic.core_hours(n_notes, sample, words_per_second_per_core=rate.words_per_second_per_core)
        elapsed = arithmetic.hours(spent, cores=cores, **wait)
        cells = [f"{rate.words_per_second_per_core:,.0f}", f"{spent:,.0f}", f"{elapsed:,.1f}"]
        rows.append([rate.where, *cells, f"{elapsed * cores * price:,.0f}"])
    return markdown_table(["core", "words/s a core", "core-hours", f"hours on {cores}", f"cost at {price}"], rows)


def _length_table(n_notes: int, sample: Sample, rates: Sequence[Rate]) -> str:
    rows = []
    for words in LENGTHS_WORDS:
        scaled = sample.of_words(words)
        spent = [
            arithmetic.core_hours(n_notes, scaled, words_per_second_per_core=rate.words_per_second_per_core)
            for rate in rates
        ]
        rows.append([f"{words:,}", f"{n_notes * scaled.tokens:.3g}", *(f"{each:,.0f}" for each in spent)])
    return markdown_table(["words a note", "tokens", *(f"core-hours: {rate.where}" for rate in rates)], rows)


def _gpu_table(
    n_notes: int, sample: Sample, rates: Sequence[GpuRate], growth: Growth, *, price: float, core_price: float
) -> str:
    other = growth.spark_seconds_per_note + read_task_seconds_per_token() * sample.tokens
    rows = []
    for rate in rates:
        per_second = rate.tokens_per_second
        a_note = sample.tokens if rate.counts == "tokens" else sample.window_tokens
        spent = arithmetic.gpu_hours(n_notes, a_note, tokens_per_second=per_second)
        feeding = rate.cores or arithmetic.cores_to_feed(per_second, sample, other_seconds_per_note=other)
        cost = spent * (price + feeding * core_price)
        cells = [f"{per_second:,.0f} {rate.counts}", f"{spent:,.1f}", f"{feeding:,.1f}", f"{cost:,.0f}"]
        rows.append([rate.encoder, rate.what, *cells])
    heads = [
        "encoder",
        "measured",
        "a second",
        "GPU-hours",
        "cores beside it",
        f"cost at {price} and {core_price}",
    ]
    return markdown_table(heads, rows, n_text_columns=2)


def _output_table(n_notes: int, sample: Sample, output: arithmetic.Output, growth: Growth) -> str:
    rows = [
        ["input", f"{n_notes * sample.parquet_bytes / 1e9:,.0f} GB of Parquet", f"{output.batches} batches"],
        ["shuffled once", f"{n_notes * sample.text_bytes / 1e9:,.0f} GB of text", "before compression"],
        ["documents", f"{n_notes:.3g} rows", f"{output.document_bytes / 1e9:,.0f} GB"],
        ["spans", f"{output.span_rows:.3g} rows", f"{output.span_bytes / 1e9:,.0f} GB"],
        ["files", f"{output.files:,}", ""],
        ["what any batch costs", f"{growth.any_batch_seconds:.1f} s", "on the growth run's machine"],
    ]
    return markdown_table(["", "", ""], rows)


if __name__ == "__main__":
    typer.run(main)
