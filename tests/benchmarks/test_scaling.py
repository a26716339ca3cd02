"""The arithmetic of docs/scaling.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scaling import BEGIN, END, PAGE, _gpu_table, put_between
from scaling_arithmetic import (
    Sample,
    Tables,
    core_hours,
    cores_to_feed,
    gpu_hours,
    hours,
    output_of,
)
from scaling_results import GpuRate, Growth, read_gpu_rates

NOTE = Sample(words=150, tokens=240, window_tokens=300, mentions=8, text_bytes=1_000, parquet_bytes=500)


def test_hours_follow_from_words_and_rates() -> None:
    assert core_hours(1_000_000, NOTE, words_per_second_per_core=1_000) == pytest.approx(150e6 / 1_000 / 3600)
    assert gpu_hours(1_000_000, 300, tokens_per_second=1e6) == pytest.approx(300 / 3600)
    assert hours(100, cores=50, batches=36, any_batch_seconds=100) == pytest.approx(3)


def test_longer_notes_cost_in_proportion() -> None:
    longer = NOTE.of_words(300)
    assert (longer.words, longer.window_tokens, longer.mentions) == (300, 600, 16)


def test_files_follow_from_batches_and_partitions() -> None:
    output = output_of(1_000, NOTE, Tables(100, 20), batch_bytes=250_000, file_bytes=30_000)
    assert output.batches == 2
    assert (output.document_bytes, output.span_rows, output.span_bytes) == (100_000, 8_000, 160_000)
    assert output.files == 2 * (2 + 4 * 1 + 1)


def test_a_gpu_is_fed_by_as_many_cores_as_its_notes_take() -> None:
    assert cores_to_feed(300_000, NOTE, other_seconds_per_note=0.002) == pytest.approx(2)


def test_what_a_gpu_reads_is_taken_from_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling_results.RESULTS", tmp_path)
    told = {"bare, 4 tokens a batch": 1e6, "bare, 8 tokens a batch": 2e6, "UDF in 1 process, 8": 5e5}
    gpu = {"encoders": {"shipped": {"tokens_per_second": told}}}
    slow = {"tasks": 12, "documents": 3_300, "tokens": 3_300_000, "seconds": 9.0, "small_seconds": 2.0}
    fast = slow | {"tasks": 4, "seconds": 5.0, "processor_seconds": {"worker": 12.0, "jvm": 6.0}}
    for name, content in (("gpu", gpu), ("gpu-job", {"runs": [slow, fast]})):
        (tmp_path / f"2026-01-01-{name}.json").write_text(json.dumps(content), encoding="utf-8")
    bare, job = read_gpu_rates()
    assert bare == GpuRate("shipped", "bare, 2026-01-01-gpu.json", 2e6, "window tokens")
    # 3,000 notes of 1,000 tokens beyond the small run's 300, in three seconds
    assert (job.tokens_per_second, job.counts, job.cores) == (pytest.approx(1e6), "tokens", 6)


def test_a_rate_over_documents_tokens_goes_with_a_notes_tokens_and_not_with_its_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """240e6 tokens, or 300e6 of windows, at 1e6 a second."""
    monkeypatch.setattr("scaling.read_task_seconds_per_token", lambda: 0.0)
    rates = [GpuRate("bare", "", 1e6), GpuRate("job", "", 1e6, "tokens", 6.0)]
    growth = Growth(Tables(1, 1), 1.0, 0.0, "")
    table = _gpu_table(1_000_000 * 15, NOTE, rates, growth, price=1.0, core_price=0.0)
    assert "| bare |  | 1,000,000 window tokens | 1.2 |" in table
    assert "| job |  | 1,000,000 tokens | 1.0 | 6.0 |" in table


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    put_between(page, "new")
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_the_page_has_the_markers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)
