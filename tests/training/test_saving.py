"""What a run leaves, and what a kill may leave of it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from cardio_ner.errors import ConfigError
from cardio_ner.model_files import tokenizer_files
from cardio_training import saving
from cardio_training.saving import fast_tokenizer, git_commit, last_whole_checkpoint, save_fp16


def test_the_newest_checkpoint_that_was_written_to_its_end_is_taken(tmp_path: Path) -> None:
    assert last_whole_checkpoint(tmp_path / "nothing") is None
    for number, state in ((9, "{}"), (10, "{}"), (100, None), (101, '{"cut'), (102, "")):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{number}" / "trainer_state.json").write_text(state)
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


def test_a_folder_is_replaced_whole(two_group_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "stale.json").touch()
    model = AutoModelForMaskedLM.from_pretrained(two_group_checkpoint)
    save_fp16(folder, model, fast_tokenizer(two_group_checkpoint), {"facts.json": "{}"})
    assert not (folder / "stale.json").exists()
    assert (folder / "facts.json").read_text() == "{}"
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").mkdir()
    with pytest.raises(ConfigError, match="no tokenizer could be read"):
        fast_tokenizer(tmp_path)


def test_an_encoder_without_tokenizer_files_is_refused_and_none_is_made_up(checkpoint_copy: Path) -> None:
    for file in tokenizer_files(checkpoint_copy):
        file.unlink()
    with pytest.raises(ConfigError, match=r"no tokenizer: expected tokenizer\.json"):
        fast_tokenizer(checkpoint_copy)


def test_the_commit_is_that_of_the_code_wherever_a_run_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = git_commit()
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "another"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.chdir(tmp_path)
    assert git_commit() == here
    monkeypatch.setattr(saving, "__file__", str(Path(shutil.copy(saving.__file__, tmp_path / "saving.py"))))
    assert git_commit() == ""  # a copy that lies in a repository which does not have it
