"""Settings are checked before a row is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardio_ner.errors import CheckpointError, ConfigError
from cardio_ner.spark.settings import Model, Settings, batch_id_of, open_models, read_settings

ROOT = Path(__file__).parents[2]


def test_the_documented_file_holds_the_defaults() -> None:
    assert read_settings(ROOT / "conf/annotate.yaml", {}) == Settings()


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("id_column: note_id\nlanguage: es\n")
    assert read_settings(path, {"language": "it"}) == Settings(id_column="note_id", language="it")


def test_a_wrong_key_value_or_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("id_colunm: note_id\n")
    with pytest.raises(ConfigError, match="id_colunm"):
        read_settings(path, {})
    with pytest.raises(ConfigError, match=r"precision.*'bf16'.*got 'int4'"):
        read_settings(None, {"precision": "int4"})
    with pytest.raises(ConfigError, match="no such file"):
        read_settings(tmp_path / "b.yaml", {})
    path.write_text("- a\n")
    with pytest.raises(ConfigError, match="expected keys and values"):
        read_settings(path, {})


def test_the_checkpoints_that_ship_open_and_a_missing_one_is_named() -> None:
    assert sorted(open_models(Settings())) == ["en", "es", "it"]
    with pytest.raises(CheckpointError, match="/nowhere/es"):
        open_models(Settings(checkpoints={"es": "/nowhere/es"}))


def test_the_batch_id_follows_input_columns_and_checkpoints_but_not_the_device() -> None:
    models = {"es": Model(name="a", model_id="m1")}
    first = batch_id_of("in", Settings(), models)
    assert first == batch_id_of("in", Settings(device="cpu"), {"es": Model(name="moved", model_id="m1")})
    others = {
        batch_id_of("in2", Settings(), models),
        batch_id_of("in", Settings(text_column="t"), models),
        batch_id_of("in", Settings(), {"es": Model(name="a", model_id="m2")}),
    }
    assert len(others | {first}) == 4
    assert first.startswith("b")
    assert first.endswith("-0")
