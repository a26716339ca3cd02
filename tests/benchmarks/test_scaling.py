"""The arithmetic of docs/scaling.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from scaling import BEGIN, END, PAGE, put_between
from scaling_arithmetic import (
    Sample,
    Tables,
    core_hours,
    cores_to_feed,
    flops_per_token,
    gpu_hours,
    hours,
    output_of,
    window_tokens_per_second,
)

NOTE = Sample(words=150, tokens=240, window_tokens=300, mentions=8, text_bytes=1_000, parquet_bytes=500)


def test_hours_follow_from_words_and_rates() -> None:
    assert core_hours(1_000_000, NOTE, words_per_second_per_core=1_000) == pytest.approx(150e6 / 1_000 / 3600)
    assert gpu_hours(1_000_000, NOTE, window_tokens_per_second=1e6) == pytest.approx(300 / 3600)
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
    assert window_tokens_per_second(flops_per_second=1e12, share=0.5, flops_per_token=1e6) == 5e5


def test_operations_are_those_that_torch_counts() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
    # eager: the counter passes over fused attention on a CPU
    config = BertConfig(**sizes, num_attention_heads=2, vocab_size=50, attn_implementation="eager")
    model = BertModel(config, add_pooling_layer=False).eval()
    with FlopCounterMode(display=False) as counter:
        model(model.dummy_inputs["input_ids"].new_ones(2, 24))
    assert flops_per_token(sizes, window_tokens=24) * 2 * 24 == counter.get_total_flops()


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    put_between(page, "new")
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_the_page_has_the_markers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)
