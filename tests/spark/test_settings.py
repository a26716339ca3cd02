"""Settings are checked before a row is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardio_ner.errors import CheckpointError, ConfigError
from cardio_ner.spark.settings import Model, Settings, open_models, read_settings, stream_of

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


def test_the_stream_follows_input_columns_and_checkpoints_but_not_speed_and_limits() -> None:
    models = {"es": Model(name="a", model_id="m1")}
    first = stream_of("in", Settings(), models)
    limits = Settings(device="cpu", batch_bytes=1_000_000, max_failures="3", skip_unchanged=False)
    assert first == stream_of("in", limits, {"es": Model(name="moved", model_id="m1")})
    others = {
        stream_of("in2", Settings(), models),
        stream_of("in", Settings(text_column="t"), models),
        stream_of("in", Settings(encoding="windows-1252"), models),
        stream_of("in", Settings(), {"es": Model(name="a", model_id="m2")}),
    }
    assert len(others | {first}) == 5


def test_a_preset_names_the_columns_unless_they_are_named() -> None:
    assert read_settings(None, {"preset": "omop-note"}).id_column == "note_id"
    named = read_settings(None, {"preset": "omop-note", "text_column": "clean_text"})
    assert (named.text_column, named.language_column) == ("clean_text", "language_concept_id")
    assert read_settings(None, {"preset": "fhir"}).input_format == "fhir"


def test_a_preset_wins_over_the_defaults_that_a_copied_file_spells_out(tmp_path: Path) -> None:
    copied = Path("conf/annotate.yaml").read_text(encoding="utf-8")
    (tmp_path / "copy.yaml").write_text(copied, encoding="utf-8")
    (tmp_path / "preset.yaml").write_text(copied.replace("preset: null", "preset: omop-note"), encoding="utf-8")
    (tmp_path / "own.yaml").write_text("preset: omop-note\nid_column: my_id\n", encoding="utf-8")
    named = read_settings(tmp_path / "copy.yaml", {"preset": "omop-note"})
    assert named == read_settings(tmp_path / "preset.yaml", {}) == read_settings(None, {"preset": "omop-note"})
    assert read_settings(tmp_path / "copy.yaml", {"preset": "fhir"}).input_format == "fhir"
    assert read_settings(tmp_path / "own.yaml", {}).id_column == "my_id"
    told = read_settings(tmp_path / "copy.yaml", {"preset": "omop-note", "language_column": "language"})
    assert (told.id_column, told.language_column) == ("note_id", "language")
    assert read_settings(tmp_path / "copy.yaml", {}) == Settings()


def test_a_preset_that_reads_languages_otherwise_is_another_stream() -> None:
    columns = {"id_column": "note_id", "text_column": "note_text", "language_column": "language_concept_id"}
    by_hand, by_preset = Settings(**columns), Settings(preset="omop-note")
    assert stream_of("in", by_hand, {}) != stream_of("in", by_preset, {})
    assert stream_of("in", Settings(preset="fhir"), {}) == stream_of("in", Settings(input_format="fhir"), {})


@pytest.mark.parametrize(
    ("told", "n_files", "allowed"),
    [("10%", 1, 1), ("10%", 8, 7), ("10%", 13, 10), ("10%", 200, 20), ("100%", 8, 8), ("3", 8, 3), ("8", 8, 7)],
)
def test_of_several_files_not_all_may_be_unreadable(told: str, n_files: int, allowed: int) -> None:
    settings = Settings(max_failures=told)
    assert settings.files_allowed(n_files) == allowed
    assert settings.files_allowed(n_files, not_theirs=True) == (0 if n_files == 1 else allowed)


@pytest.mark.parametrize(
    ("told", "n_rows", "allowed"),
    [("5", 1000, 5), ("0", 9, 0), ("10%", 1000, 100), ("10%", 3, 10), ("0.5%", 10_000, 50)],
)
def test_failures_are_allowed_as_a_number_or_a_share(told: str, n_rows: int, allowed: int) -> None:
    assert Settings(max_failures=told).failures_allowed(n_rows) == allowed


@pytest.mark.parametrize("wrong", ["ten", "-1", "101%", "5 %%", ""])
def test_another_number_of_failures_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"max_failures.*a share of a batch such as 5%"):
        read_settings(None, {"max_failures": wrong})


def test_sizes_are_read_with_units_and_kept_columns_have_names_of_their_own() -> None:
    assert read_settings(None, {"batch_bytes": "500MB"}).batch_bytes == 500_000_000
    with pytest.raises(ConfigError, match=r"keep.*status"):
        read_settings(None, {"keep": ["ward", "status"]})


@pytest.mark.parametrize("name", ["text", "Text", "spans", "known", "annotation", "_reason"])
def test_a_name_that_the_job_uses_itself_is_not_kept(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"keep.*{name.lower()}: rename"):
        read_settings(None, {"keep": [name]})


def test_a_column_is_kept_once_and_none_has_a_reserved_name() -> None:
    with pytest.raises(ConfigError, match=r"keep.*each column once"):
        read_settings(None, {"keep": ["ward", "WARD"]})
    with pytest.raises(ConfigError, match=r"text_column.*rename the column"):
        read_settings(None, {"text_column": "_source_file"})


@pytest.mark.parametrize("code", ["ES", "es-ES", "spa", "portuguese", ""])
def test_a_checkpoint_is_named_by_a_code_that_a_row_can_have(code: str) -> None:
    with pytest.raises(ConfigError, match=r"checkpoints.*expected codes such as es"):
        read_settings(None, {"checkpoints": {"en": "a", code: "b"}})


def test_a_preset_is_one_from_python_too() -> None:
    assert Settings(preset="omop-note") == read_settings(None, {"preset": "omop-note"})
    assert Settings(preset="omop-note", id_column="id").id_column == "id"


def test_a_language_that_no_checkpoint_is_for_is_refused_before_every_record_is() -> None:
    for wrong in ("Spanish", "fr"):
        with pytest.raises(ConfigError, match=rf"language '{wrong}' has no checkpoint.*one of en, es, it"):
            read_settings(None, {"language": wrong})
    for told in ("es", "es-ES", "spa"):
        assert read_settings(None, {"language": told}).language == told
    assert read_settings(None, {"language": "fr", "checkpoints": {"fr": "clinic/french"}}).language == "fr"


@pytest.mark.parametrize("wrong", ["gpu", "cuda:first", "CPU", ""])
def test_a_device_that_no_machine_has_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        read_settings(None, {"device": wrong})


def test_a_file_that_cannot_be_read_as_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"keep: [a\xf1o]")
    for path in (tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(ConfigError, match=rf"{path}: cannot be read"):
            read_settings(path, {})
