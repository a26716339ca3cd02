"""Recipe: everything that decides a training run, in one YAML file under conf/training.

Contract: unknown keys and illegal values raise ConfigError naming the key, what was expected and what came.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cardio_ner.checkpoint import Boundaries
from cardio_ner.config import read_config
from cardio_ner.document import LANGUAGES
from cardio_ner.errors import ConfigError
from cardio_ner.tags import TagScheme
from cardio_ner.windows import check_window
from cardio_training.reporting import Reporter


class Recipe(BaseModel):
    """One run. Paths are relative to the folder that the command is started in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Path
    """Folder of the run: `trainer/` (resumable state), `checkpoint/` (what is used), `history.json` and `curves.svg`
    (the curves), `run.json` (the recipe that began it)."""
    base_encoder: str
    """Hub name, folder, `package:name/folder`, or the `checkpoint` folder of an earlier run (its head is kept for
    the label groups that both have)."""
    languages: tuple[str, ...] = Field(min_length=1)
    label_groups: tuple[tuple[str, ...], ...] = Field(min_length=1)
    """Entity types of each BIO head. Types that may overlap stand in different groups. Of each group all types are
    annotated in one of the languages, or known to a teacher."""
    held_out_fold: int | None = Field(0, ge=0, le=4)
    """Fold of cardioccc_dev that is scored and never trained on; null trains on all documents, unscored."""
    train_weight: int = Field(1, ge=0)
    """How often an epoch reads distemist_train and drugtemist_train (all specialities)."""
    cardioccc_weight: int = Field(1, ge=1)
    """How often an epoch reads the folds of cardioccc_dev that are learnt."""
    teachers: tuple[str, ...] = ()
    """Checkpoints (folders) whose opinion of `unlabelled` texts is learnt beside the gold; each labels the texts of its
    own languages."""
    unlabelled: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    """Files of the data folder (jsonl or jsonl.gz with lang and text) and the share of their texts that is read."""
    written: tuple[Path, ...] = ()
    """Files of lines and names (conf/training/written) of which short notes are made, learnt beside the documents."""
    written_notes: int = Field(400, ge=1)
    """How many notes an epoch reads of each file."""
    vocabulary_pieces: int | None = Field(None, ge=1000)
    """Keep only this many word pieces of the base encoder, the most used in texts of the recipe's languages."""
    window_tokens: int = Field(128, ge=8)
    overlap_tokens: int = Field(32, ge=0)
    """Overlap of windows when tagging."""
    training_overlap_tokens: int = Field(0, ge=0)
    """Overlap of windows when learning: more costs time and shows the same tokens twice."""
    boundaries: Boundaries = "token"
    """Where mentions may begin and end when tagging."""
    tidied: bool = False
    """Mentions lose lone parentheses, signs and small words at their ends when tagging."""
    epochs: float = Field(5, ge=0)
    """0 learns nothing more: the base checkpoint is taken as it is, with those of its groups and the languages that are
    asked for."""
    learning_rate: float = Field(3e-4, gt=0)
    batch_windows: int = Field(32, ge=1)
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    hidden_dropout: float = Field(0.0, ge=0, lt=1)
    """Costs a quarter of the speed on a CPU; token_masking regularises for nothing."""
    token_masking: float = Field(0.1, ge=0, lt=1)
    """Share of tokens hidden behind the mask token while learning, so that context is learnt too."""
    mention_replacement: float = Field(0.0, ge=0, le=1)
    """Share of the mentions that make way, each time they are read, for another of their language and type."""
    labelled: Literal["tokens", "words"] = "tokens"
    """What is learnt: the tag of every token, or of each word's first one, which is what `boundaries: word` reads."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Learning rate of each layer as a share of that of the layer above (J. Howard, S. Ruder, ULMFiT, arXiv
    1801.06146); 1 is the same for all."""
    kept_epoch: Literal["best", "last"] = "best"
    """Whose weights are kept: those of the epoch that the held-out fold scores best, or the last one's, as where no
    fold is held out. A twin that keeps the last is scored on a fold that chose nothing."""
    averaged_epochs: int = Field(1, ge=1)
    """Weights are the mean of those after this many last epochs; 1 leaves it to kept_epoch."""
    report_to: tuple[Reporter, ...] = ()
    """`[tensorboard]` also writes the curves as they grow below `trainer/runs`, or to TENSORBOARD_LOGGING_DIR."""
    seed: int = Field(13, ge=0, lt=2**32)
    licence: str = "Apache-2.0 (weights); trained on MultiCardioNER, CC BY 4.0"

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        unknown = [language for language in self.languages if language not in LANGUAGES]
        if unknown:
            raise ValueError(f"languages {unknown}: expected some of {', '.join(LANGUAGES)}")
        if len(set(self.languages)) < len(self.languages):
            raise ValueError(f"languages {list(self.languages)}: expected each once")
        check_window(self.window_tokens - 2, self.overlap_tokens)
        check_window(self.window_tokens - 2, self.training_overlap_tokens)
        if self.averaged_epochs > max(1, self.epochs):
            raise ValueError(f"averaged_epochs {self.averaged_epochs}: expected at most epochs, which is {self.epochs}")
        if len(set(self.written)) < len(self.written):
            raise ValueError(f"written {[str(path) for path in self.written]}: expected each once")
        if bool(self.teachers) != bool(self.unlabelled):
            raise ValueError("teachers and unlabelled: expected both or none")
        if self.labelled == "words" and self.boundaries != "word":
            raise ValueError("labelled: words: expected boundaries: word, for other tokens would be read unlearnt")
        _ = self.scheme.entity_types
        return self

    @property
    def scheme(self) -> TagScheme:
        """The label groups as a TagScheme."""
        return TagScheme.of(*self.label_groups)


def read_recipe(path: Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe of a YAML file, with `key: value` overrides of the command line. Raises ConfigError."""
    return read_config(path, Recipe, overrides or {}, example="conf/training/joint.yaml")


def parse_overrides(items: list[str] | None) -> dict[str, Any]:
    """`key=value` of the command line, values as YAML. Raises ConfigError where there is no `=` or no YAML."""
    overrides = {}
    for item in items or []:
        key, equals, value = item.partition("=")
        try:
            overrides[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not equals:
            raise ConfigError(f"--set {item!r}: expected key=value, such as --set epochs=2")
    return overrides
