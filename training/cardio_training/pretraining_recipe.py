"""PretrainingRecipe: everything that decides an encoder, in conf/pretraining.yaml.

Contract: unknown keys and illegal values raise ConfigError naming the key, what was expected and what came. Weights say
how often a text is read in one pass: 3 is three times, 0.15 is every text with a chance of 15 % (drawn once, by its
digest, so that each run draws the same).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cardio_ner.config import read_config
from cardio_ner.corpus.multicardioner import N_FOLDS
from cardio_training.reporting import Reporter

Language = Literal["es", "en", "it"]
Weight = Annotated[float, Field(ge=0, le=100)]
ROW_STEP = 8
"""bf16 matrices of other widths are slower, on CUDA and with AMX."""


class Texts(BaseModel):
    """What is read, and how often: weights by file of the data folder, and by language of MultiCardioNER."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: dict[str, Weight] = Field(default_factory=dict)
    """Lines of JSON with lang, source and text, gzipped or not."""
    train: dict[Language, Weight] = Field(default_factory=dict)
    """distemist_train and drugtemist_train."""
    cardioccc: dict[Language, Weight] = Field(default_factory=dict)
    """cardioccc_dev, `cardioccc_folds` of it."""

    @model_validator(mode="after")
    def _check(self) -> Texts:
        if not any([*self.files.values(), *self.train.values(), *self.cardioccc.values()]):
            raise ValueError("expected a file or a language with a weight above 0")
        return self


class VocabularyRecipe(BaseModel):
    """How the vocabulary is learnt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["wordpiece", "unigram"] = "wordpiece"
    pieces: int = Field(24_000, ge=1_000, le=65_000)
    """Size, special pieces and bytes included. At most what 16 bits can number."""
    lowercase: bool = True
    strip_accents: bool = False
    common_character: int = Field(200, ge=1)
    """Characters seen less often than this in the weighted texts are not learnt as parts of words."""
    rare_character: int = Field(2, ge=1)
    """Characters seen so often, but less often than common ones, get one piece each (wordpiece only), and so do Latin
    and Greek ones that were never seen."""
    texts: Texts | None = None
    """What the pieces are learnt from; null: the texts of pre-training. Characters are counted in these in any case."""


class PretrainingRecipe(BaseModel):
    """One run. `output` is relative to the folder that the command is started in, files to the data folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Path
    """Folder of the run: `start/` (the carried-over encoder), `tokens/`, `trainer/` (resumable state), `encoder/`,
    `history.json` and `curves.svg` (the curves)."""
    base_encoder: str
    """Hub name, folder, or `package:name/folder` of the encoder that is carried over."""
    vocabulary: VocabularyRecipe | str | None = VocabularyRecipe()
    """How it is learnt; or the encoder (named as base_encoder is) whose vocabulary is taken; null keeps the base
    encoder's own."""
    texts: Texts
    cardioccc_folds: tuple[Annotated[int, Field(ge=0, lt=N_FOLDS)], ...] = ()
    """Folds of cardioccc_dev that may be read. The others stay unseen, and only they are a fair test."""
    held_out_share: float = Field(0.01, gt=0, lt=0.5)
    """Share of the texts that the encoder only scores (the vocabulary is learnt from them too); drawn by digest, so
    equal texts fall on the same side."""
    held_out_rows: int = Field(384, ge=1)
    """Rows scored per language, at most: scoring costs as much as learning a third of them."""
    row_tokens: int = Field(128, ge=16, multiple_of=ROW_STEP)
    """Length of a packed sequence, special tokens included."""
    batch_rows: int = Field(64, ge=1)
    tokens: int = Field(60_000_000, ge=1)
    """Length of the run, in tokens read."""
    masking: float = Field(0.25, gt=0, lt=1)
    """Share of the words that are hidden, whole (25 %: Wettig et al. 2023, arXiv 2202.08005)."""
    learning_rate: float = Field(5e-4, gt=0)
    warmup_share: float = Field(0.03, ge=0, lt=1)
    decay_share: float = Field(0.2, ge=0, lt=1)
    """Last share of the run, over which the learning rate falls to 0; between warm-up and decay it stands."""
    weight_decay: float = Field(0.01, ge=0)
    save_every_tokens: int = Field(1_000_000, ge=1)
    """How much a killed run loses at most."""
    score_every_tokens: int = Field(5_000_000, ge=1)
    keep_at: tuple[float, ...] = ()
    """Shares of the run after which the encoder of that moment is kept, as `encoder-33` for 0.33."""
    report_to: tuple[Reporter, ...] = ()
    """`[tensorboard]` also writes the curves as they grow below `trainer/runs`, or to TENSORBOARD_LOGGING_DIR."""
    seed: int = Field(13, ge=0, lt=2**32)
    licence: str = "Apache-2.0 (weights)"

    @model_validator(mode="after")
    def _check(self) -> PretrainingRecipe:
        own = self.vocabulary.texts if isinstance(self.vocabulary, VocabularyRecipe) else None
        if not self.cardioccc_folds and any(any(t.cardioccc.values()) for t in (self.texts, own) if t):
            raise ValueError("cardioccc_folds: expected the folds to read, for cardioccc has a weight above 0")
        if self.warmup_share + self.decay_share > 1:
            raise ValueError("warmup_share and decay_share: expected a sum of at most 1")
        if not all(0 < share < 1 for share in self.keep_at):
            raise ValueError(f"keep_at {self.keep_at}: expected shares between 0 and 1")
        if len({round(100 * share) for share in self.keep_at}) < len(self.keep_at):
            raise ValueError(
                f"keep_at {self.keep_at}: expected shares that differ by a hundredth, for the folders' names"
            )
        at = [round(share * self.steps) for share in self.keep_at]
        if 0 in at or len(set(at)) < len(at):
            raise ValueError(
                f"keep_at {self.keep_at}: of {self.steps} steps that is after {at}: expected different ones, above 0"
            )
        return self

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return max(1, self.tokens // self.batch_tokens)

    @property
    def batch_tokens(self) -> int:
        """Tokens of one step, special tokens included."""
        return self.row_tokens * self.batch_rows


def read_pretraining_recipe(path: Path, overrides: dict[str, Any] | None = None) -> PretrainingRecipe:
    """The recipe of a YAML file, with `key: value` overrides of the command line. Raises ConfigError."""
    return read_config(path, PretrainingRecipe, overrides or {}, example="conf/pretraining.yaml")
