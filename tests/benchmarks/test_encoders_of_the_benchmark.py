"""The checkpoints that the benchmark makes can be tagged with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from candidates.bare import full_batches
from cardio_ner.checkpoint import Checkpoint
from cardio_ner.document import Document
from cardio_ner.tagger import Tagger
from comparison.encoders import write_base_size

SMALL = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}


def test_an_encoder_of_another_size_keeps_tokenizer_labels_and_windows(
    two_group_checkpoint: Path, tmp_path: Path
) -> None:
    shipped = Checkpoint.open(two_group_checkpoint)
    made = Checkpoint.open(write_base_size(tmp_path / "made", shipped, SMALL))
    assert made.scheme == shipped.scheme
    assert made.manifest == shipped.manifest
    tagger = Tagger.load(made, device="cpu")
    assert tagger.encoder.tokenizer.backend.to_str() == Tagger.load(shipped).encoder.tokenizer.backend.to_str()
    assert len(list(tagger.tag([Document("1", "en", "Aspirin 100 mg.")]))) == 1


def test_batches_are_full_and_a_short_corpus_fills_one() -> None:
    assert full_batches(np.arange(25, dtype=np.int32), 2, 4).tolist() == np.arange(24).reshape(3, 2, 4).tolist()
    assert full_batches(np.arange(3, dtype=np.int32), 2, 2).tolist() == [[[0, 1], [2, 0]]]
