"""A teacher of another architecture: MPNet takes a vocabulary over, learns masked words and mentions, and teaches."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, MPNetConfig, MPNetForMaskedLM

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.encoder import wrap_tokenizer
from cardio_training.acceleration import accelerate, attention, fuse_mpnet, loader_arguments
from cardio_training.dataset import Collator, Example, WindowDataset
from cardio_training.pretraining import pretrain
from cardio_training.pretraining_recipe import PretrainingRecipe
from cardio_training.recipe import Recipe
from cardio_training.run import train
from tiny_models import tiny_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")


def tiny_mpnet() -> MPNetForMaskedLM:
    torch.manual_seed(3)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return MPNetForMaskedLM(MPNetConfig(vocab_size=len(tiny_tokenizer()), max_position_embeddings=66, **size)).eval()


@pytest.fixture(scope="module")
def pretrained(
    one_thread: None,
    text_data: Path,
    small_recipe: PretrainingRecipe,
    two_group_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An MPNet with the vocabulary of a BERT, pre-trained."""
    folder = tmp_path_factory.mktemp("mpnet")
    tiny_mpnet().save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    changes = {
        "output": folder / "run",
        "base_encoder": str(folder / "base"),
        "vocabulary": str(two_group_checkpoint),
        "tokens": 6_000,
    }
    return pretrain(PretrainingRecipe.model_validate(small_recipe.model_dump() | changes), data=text_data)


def test_mpnet_learns_masked_words_with_the_vocabulary_of_another_encoder(
    pretrained: Path, two_group_checkpoint: Path
) -> None:
    theirs, ours = (AutoTokenizer.from_pretrained(folder).get_vocab() for folder in (two_group_checkpoint, pretrained))
    assert ours == theirs
    scored = [entry for entry in json.loads((pretrained / "history.json").read_text()) if "eval_es_loss" in entry]
    assert scored[-1]["eval_es_loss"] < 0.9 * scored[0]["eval_es_loss"]


def test_an_mpnet_teaches_a_bert(pretrained: Path, two_group_checkpoint: Path, text_data: Path, tmp_path: Path) -> None:
    recipe = {
        "output": tmp_path / "teacher",
        "base_encoder": str(pretrained),
        "languages": ["es"],
        "label_groups": [[DISEASE], [MEDICATION]],
        "window_tokens": 48,
        "overlap_tokens": 16,
        "epochs": 8,
        "batch_windows": 4,
        "learning_rate": 5e-3,
    }
    teacher = train(Recipe.model_validate(recipe), data=text_data)
    scores = Checkpoint.open(teacher).manifest.dev_scores
    assert scores is not None
    assert scores["strict_f1"]["es/DISEASE"] > 0.2
    changes = {
        "output": tmp_path / "student",
        "base_encoder": str(two_group_checkpoint),
        "teachers": [str(teacher)],
        "unlabelled": {"text/notes.es.jsonl.gz": 0.5},
        "epochs": 1,
    }
    student = train(Recipe.model_validate(recipe | changes), data=text_data)
    assert Checkpoint.open(student).manifest.training_data["unlabelled"] == {"text/notes.es.jsonl.gz": 0.5}


def test_fused_attention_of_mpnet_computes_what_its_own_does() -> None:
    model = tiny_mpnet().base_model
    ids_BT = torch.randint(5, 60, (3, 21), generator=torch.Generator().manual_seed(1))
    mask_BT = torch.ones(3, 21, dtype=torch.long)
    mask_BT[1, 13:] = 0
    plain = [model(input_ids=ids_BT, attention_mask=mask).last_hidden_state for mask in (None, mask_BT)]
    fuse_mpnet(model)
    fused = [model(input_ids=ids_BT, attention_mask=mask).last_hidden_state for mask in (None, mask_BT)]
    torch.testing.assert_close(fused[0], plain[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(fused[1][mask_BT.bool()], plain[1][mask_BT.bool()], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(plain[0][1, :13], plain[1][1, :13], atol=1e-3)


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")
def test_a_gpu_has_the_best_attention_compiled_layers_and_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attention() == "eager"
    assert loader_arguments()["use_cpu"]
    monkeypatch.setattr(torch._dynamo.config, "suppress_errors", False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert attention() is None
    assert loader_arguments()["dataloader_num_workers"] == 3
    model = accelerate(tiny_mpnet(), compiled=True)
    assert "forward" in vars(model.base_model.encoder.layer[0].attention.attn)
    assert all(layer._compiled_call_impl is not None for layer in model.base_model.encoder.layer)


def test_each_process_that_makes_batches_draws_masks_of_its_own_and_other_ones_each_epoch() -> None:
    example = Example(
        np.arange(5, 45, dtype=np.int32), np.zeros((1, 40), dtype=np.int64), np.ones(40, dtype=bool), "es"
    )
    collator = Collator(wrap_tokenizer(tiny_tokenizer()), 3, 0.5)
    torch.manual_seed(1)
    loader = DataLoader(WindowDataset([example] * 6), batch_size=1, collate_fn=collator, num_workers=2)
    batches = [batch["input_ids"] for _ in range(2) for batch in loader]
    assert len({tuple(ids_BT[0].tolist()) for ids_BT in batches}) == len(batches)
